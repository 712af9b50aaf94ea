"""Stretches: from when to when a series of a usage point keeps one interval length, and one phase."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import NamedTuple

import numpy as np

from gridwright.domain.interval import DAY_S, Interval, from_epoch_s
from gridwright.store.days.blocks import read_point, shape_of
from gridwright.store.session import Unit


class Stretch(NamedTuple):
    """UTC days on which a usage point was read on one grid; `period` ends where the next grid begins, or after them."""

    usage_point: str
    interval: timedelta
    phase: timedelta
    period: Interval


def read_stretches(unit: Unit, kind: int, points: Mapping[int, str], period: Interval) -> Iterator[Stretch]:
    """Yield the stretches within a period, by usage point (key → name) in order of time.

    The first begins and the last ends with the period: what is missing there is missing on that grid.
    """
    first, last = (int(each.timestamp()) for each in (period.start, period.end))
    days = range(first // DAY_S, -(-last // DAY_S))
    for key, name in points.items():
        rows = read_point(unit, kind, key, days)
        if rows is None:
            continue
        grids = [shape_of(number).grid for number in rows.shape]
        begins = [0, *(at for at in range(1, len(grids)) if grids[at] != grids[at - 1])]
        inner = [from_epoch_s(int(day) * DAY_S) for day in np.asarray(rows.key)[begins[1:]]]
        edges = [period.start, *inner, period.end]
        for at, start, end in zip(begins, edges[:-1], edges[1:], strict=True):
            slots, phase_s = grids[at]
            yield Stretch(name, timedelta(seconds=DAY_S // slots), timedelta(seconds=phase_s), Interval(start, end))
