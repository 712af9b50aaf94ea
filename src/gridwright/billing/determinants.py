"""Determinants: what is billed, as exact whole counts of every label for many meters in one matrix product."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from gridwright.billing.labels import NO_LABEL, Labels, compile_labels
from gridwright.domain import quality as q
from gridwright.domain.calendar import local_calendar
from gridwright.domain.errors import NotFound, RateError
from gridwright.domain.panel import Panel, Values
from gridwright.domain.rate import RateCard, TouCalendar
from gridwright.domain.reading_type import LARGEST_EXACT, Accumulation, Quantity

Counts = npt.NDArray[np.int64]
Rows = npt.NDArray[np.intp]
BLOCK_ROWS = 64
ALL = ("",)


@dataclass(frozen=True, slots=True, eq=False)
class Determinants:
    """Sums by label of n meters; labels partition the intervals, so every row adds up to the meter's total.

    `energy` int64[n, L] in counts of 10**exponent Wh, missing values left out; `slots` int64[L] intervals that carry
    the label; `missing`, `estimated` int64[n, L] how many of them have no value or an estimate.
    """

    labels: tuple[str, ...]
    energy: Counts
    slots: Counts
    missing: Counts
    estimated: Counts
    exponent: int


def determinants(panel: Panel, card: RateCard, zone: str, *, calendar: str = "") -> Determinants:
    """Sum every meter of the panel by the labels of one of the card's calendars (left out: the only one, if any)."""
    name = calendar or (card.calendars[0].id if len(card.calendars) == 1 else "")
    found = card.calendar(name)
    if name and found is None:
        known = ", ".join(one.id for one in card.calendars)
        raise NotFound(f"rate card {card.reference} has no calendar {name!r}", remedy=f"calendars: {known}")
    return sum_by_label(panel, found, (), zone)


def sum_by_label(panel: Panel, calendar: TouCalendar | None, months: tuple[int, ...], zone: str) -> Determinants:
    """Sum by the labels of `calendar` (None: one label, "") over the intervals that lie in `months` (empty: all)."""
    panel = billable(panel)
    doubtful = doubtful_rows(panel)
    labels = interval_labels(panel, calendar, months, zone)
    names = calendar.labels if calendar else ALL
    hot = one_hot(labels.tobytes(), len(names))
    energy = label_sums(panel.values, hot)
    return Determinants(
        labels=names,
        energy=energy,
        slots=hot.sum(axis=0).astype(np.int64),
        missing=_count(panel, q.GAPS, hot, doubtful),
        estimated=_count(panel, q.ESTIMATES, hot, doubtful),
        exponent=panel.reading_type.exponent,
    )


def billable(panel: Panel) -> Panel:
    """Return the panel with value and quality agreeing on what is missing: a rejected value is none.

    Anything but energy per interval is a RateError.
    """
    kind = panel.reading_type
    if kind.quantity is not Quantity.ENERGY or kind.accumulation is not Accumulation.DELTA:
        raise RateError(f"{kind} cannot be billed", remedy="turn it into energy per interval first")
    doubtful = doubtful_rows(panel)
    if not doubtful.size:
        return panel
    gaps = q.has_status(panel.quality[doubtful], q.GAPS)
    blank = np.isnan(panel.values[doubtful])
    if (gaps == blank).all():
        return panel
    values, quality = panel.values.copy(), panel.quality.copy()
    values[doubtful] = np.where(gaps, np.nan, values[doubtful])
    quality[doubtful] = np.where(blank & ~gaps, np.uint8(q.MISSING), quality[doubtful])
    return panel.with_values(values, quality)


def doubtful_rows(panel: Panel) -> Rows:
    """Return the rows that hold something other than plain measured values."""
    # Most meters are measured throughout: one pass of max over bytes and one sum find the rest.
    other = panel.quality.max(axis=1, initial=0) > int(q.Status.ACCEPTED)
    return np.flatnonzero(other | np.isnan(panel.values.sum(axis=1)))


def interval_labels(panel: Panel, calendar: TouCalendar | None, months: tuple[int, ...], zone: str) -> Labels:
    """Return int8[slots]: each interval's label number, -1 outside `months`."""
    return _labels(calendar, months, panel.start, panel.interval, (panel.slots, zone))


@lru_cache(maxsize=128)
def _labels(
    calendar: TouCalendar | None,
    months: tuple[int, ...],
    start: datetime,
    interval: timedelta,
    extent: tuple[int, str],
) -> Labels:
    slots, zone = extent
    labels = compile_labels(calendar, start, interval, slots, zone) if calendar else np.zeros(slots, np.int8)
    if months:
        month = local_calendar(start, interval, slots, zone).month % 12 + 1
        labels = np.where(np.isin(month, months), labels, np.int8(NO_LABEL)).astype(np.int8)
    return labels


@lru_cache(maxsize=64)
def one_hot(labels: bytes, names: int) -> Values:
    """Return float64[slots, names] with a 1 where the interval carries the label."""
    numbers = np.frombuffer(labels, np.int8)
    hot: Values = (numbers[:, None] == np.arange(names, dtype=np.int8)).astype(np.float64)
    hot.setflags(write=False)
    return hot


def label_sums(values: Values, hot: Values) -> Counts:
    """Sum whole counts by label, int64[n, L]: exact, as every partial sum is a whole number below 2^53."""
    sums = np.empty((values.shape[0], hot.shape[1]))
    # Blocks of rows that stay in the cache; a missing value makes its row NaN, and only such rows are done again.
    for first in range(0, values.shape[0], BLOCK_ROWS):
        rows = values[first : first + BLOCK_ROWS]
        sums[first : first + BLOCK_ROWS] = rows @ hot
    again = np.flatnonzero(np.isnan(sums).any(axis=1))
    if again.size:
        sums[again] = np.nan_to_num(values[again]) @ hot
    if (np.abs(sums) >= LARGEST_EXACT).any():
        raise RateError("sums exceed 2^53 counts and would not be exact", remedy="count in a coarser resolution")
    return np.rint(sums).astype(np.int64)


def _count(panel: Panel, statuses: tuple[q.Status, ...], hot: Values, doubtful: Rows) -> Counts:
    counts = np.zeros((panel.quality.shape[0], hot.shape[1]), np.int64)
    if doubtful.size:
        mask = q.has_status(panel.quality[doubtful], statuses)
        counts[doubtful] = np.rint(mask.astype(np.float64) @ hot).astype(np.int64)
    return counts
