"""Adopt the rules of validation: other rules than before judge the last weeks of every usage point again."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from gridwright.domain.access import Access
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.store import Store
from gridwright.store.rule_sets import StoredRules
from gridwright.vee import packaged
from gridwright.vee.ruleset import RuleBook

# What is older was judged by the rules of its time, and stays: a new rule is no reason to correct last year's bills.
JUDGED_AGAIN = timedelta(days=42)


def adopt_rules(store: Store, access: Access, rules: RuleBook | None, *, now: datetime) -> int:
    """Keep the rules in force (None: the packaged ones); return how many usage points they make dirty.

    The first rules that a store ever sees make nothing dirty, and neither do those that are in force.
    """
    book = rules or packaged()
    kept = StoredRules(book.digest, "rules", str(book.version), json.dumps(book.to_dict(), sort_keys=True), now)
    with store.transaction():
        first = not store.rule_sets.known(access)
        if not store.rule_sets.save(access, kept) or first:
            return 0
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
