"""What else makes days dirty: register reads and reports of power, where there are readings that they bear on."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from sqlalchemy import select

from gridwright.domain.interval import DAY_S
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.store import dirty, schema
from gridwright.store.names import FEW, Names
from gridwright.store.session import Unit


def touch_days(unit: Unit, names: Names, moments: Iterable[tuple[int, int]]) -> None:
    """Mark the UTC days up to and of each (usage point's key, epoch second) dirty, where the point has readings."""
    spans: dict[int, tuple[int, int]] = {}
    for point, at_s in moments:
        first, last = spans.get(point, (at_s, at_s))
        spans[point] = min(first, at_s), max(last, at_s)
    keys = _with_readings(unit, sorted(spans))
    if not keys:
        return
    bounds = np.array([spans[key] for key in keys], np.int64)
    # What a read closes is the day that ends with it, when it is taken at midnight.
    first, last = (bounds[:, 0] - 1) // DAY_S, bounds[:, 1] // DAY_S + 1
    dirty.mark(unit, names.make_type_key(unit, DELIVERED_ENERGY), np.array(keys, np.int64), first, last)


def _with_readings(unit: Unit, keys: list[int]) -> list[int]:
    column = schema.series.c.usage_point
    found: set[int] = set()
    for at in range(0, len(keys), FEW):
        found.update(unit.connection.execute(select(column).where(column.in_(keys[at : at + FEW]))).scalars())
    return sorted(found)
