"""Adopt the rules of validation: other rules than before judge the last weeks of every usage point again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gridwright.domain.access import Access
from gridwright.domain.errors import NotFound
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.store import Store
from gridwright.store.rule_sets import RulePeriod, StoredRules
from gridwright.vee import packaged
from gridwright.vee.ruleset import RuleBook

# What is older was judged by the rules of its time, and stays: a new rule is no reason to correct last year's bills.
JUDGED_AGAIN = timedelta(days=42)
SHORT = 12  # characters of a digest by which people know it


@dataclass(frozen=True, slots=True)
class Adopted:
    """How many usage points other rules make dirty, and what is doubtful about their version."""

    points: int = 0
    notes: tuple[str, ...] = ()


def adopt_rules(store: Store, access: Access, rules: RuleBook | None, *, now: datetime, source: str = "") -> Adopted:
    """Keep the rules in force (None: the packaged ones), which were read from `source`.

    The first rules that a store ever sees make nothing dirty, and neither do those that are in force.
    """
    book = rules or packaged()
    text = json.dumps(book.to_dict(), sort_keys=True)
    kept = StoredRules(book.digest, "rules", str(book.version), text, now, source if rules else "")
    with store.transaction():
        before = store.rule_sets.history(access)
        if not store.rule_sets.save(access, kept) or not before:
            return Adopted()
        note = version_note(before, kept.digest, kept.version, kept.source)
        return Adopted(_judge_again(store, access, now), (note,) if note else ())


def adopt_first(store: Store, access: Access, rules: RuleBook | None, *, now: datetime, source: str = "") -> None:
    """Keep the rules in force where none ever were: who judges leaves on record by which rules."""
    if not store.rule_sets.history(access):
        adopt_rules(store, access, rules, now=now, source=source)


def _judge_again(store: Store, access: Access, now: datetime) -> int:
    points = [point.id for point in store.registry.points(access)]
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    there = {
        extent.usage_point
        for extent in store.readings.extents(access, points)
        if extent.last_day * 86_400 > (midnight - JUDGED_AGAIN).timestamp()
    }
    if there:
        period = Interval(midnight - JUDGED_AGAIN, midnight + timedelta(days=1))
        store.dirty.touch(access, sorted(there), DELIVERED_ENERGY, period)
    return len(there)


def version_note(history: Sequence[RulePeriod], digest: str, version: str, source: str | None) -> str:
    """Return what is wrong about the version of rules of a file: another file's rules had it before; else empty.

    The packaged rules have versions of their own, and are told by having no file.
    """
    if source == "":
        return ""
    others = (each for each in history if each.version == version and each.digest != digest and each.source != "")
    other = next(others, None)
    if other is None:
        return ""
    return (
        f'the rules with the digest {digest[:SHORT]} call themselves version "{version}", and so did other ones, '
        f"{other.digest[:SHORT]}, from {other.since:%Y-%m-%dT%H:%M:%SZ} on: give the changed file a new version"
    )


def rules_then(store: Store, access: Access, at: datetime) -> RulePeriod:
    """Return the rules that were in force at an instant: a finding was made by those of the time when it was known."""
    found = store.rule_sets.in_force(access, at)
    if found is None:
        raise NotFound(
            f"no rules were in force at {at.isoformat()}", remedy="gridwright vee history shows from when on which were"
        )
    return found
