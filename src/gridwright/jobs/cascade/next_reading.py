"""The next reading of a usage point before or behind a moment, however far away it lies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.interval import DAY_S, Interval, from_epoch_s
from gridwright.domain.panel import slot_time
from gridwright.jobs.load.load_stretches import load_stretches
from gridwright.store import Store
from gridwright.store.days.series import Extent

AT_ONCE = timedelta(days=42)  # so much is looked through at a time


def reading_before(store: Store, access: Access, series: Sequence[Extent], moment: datetime) -> datetime | None:
    """Return when the last reading of any of a usage point's series before a moment ends."""
    end, first = moment, from_epoch_s(min(each.first_day for each in series) * DAY_S)
    while end > first:
        known = [found.end for found in _known(store, access, series, Interval(end - AT_ONCE, end))]
        if known:
            return max(known)
        end -= AT_ONCE
    return None


def reading_behind(store: Store, access: Access, series: Sequence[Extent], moment: datetime) -> datetime | None:
    """Return when the first reading of any of a usage point's series behind a moment begins."""
    start, last = moment, from_epoch_s(max(each.last_day for each in series) * DAY_S)
    while start < last:
        known = [found.start for found in _known(store, access, series, Interval(start, start + AT_ONCE))]
        if known:
            return min(known)
        start += AT_ONCE
    return None


def _known(store: Store, access: Access, series: Sequence[Extent], period: Interval) -> Iterator[Interval]:
    """Yield from the first to the last reading within a period, by series and grid."""
    for kind in dict.fromkeys(each.reading_type for each in series):
        for panel in load_stretches(store, access, [series[0].usage_point], period, kind):
            slots = np.flatnonzero(~panel.missing[0])
            if slots.size:
                yield Interval(slot_time(panel, int(slots[0])), slot_time(panel, int(slots[-1]) + 1))
