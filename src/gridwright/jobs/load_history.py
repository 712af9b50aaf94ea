"""What the store knows of the civil days before some readings: the rules that look back a year need no intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.calendar import day_number
from gridwright.domain.day_totals import DayTotals
from gridwright.domain.reading_type import ReadingType
from gridwright.store import Store
from gridwright.vee import DayHistory

# A year for peaks, and the days that a local midnight east or west of Greenwich may add.
DAYS = 367


def load_history(
    store: Store, access: Access, points: Sequence[str], before: datetime, kinds: Iterable[ReadingType]
) -> Mapping[ReadingType, DayHistory]:
    """Return the day totals of the year before an instant by reading type; days without readings are unknown."""
    last = day_number(before.date()) + 1
    days = range(last - DAYS, last)
    return {kind: history_of(store.day_totals.load(access, points, days, reading_type=kind)) for kind in kinds}


def history_of(totals: DayTotals) -> DayHistory:
    """Return day totals as rules look back on them: what was estimated is counted, days without a value are unknown."""
    valued = totals.known & (totals.missing < totals.intervals)
    return DayHistory(
        totals.points,
        totals.first_day,
        np.where(valued & (totals.missing == 0), totals.total, np.nan),
        np.where(valued, totals.peak, np.nan),
        totals.intervals.astype(np.int32),
        (totals.estimated + totals.missing).astype(np.int32),
    )
