"""Gaps: where a stored profile has holes, as periods to ask for again, and which of them the meter cannot fill."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from gridwright.domain.interval import Interval, epoch_s, from_epoch_s
from gridwright.domain.panel import Panel


def holes(panel: Panel, row: int = 0) -> list[Interval]:
    """Return the runs of slots without a value, as periods in order of time."""
    missing = np.concatenate(([False], panel.missing[row], [False]))
    edges = np.flatnonzero(missing[1:] != missing[:-1])
    start, length = epoch_s(panel.start), panel.interval_s
    at = [from_epoch_s(start + length * int(edge)) for edge in edges]
    return [Interval(begin, end) for begin, end in zip(at[::2], at[1::2], strict=True)]


def spans(periods: Iterable[Interval]) -> list[Interval]:
    """Return the union of periods, as disjoint periods in order of time."""
    joined: list[Interval] = []
    for period in sorted(periods):
        if joined and period.start <= joined[-1].end:
            joined[-1] = Interval(joined[-1].start, max(joined[-1].end, period.end))
        elif period.end > period.start:
            joined.append(period)
    return joined


def without(periods: Iterable[Interval], known: Sequence[Interval]) -> list[Interval]:
    """Return what is left of `periods` outside `known`."""
    left = spans(periods)
    for taken in spans(known):
        left = [part for period in left for part in _cut(period, taken)]
    return left


def _cut(period: Interval, taken: Interval) -> list[Interval]:
    if not period.overlaps(taken):
        return [period]
    ends = ((period.start, min(taken.start, period.end)), (max(taken.end, period.start), period.end))
    return [Interval(start, end) for start, end in ends if start < end]
