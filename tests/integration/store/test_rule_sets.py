"""Which rules were in force is kept for ever, on every database: also where rules come back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import NotFound
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.cascade.adopt_rules import adopt_rules, rules_then, version_note
from gridwright.store.migrate import HEAD, revision_of
from gridwright.store.rule_sets import RulePeriod, StoredRules
from gridwright.vee import packaged, rule_book
from tests.integration.store.conftest import NOON
from tests.integration.store.test_schema import migrate

if TYPE_CHECKING:
    from gridwright.store import Store

pytestmark = pytest.mark.servers_in_turn

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
MINE = 'version = "1"\n[[group]]\nname = "mine"\nextends = "residential"\n[group.rules.V17_stuck]\nhours = {}\n'


def rules(digest: str, at: datetime, version: str = "1", source: str | None = "") -> StoredRules:
    return StoredRules(digest, "rules", version, f'{{"of": "{digest}"}}', at, source)


def test_rules_that_come_back_leave_what_was_before_as_it_is(store: Store) -> None:
    saved = [store.rule_sets.save(ME, rules(name, NOW + at * DAY)) for at, name in enumerate("aabba")]
    assert saved == [True, False, True, False, True]
    periods = [(each.digest, each.since, each.until) for each in store.rule_sets.history(ME)]
    assert periods == [
        ("a", NOW, NOW + 2 * DAY),
        ("b", NOW + 2 * DAY, NOW + 4 * DAY),
        ("a", NOW + 4 * DAY, None),
    ]
    for at, digest in ((0, "a"), (1.9, "a"), (2, "b"), (3.9, "b"), (4, "a"), (400, "a")):
        assert rules_then(store, ME, NOW + at * DAY).digest == digest
    with pytest.raises(NotFound, match="no rules were in force"):
        rules_then(store, ME, NOW - DAY)
    assert store.rule_sets.content(ME, "b").text == '{"of": "b"}'
    assert store.rule_sets.content(ME, "a").known_at == NOW


def test_two_that_are_adopted_at_one_moment_follow_each_other(store: Store) -> None:
    for name in "ba":
        store.rule_sets.save(ME, rules(name, NOW))
    assert [each.digest for each in store.rule_sets.history(ME)] == ["b", "a"]


def test_another_version_of_the_same_rules_is_told_and_judges_nothing_anew(store: Store) -> None:
    assert store.rule_sets.save(ME, rules("a", NOW, "1"))
    assert not store.rule_sets.save(ME, rules("a", NOW + DAY, "2"))
    assert [each.version for each in store.rule_sets.history(ME)] == ["1", "2"]


def test_the_audit_tells_who_put_rules_in_force(store: Store) -> None:
    """Their times are those of the store's clock, but for the last, which nothing tells of."""
    people = [replace(ME, actor=name) for name in ("ann", "bob")]
    store.registry.save_points(ME, [UsagePoint("UP-1")])
    for at, who in enumerate([*people, people[0]]):
        store.rule_sets.save(who, rules("ab"[at % 2], NOON + timedelta(minutes=at + 2)))
    store.rule_sets.save(people[1], rules("c", NOON + 400 * DAY))
    told = store.rule_sets.history(ME)
    assert store.rule_sets.adopted_by(ME, told) == ["ann", "bob", "ann", ""]
    assert store.rule_sets.adopted_by(ME, []) == []


@pytest.mark.parametrize("digest", ["", "c", "a"])
def test_a_digest_that_is_no_ones_or_several(store: Store, digest: str) -> None:
    for name in ("aa", "ab"):
        store.rule_sets.save(ME, rules(name, NOW))
    with pytest.raises(NotFound, match=r"sets? of rules ha"):
        store.rule_sets.content(ME, digest)
    assert store.rule_sets.content(ME, "aa").digest == "aa"


def test_other_rules_under_the_same_version_are_told(store: Store) -> None:
    """The packaged rules have versions of their own: the first file of a user is called 1 too."""
    first, other = (rule_book(MINE.format(hours), "vee.toml") for hours in (6, 7))
    renamed = rule_book(MINE.format(8).replace('"1"', '"2"'), "vee.toml")
    notes = [
        adopt_rules(store, ME, book, now=NOW + at * DAY, source="/etc/vee.toml").notes
        for at, book in enumerate((None, first, other, other, renamed, None, first))
    ]
    assert [len(each) for each in notes] == [0, 0, 1, 0, 0, 0, 1]
    assert f"{first.digest[:12]}, from 2026-03-02T00:00:00Z on: give the changed file a new version" in notes[2][0]
    told = store.rule_sets.history(ME)
    assert [each.source for each in told] == ["", *["/etc/vee.toml"] * 3, "", "/etc/vee.toml"]
    assert [bool(version_note(told, each.digest, each.version, each.source)) for each in told] == [
        *(False, True, True, False, False, True)
    ]
    assert told[0].digest == packaged().digest


def test_what_was_overwritten_before_is_found_in_the_audit_again(store: Store, again: Callable[[], Store]) -> None:
    """Up to 0007 a set that came back took its earlier row along; its record in the audit stayed."""
    for at, name in enumerate("aba"):
        store.rule_sets.save(ME, rules(name, NOW + at * DAY))
    records = [each.at for each in store.audit.records(ME) if each.subject == "validation rules"][::-1]
    with store._engine.begin() as connection:
        migrate(connection, "downgrade", "0007")
        late = int((NOW + 2 * DAY).timestamp() * 1e6)
        connection.exec_driver_sql(f"UPDATE rule_set SET known_at_us = {late} WHERE digest = 'a'")
        unaudited = f"('c', 'rules', '9', 'null', {int((NOW - DAY).timestamp() * 1e6)})"
        connection.exec_driver_sql(
            f"INSERT INTO rule_set (digest, name, version, text, known_at_us) VALUES {unaudited}"
        )
    with again() as newer:
        with newer._engine.connect() as connection:
            assert revision_of(connection) == HEAD
        told = sorted((each.digest, each.since) for each in newer.rule_sets.history(ME))
        assert told == sorted([("a", records[0]), ("b", records[1]), ("a", records[2]), ("c", NOW - DAY)])
        assert {each.source for each in newer.rule_sets.history(ME)} == {None}
        assert isinstance(newer.rule_sets.in_force(ME, NOW), RulePeriod)
