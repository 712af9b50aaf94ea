"""Totals of civil days: what a usage point used from local midnight to local midnight, and how that is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.calendar import LocalCalendar, date_of
from gridwright.domain.interval import local_midnight, zone_of
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY, ReadingType

Numbers = npt.NDArray[np.int64]
FIELDS = ("total", "peak", "peak_slot", "intervals", "measured", "estimated", "edited")
NO_SLOT = -1
FAR = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, eq=False)
class DayTotals:
    """Usage points × consecutive civil days, each array int64[n, days]; `first_day` counts from 1970-01-01.

    `total` and `peak` (the highest interval) are counts of the reading type; `peak_slot`: the interval of the day that
    has it first, -1 without any value. `intervals`: how many the day has (23, 24 or 25 hours), 0 where nothing is
    known of the day; `measured`, `estimated`, `edited`: how many of them; the rest has no value.
    """

    points: tuple[str, ...]
    first_day: int
    total: Numbers
    peak: Numbers
    peak_slot: Numbers
    intervals: Numbers
    measured: Numbers
    estimated: Numbers
    edited: Numbers
    reading_type: ReadingType = DELIVERED_ENERGY

    @property
    def days(self) -> range:
        """The civil days, as days since 1970-01-01."""
        return range(self.first_day, self.first_day + self.total.shape[1])

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """Tell of which days anything is known, bool[n, days]."""
        return self.intervals > 0

    @property
    def missing(self) -> Numbers:
        """How many intervals of each day have no value."""
        return self.intervals - self.measured - self.estimated - self.edited

    @property
    def kwh(self) -> npt.NDArray[np.float64]:
        """Energy of each day in kWh, float64[n, days]; NaN where nothing is known."""
        kwh: npt.NDArray[np.float64] = self.total / 10.0 ** (3 - self.reading_type.exponent)
        return np.where(self.known, kwh, np.nan)

    def rows(self, which: Sequence[int] | npt.NDArray[np.intp]) -> DayTotals:
        """Return the totals of some rows, in that order."""
        at = np.asarray(which, np.intp)
        some: dict[str, Any] = {name: getattr(self, name)[at] for name in FIELDS}
        return replace(self, points=tuple(self.points[row] for row in at), **some)


def day_totals(panel: Panel, zone: str) -> DayTotals:
    """Return the totals of those civil days of `zone` that the panel covers from midnight to midnight."""
    calendar = panel.calendar(zone)
    starts = calendar.day_starts
    lengths = np.diff(np.r_[starts, panel.slots])
    whole = _whole(panel, calendar, zone_of(zone))
    if not whole.size:
        return no_totals(panel.points, range(0), panel.reading_type)
    begin, end = int(starts[whole[0]]), int(starts[whole[-1]] + lengths[whole[-1]])
    cut = panel.slice(begin, end)
    return _totals(cut, starts[whole] - begin, lengths[whole], int(calendar.day[begin]))


def _whole(panel: Panel, calendar: LocalCalendar, zone: ZoneInfo) -> npt.NDArray[np.intp]:
    """Return which civil days are covered; by their ends, as half an hour put forward is no whole number of hours."""
    starts = calendar.day_starts
    if not starts.size:
        return np.empty(0, np.intp)
    first, last = (date_of(int(calendar.day[at])) for at in (starts[0], starts[-1]))
    begins = panel.start - local_midnight(first, zone) < panel.interval
    ends = panel.end >= local_midnight(last + timedelta(days=1), zone)
    return np.arange(0 if begins else 1, starts.size if ends else starts.size - 1)


def no_totals(points: Sequence[str], days: range, kind: ReadingType) -> DayTotals:
    """Return totals of days of which nothing is known."""
    arrays = {name: np.zeros((len(points), len(days)), np.int64) for name in FIELDS}
    arrays["peak_slot"] -= 1
    return DayTotals(tuple(points), days.start, **arrays, reading_type=kind)


def _totals(panel: Panel, starts: npt.NDArray[np.intp], lengths: Numbers, first_day: int) -> DayTotals:
    absent = np.isnan(panel.values) | q.has_status(panel.quality, q.GAPS)
    valued = ~absent
    counts = np.where(absent, 0.0, panel.values).astype(np.int64)
    tall = np.where(absent, np.iinfo(np.int64).min, counts)
    peak = np.maximum.reduceat(tall, starts, axis=1)
    within = np.arange(panel.slots) - np.repeat(starts, lengths)
    at_peak = valued & (tall == np.repeat(peak, lengths, axis=1))
    slot = np.minimum.reduceat(np.where(at_peak, within, FAR), starts, axis=1)
    known = slot < FAR

    def many(statuses: tuple[q.Status, ...]) -> Numbers:
        there = (valued & q.has_status(panel.quality, statuses)).astype(np.int64)
        return np.asarray(np.add.reduceat(there, starts, axis=1))

    return DayTotals(
        panel.points,
        first_day,
        total=np.add.reduceat(counts, starts, axis=1),
        peak=np.where(known, peak, 0),
        peak_slot=np.where(known, slot, NO_SLOT),
        intervals=np.where(known, lengths[None, :], 0),
        measured=many((*q.MEASURED, q.Status.DERIVED)),
        estimated=many(q.ESTIMATES),
        edited=many((q.Status.EDITED,)),
        reading_type=panel.reading_type,
    )
