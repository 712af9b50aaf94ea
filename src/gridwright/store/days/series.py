"""The extent of each series, kept as it is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import select

from gridwright.domain.reading_type import ReadingType
from gridwright.store import schema
from gridwright.store.days.blocks import marks
from gridwright.store.names import FEW, every_type
from gridwright.store.session import Unit

Keys = npt.NDArray[np.int64]
THERE = (
    "SELECT usage_point, first_day, last_day, readings FROM series "
    "WHERE reading_type = ? AND interval_s = ? AND usage_point {which}"
)
INSERT = (
    "INSERT INTO series (reading_type, usage_point, interval_s, first_day, last_day, readings) "
    "VALUES (?, ?, ?, ?, ?, ?)"
)
UPDATE = (
    "UPDATE series SET first_day = ?, last_day = ?, readings = ? "
    "WHERE reading_type = ? AND usage_point = ? AND interval_s = ?"
)


class Extent(NamedTuple):
    """One series: UTC days [first_day, last_day) since 1970-01-01 that have readings, and how many there are."""

    usage_point: str
    reading_type: ReadingType
    interval_s: int
    first_day: int
    last_day: int
    readings: int


def read_extents(unit: Unit, points: Mapping[int, str]) -> list[Extent]:
    """Return the series of some usage points (key → name) without looking into them."""
    table, kinds = schema.series, every_type(unit)
    keys = sorted(points)
    found: list[Extent] = []
    for at in range(0, len(keys), FEW):
        query = select(table).where(table.c.usage_point.in_(keys[at : at + FEW]))
        for row in unit.connection.execute(query.order_by(table.c.usage_point, table.c.reading_type)):
            kind = kinds[row.reading_type]
            found.append(
                Extent(points[row.usage_point], kind, row.interval_s, row.first_day, row.last_day, row.readings)
            )
    return found


LESS = "UPDATE series SET readings = readings - ? WHERE reading_type = ? AND usage_point = ? AND interval_s = ?"
EMPTY = "DELETE FROM series WHERE reading_type = ? AND usage_point = ? AND interval_s = ? AND readings = 0"
COUNT_ALL = (
    "UPDATE series SET readings = readings + ? WHERE reading_type = ? AND interval_s = ? AND usage_point {which}"
)


def count_series(unit: Unit, kind: int, interval_s: int, keys: Keys, *, first: Keys, last: Keys, new: Keys) -> None:
    """Widen the series to days first..last-1 and count the new readings; three arrays with one entry a key."""
    which, asked = _which(keys)
    there = {row[0]: row[1:] for row in unit.fetch(THERE.format(which=which), (kind, interval_s, *asked))}
    if unit.dialect == "sqlite" and _count_all_alike(unit, there, (kind, interval_s), (keys, first, last, new)):
        return
    added, changed = [], []
    for key, begin, end, more in zip(keys.tolist(), first.tolist(), last.tolist(), new.tolist(), strict=True):
        old = there.get(key)
        if old is None:
            added.append((kind, key, interval_s, begin, end, more))
        elif more or begin < old[0] or end > old[1]:
            changed.append((min(begin, old[0]), max(end, old[1]), old[2] + more, kind, key, interval_s))
    unit.run_many(INSERT, added)
    unit.run_many(UPDATE, changed)


def uncount(unit: Unit, kind: int, interval_s: int, keys: Keys, gone: Keys, *, kept: bool = False) -> None:
    """Count readings no more that are set aside, so many of each key; a series that has none left is none.

    `kept`: their days are still stored, or in the archive, so that the series stays.
    """
    each = zip(keys.tolist(), gone.tolist(), strict=True)
    unit.run_many(LESS, [(less, kind, key, interval_s) for key, less in each])
    if not kept:
        unit.run_many(EMPTY, [(kind, key, interval_s) for key in keys.tolist()])


def _which(keys: Keys) -> tuple[str, list[int]]:
    """Return the condition on the usage point, and its parameters: each of a few, or all from the first to the last."""
    if keys.size <= FEW:
        return f"IN ({marks(keys.size)})", keys.tolist()
    return "BETWEEN ? AND ?", [int(keys.min()), int(keys.max())]


def _count_all_alike(
    unit: Unit,
    there: dict[int, tuple[int, int, int]],
    which: tuple[int, int],
    columns: tuple[Keys, Keys, Keys, Keys],
) -> bool:
    """Count in one statement where every series between the first and the last key gets as many, and none widens."""
    keys, first, last, new = columns
    if len(there) != keys.size or keys.size == 0 or (new != new[0]).any():
        return False
    old = np.array(list(there.values()), np.int64)
    known = np.fromiter(there, np.int64, keys.size)
    order = np.argsort(known)
    if (known[order] != np.sort(keys)).any() or int(first.min()) < old[:, 0].max() or int(last.max()) > old[:, 1].min():
        return False
    if new[0]:
        of, asked = _which(keys)
        unit.run_many(COUNT_ALL.format(which=of), [(int(new[0]), *which, *asked)])
    return True
