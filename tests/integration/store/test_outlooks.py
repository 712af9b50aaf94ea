from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.errors import AccessDenied, Conflict, InputError
from gridwright.store import Outlook, Store, StoredAnswer

pytestmark = pytest.mark.servers_in_turn

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HER = Access("her", Role.CUSTOMER, frozenset({"UP-1"}))
OPERATOR = Access("op", Role.OPERATOR)


# --- outlooks ---------------------------------------------------------------------------------------------------------


def test_the_newest_and_what_was_newest_then(store: Store) -> None:
    for at in (0, 2, 1):  # the last one comes late
        store.outlooks.save(ME, "forecast", "UP-1", {"kw": [at, None], "ä": "ö"}, issued=NOW + at * HOUR)
    newest = store.outlooks.latest(ME, "forecast", "UP-1")
    assert newest == Outlook("forecast", "UP-1", NOW + 2 * HOUR, {"kw": [2, None], "ä": "ö"})
    assert store.outlooks.several(ME, "forecast") == [newest]
    then = store.outlooks.latest(ME, "forecast", "UP-1", as_of=NOW + HOUR)
    assert then is not None
    assert then.body["kw"] == [1, None]
    assert store.outlooks.latest(ME, "forecast", "UP-1", as_of=NOW - HOUR) is None
    assert store.outlooks.latest(ME, "plan", "UP-1") is None


def test_the_same_again_changes_nothing_and_another_supersedes(store: Store) -> None:
    assert store.outlooks.save_many(ME, "plan", {"UP-1": {"kw": 1}, "UP-2": {"kw": 1}}, issued=NOW) == 2
    assert store.outlooks.save_many(ME, "plan", {"UP-1": {"kw": 1}, "UP-2": {"kw": 2}}, issued=NOW) == 1
    assert [each.body["kw"] for each in store.outlooks.several(ME, "plan")] == [1, 2]
    assert store.audit.verify(ME) == 2


def test_thousands_of_subjects(store: Store) -> None:
    many = {f"UP-{at:05d}": {"at": at} for at in range(1500)}
    for hour in range(2):
        assert store.outlooks.save_many(ME, "forecast", many, issued=NOW + hour * HOUR) == 1500
    found = store.outlooks.several(ME, "forecast")
    assert [each.subject for each in found] == sorted(many)
    assert {each.issued for each in found} == {NOW + HOUR}
    assert len(store.outlooks.several(ME, "forecast", list(many)[:900])) == 900


@pytest.mark.parametrize("body", [{"x": float("nan")}, {"x": {1, 2}}, {"x": NOW}], ids=["nan", "set", "instant"])
def test_what_json_cannot_hold(store: Store, body: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        store.outlooks.save(ME, "forecast", "UP-1", body, issued=NOW)


@pytest.mark.parametrize(("kind", "subject"), [("", "UP-1"), ("x" * 65, "UP-1"), ("x", "U" * 201)])
def test_names_of_outlooks(store: Store, kind: str, subject: str) -> None:
    with pytest.raises(InputError):
        store.outlooks.save(ME, kind, subject, {}, issued=NOW)


def test_a_customer_sees_outlooks_of_their_own(store: Store) -> None:
    store.outlooks.save_many(ME, "forecast", {"UP-1": {}, "UP-2": {}, "fleet": {}}, issued=NOW)
    assert [each.subject for each in store.outlooks.several(HER, "forecast")] == ["UP-1"]
    assert store.outlooks.latest(HER, "forecast", "UP-1") is not None
    for subject in ("UP-2", "fleet"):
        with pytest.raises(AccessDenied):
            store.outlooks.latest(HER, "forecast", subject)
    for role in (Role.VIEWER, Role.DEVICE):
        with pytest.raises(AccessDenied):
            store.outlooks.save(Access("x", role), "forecast", "UP-1", {}, issued=NOW)


# --- answers ----------------------------------------------------------------------------------------------------------

ANSWER = StoredAnswer(202, b'{"accepted": 3, "\xc3\xa4": 1}', "application/json")


def test_the_same_request_gets_the_same_answer(store: Store) -> None:
    assert store.answers.recall(OPERATOR, "k1", "d1") is None
    store.answers.remember(OPERATOR, "k1", "d1", ANSWER, now=NOW)
    assert store.answers.recall(OPERATOR, "k1", "d1") == ANSWER
    with pytest.raises(Conflict, match="another request"):
        store.answers.recall(OPERATOR, "k1", "d2")
    assert store.answers.recall(Access("other", Role.OPERATOR), "k1", "d2") is None
    assert store.answers.recall(OPERATOR, "K1", "d2") is None
    with pytest.raises(Conflict):
        store.answers.remember(OPERATOR, "k1", "d1", ANSWER, now=NOW)


def test_an_answer_goes_with_what_it_tells(store: Store) -> None:
    def answer_and_break() -> None:
        with store.transaction():
            store.answers.remember(OPERATOR, "k1", "d1", ANSWER, now=NOW)
            raise RuntimeError("not kept after all")

    with pytest.raises(RuntimeError):
        answer_and_break()
    assert store.answers.recall(OPERATOR, "k1", "d1") is None


def test_of_two_at_once_one_answers(store: Store, again: Callable[[], Store]) -> None:
    barrier, refused = threading.Barrier(2), []

    def remember() -> None:
        with again() as mine:
            barrier.wait()
            try:
                mine.answers.remember(OPERATOR, "k1", "d1", ANSWER, now=NOW)
            except Conflict as error:
                refused.append(error)

    threads = [threading.Thread(target=remember) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1


def test_answers_are_forgotten_after_a_day(store: Store) -> None:
    store.answers.remember(OPERATOR, "old", "d", ANSWER, now=NOW)
    store.answers.remember(OPERATOR, "new", "d", ANSWER, now=NOW + HOUR)
    assert store.answers.forget_old(ME, NOW + 24 * HOUR) == 1
    assert store.answers.recall(OPERATOR, "old", "d") is None
    assert store.answers.recall(OPERATOR, "new", "d") == ANSWER


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_keys_of_answers(store: Store, key: str) -> None:
    with pytest.raises(InputError):
        store.answers.recall(OPERATOR, key, "d")


def test_the_fleet_has_no_subject_and_no_customer_sees_it(store: Store) -> None:
    store.outlooks.save(ME, "fleet", "", {"load_kw": [1.0]}, issued=NOW)
    assert store.outlooks.latest(ME, "fleet", "") is not None
    with pytest.raises(AccessDenied):
        store.outlooks.latest(HER, "fleet", "")


def test_what_was_superseded_long_ago_is_forgotten_and_the_newest_never(store: Store) -> None:
    for age in (40, 30, 1):
        store.outlooks.save(ME, "forecast", "UP-1", {"age": age}, issued=NOW - timedelta(days=age))
    store.outlooks.save(ME, "forecast", "UP-2", {"age": 50}, issued=NOW - timedelta(days=50))
    store.outlooks.save(ME, "settlement", "E-1", {"old": True}, issued=NOW - timedelta(days=50))
    store.outlooks.save(ME, "settlement", "E-1", {"old": False}, issued=NOW)
    before = NOW - timedelta(days=35)
    assert store.outlooks.forget(ME, ["forecast"], before=before) == 1
    assert store.outlooks.forget(ME, ["forecast"], before=before) == 0
    kept = store.outlooks.latest(ME, "forecast", "UP-1", as_of=NOW - timedelta(days=35))
    assert kept is None
    assert [each.body["age"] for each in store.outlooks.several(ME, "forecast")] == [1, 50]
    assert store.outlooks.latest(ME, "settlement", "E-1", as_of=NOW - timedelta(days=1)) is not None
