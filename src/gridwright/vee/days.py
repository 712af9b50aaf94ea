"""Local days as stretches of a panel's grid: their slots, how many they should have, and sums and maxima over them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from gridwright.domain.calendar import LocalCalendar, date_of
from gridwright.vee.runs import Floats, Index, Mask

Counts = npt.NDArray[np.int64]
# Up to here the largest of each window is found by itself; beyond, all windows share their work.
FEW_DAYS = 9


@dataclass(frozen=True, slots=True, eq=False)
class Days:
    """The local days that a grid touches: slots `first[d]` .. `last[d]` - 1; `expected[d]` is the whole day's number.

    `day`: days since 1970-01-01 of the local date. A day at the edge of the grid may be covered only in part.
    """

    first: Index
    last: Index
    expected: Counts
    day: Counts

    @property
    def size(self) -> int:
        """Number of days."""
        return int(self.first.size)

    @property
    def whole(self) -> Mask:
        """Which days the grid covers from midnight to midnight."""
        return np.asarray((self.last - self.first) == self.expected)

    def at(self, slot: Index) -> Index:
        """Return the position of the day that holds each slot."""
        return np.searchsorted(self.first, slot, side="right") - 1

    def of(self, slot: int) -> int:
        """Return the position of the day that holds one slot."""
        return int(self.first.searchsorted(slot, side="right")) - 1

    def date(self, position: int) -> date:
        """Return the local date of the day at `position`."""
        return date_of(int(self.day[position]))

    def maxima(self, values: Floats) -> Floats:
        """Return the largest value of each day, float64[rows, days]; -inf where there is none."""
        largest = np.fmax.reduceat(values, self.first, axis=1, dtype=np.float64)
        largest[np.isnan(largest)] = -np.inf
        return np.asarray(largest)

    def counts(self, mask: Mask) -> Counts:
        """Return how many slots of each day `mask` marks, int64[rows, days]."""
        return np.asarray(np.add.reduceat(mask, self.first, axis=1, dtype=np.int64))


def days_of(calendar: LocalCalendar) -> Days:
    """Return the local days of a grid."""
    first = calendar.day_starts
    last = np.r_[first[1:], calendar.slots].astype(np.intp)
    return Days(first, last, calendar.expected_slots().astype(np.int64), calendar.day[first].astype(np.int64))


def recent_max(maxima: Floats, window: int, days: int) -> Floats:
    """Return, for each of the last `days` days, the largest of the `window` days before it; -inf where none is."""
    width = maxima.shape[1]
    if days > FEW_DAYS:
        return trailing_max(maxima, window)[:, width - days :]
    result = np.full((maxima.shape[0], days), -np.inf)
    for day in range(days):
        at = width - days + day
        if at > 0:
            result[:, day] = maxima[:, max(at - window, 0) : at].max(axis=1)
    return result


def trailing_max(maxima: Floats, window: int) -> Floats:
    """Return, for each day, the largest of the `window` days before it (not itself); -inf where there is none."""
    rows, days = maxima.shape
    result = np.full((rows, days), -np.inf)
    block, covered, width = maxima, 0, 1
    # Windows of 1, 2, 4 ... days are joined as the binary digits of `window` ask.
    while width <= min(window, days):
        shift = covered + 1
        if window & width and shift < days:
            np.maximum(result[:, shift:], block[:, : days - shift], out=result[:, shift:])
        covered += window & width
        doubled = block.copy()
        np.maximum(doubled[:, width:], block[:, :-width], out=doubled[:, width:])
        block, width = doubled, width * 2
    if window >= width:
        np.maximum(result[:, 1:], np.maximum.accumulate(maxima, axis=1)[:, :-1], out=result[:, 1:])
    return result


def recent_count(mask: Mask, window: int, days: int) -> Counts:
    """Return, for each of the last `days` days, how many of the `window` days before it `mask` marks."""
    width = mask.shape[1]
    if days <= FEW_DAYS:
        ends = range(width - days, width)
        few = [np.count_nonzero(mask[:, max(end - window, 0) : max(end, 0)], axis=1) for end in ends]
        return np.stack(few, axis=1).astype(np.int64)
    total = np.zeros((mask.shape[0], width + 1), np.int32)
    np.cumsum(mask, axis=1, out=total[:, 1:])
    position = np.arange(width - days, width)
    return np.asarray(total[:, position] - total[:, np.maximum(position - window, 0)], np.int64)
