"""What else makes days dirty: register reads and reports of power, and where only registers are read those alone."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from sqlalchemy import func, select

from gridwright.domain.image import Image
from gridwright.domain.interval import DAY_S
from gridwright.domain.reading_type import DELIVERED_ENERGY, DELIVERED_REGISTER
from gridwright.store import dirty, schema
from gridwright.store.names import FEW, Names, every_image
from gridwright.store.session import Unit

# So far back is judged again what a changed attribute bears on.
LAST_DAYS = 92
SERIES_OF = "SELECT usage_point FROM series WHERE usage_point IN"


def touch_days(unit: Unit, names: Names, moments: Iterable[tuple[int, int]], *, registers: bool = False) -> None:
    """Mark the UTC days up to and of each (usage point's key, epoch second) dirty, where the point has readings.

    `registers`: reads of them came; where a usage point has nothing else they are judged by themselves.
    """
    spans: dict[int, tuple[int, int]] = {}
    for point, at_s in moments:
        first, last = spans.get(point, (at_s, at_s))
        spans[point] = min(first, at_s), max(last, at_s)
    there = _with_readings(unit, sorted(spans))
    alone = sorted(spans.keys() - set(there)) if registers else []
    for keys, kind in ((there, DELIVERED_ENERGY), (alone, DELIVERED_REGISTER)):
        if keys:
            bounds = np.array([spans[key] for key in keys], np.int64)
            # What a read closes is the day that ends with it, when it is taken at midnight.
            begin, end = (bounds[:, 0] - 1) // DAY_S, bounds[:, 1] // DAY_S + 1
            dirty.mark(unit, names.make_type_key(unit, kind), np.array(keys, np.int64), begin, end)


def have_readings(unit: Unit, points: list[int]) -> bool:
    """Tell whether each of some usage points has readings that do not wait."""
    return len(_with_readings(unit, points)) == len(set(points))


def touch_last_days(unit: Unit, names: Names, points: list[int]) -> None:
    """Mark the last `LAST_DAYS` days of readings of usage points, by key, dirty: what they are judged by changed."""
    spans = _spans(unit, points)
    if spans.size:
        end = spans[:, 2] + 1
        kind = names.make_type_key(unit, DELIVERED_ENERGY)
        dirty.mark(unit, kind, spans[:, 0], np.maximum(spans[:, 1], end - LAST_DAYS), end)


def touch_again(unit: Unit, names: Names, points: list[int], first: int, last: int) -> int:
    """Mark those of the UTC days first..last-1 that usage points, by key, have readings of, and their day totals.

    Returns of how many usage points that is any day.
    """
    spans = _spans(unit, points)
    begin, end = np.maximum(spans[:, 1], first), np.minimum(spans[:, 2] + 1, last)
    some = begin < end
    if some.any():
        keys = spans[some, 0]
        dirty.mark(unit, names.make_type_key(unit, DELIVERED_ENERGY), keys, begin[some], end[some])
        touch_totals(unit, keys.tolist())
    return int(some.sum())


def touch_totals(unit: Unit, points: list[int]) -> None:
    """Mark the day totals of all days of usage points, by key, to be added up again: the final images stand.

    One final image stands for all series of a usage point; where none was ever made there are no totals.
    """
    finals = [key for key, (_, image) in every_image(unit).items() if image is Image.FINAL]
    spans = _spans(unit, points) if finals else np.empty((0, 3), np.int64)
    if spans.size:
        dirty.mark(unit, min(finals), spans[:, 0], spans[:, 1], spans[:, 2] + 1)


def _spans(unit: Unit, points: list[int]) -> npt.NDArray[np.int64]:
    """Return int64[n, key + first day + last day] of the usage points that have readings."""
    table, found = schema.series.c, []
    for at in range(0, len(points), FEW):
        query = select(table.usage_point, func.min(table.first_day), func.max(table.last_day))
        query = query.where(table.usage_point.in_(points[at : at + FEW])).group_by(table.usage_point)
        found += [tuple(row) for row in unit.connection.execute(query)]
    return np.array(sorted(found), np.int64).reshape(len(found), 3)


def _with_readings(unit: Unit, keys: list[int]) -> list[int]:
    found: set[int] = set()
    for at in range(0, len(keys), FEW):
        part = keys[at : at + FEW]
        found.update(row[0] for row in unit.fetch(f"{SERIES_OF} ({', '.join('?' * len(part))})", part))
    return sorted(found)
