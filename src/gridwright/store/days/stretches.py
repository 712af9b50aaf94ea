"""Stretches: from when to when a series of a usage point keeps one interval length, and one phase."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import NamedTuple

import numpy as np

from gridwright.domain.interval import DAY_S, Interval, from_epoch_s
from gridwright.store.days.away import Away
from gridwright.store.days.blocks import read_point, shape_of
from gridwright.store.session import Unit


class Stretch(NamedTuple):
    """UTC days on which a usage point was read on one grid; `period` ends where the next grid begins, or after them."""

    usage_point: str
    interval: timedelta
    phase: timedelta
    period: Interval


def read_stretches(
    unit: Unit, kind: int, points: Mapping[int, str], period: Interval, away: Away | None = None
) -> Iterator[Stretch]:
    """Yield the stretches within a period, by usage point (key → name) in order of time.

    The first begins and the last ends with the period: what is missing there is missing on that grid.
    """
    first, last = (int(each.timestamp()) for each in (period.start, period.end))
    days = range(first // DAY_S, -(-last // DAY_S))
    outside = {} if away is None else _outside(away, days)
    for key, name in points.items():
        rows = read_point(unit, kind, key, days)
        shapes = [] if rows is None else list(zip(np.asarray(rows.key).tolist(), rows.shape, strict=True))
        if away is not None:
            shapes = sorted([*outside.get(key, ()), *(each for each in shapes if each[0] not in away)])
        if not shapes:
            continue
        grids = [shape_of(number).grid for _, number in shapes]
        begins = [0, *(at for at in range(1, len(grids)) if grids[at] != grids[at - 1])]
        inner = [from_epoch_s(shapes[at][0] * DAY_S) for at in begins[1:]]
        edges = [period.start, *inner, period.end]
        for at, start, end in zip(begins, edges[:-1], edges[1:], strict=True):
            slots, phase_s = grids[at]
            yield Stretch(name, timedelta(seconds=DAY_S // slots), timedelta(seconds=phase_s), Interval(start, end))


def _outside(away: Away, days: range) -> dict[int, list[tuple[int, int]]]:
    """Return for each usage point the days that the database has not, or not wholly, with the shapes of their rows."""
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for day in days:
        rows = away.images(day).current if day in away else None
        for key, shape in () if rows is None else zip(rows.key.tolist(), rows.shape, strict=True):
            found[key].append((day, shape))
    return found
