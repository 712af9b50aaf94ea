"""What of a usage point the rules in force look at: who changes it has the last readings judged again."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import select

from gridwright.domain.usage_point import JUDGED_BY, UsagePoint
from gridwright.store.schema.trust import rule_period, rule_set
from gridwright.store.session import Unit

Conditions = frozenset[tuple[str, str]]  # attribute, the value that a group of rules asks of it


class Change(NamedTuple):
    """A usage point as it was and as it is now."""

    old: UsagePoint
    new: UsagePoint


def judged_otherwise(unit: Unit, changes: list[Change]) -> list[str]:
    """Return which usage points are judged otherwise than before, by their id."""
    # The rules are read where an attribute changed at all: an address of a town's points costs one query.
    other = any(change.old.attributes != change.new.attributes for change in changes)
    conditions = _conditions_in_force(unit) if other else frozenset()
    return [new.id for old, new in changes if _judged_by(old, conditions) != _judged_by(new, conditions)]


def _judged_by(point: UsagePoint, conditions: Conditions) -> tuple[object, ...]:
    """Return what of a usage point rules of validation and estimates rest on."""
    attributes = {name: value for name, value in point.attributes.items() if name in JUDGED_BY}
    group = conditions & point.attributes.items()
    return point.customer_class, point.capacity_kw, point.holidays, point.zone, attributes, group


def _conditions_in_force(unit: Unit) -> Conditions:
    """Return by which attributes the rules in force choose a group; none where nothing was judged yet."""
    query = select(rule_set.c.text).join(rule_period, rule_period.c.digest == rule_set.c.digest)
    text = unit.connection.execute(query.order_by(rule_period.c.since_us.desc()).limit(1)).scalar()
    return _conditions(text) if text else frozenset()


@lru_cache(maxsize=4)
def _conditions(text: str) -> Conditions:
    groups = json.loads(text).get("groups", ())
    return frozenset(pair for group in groups for pair in group.get("attributes", {}).items())
