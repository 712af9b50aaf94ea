"""The wall: a panel's values by local date and wall-clock slot, so that like days match across clock changes."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import numpy as np

from gridwright.domain.calendar import LocalCalendar, date_of
from gridwright.vee.days import days_of
from gridwright.vee.runs import Floats, Index, Mask

Holidays = AbstractSet[date] | Callable[[date], bool]
WORKDAY, SATURDAY, SUNDAY = 0, 1, 2
FRIDAY_NUMBER = 4


@dataclass(frozen=True, slots=True, eq=False)
class WallClock:
    """Where each slot of a grid stands on the wall: `day[slot]` (position of its local date) and `minute_slot[slot]`.

    `source[day, minute_slot]`: the slot shown there, -1 where the grid or the clock skips it; a repeated hour shows its
    first pass. `kind[day]`: workday, Saturday, or Sunday and holiday.
    `whole[day]`: the grid covers it from midnight to midnight.
    """

    day: Index
    minute_slot: Index
    source: Index
    kind: Index
    whole: Mask

    @property
    def days(self) -> int:
        """Number of local dates."""
        return int(self.kind.size)

    @property
    def width(self) -> int:
        """Wall-clock slots of a day."""
        return int(self.source.shape[1])

    @property
    def shown(self) -> Mask:
        """Which places of the wall hold a slot of the grid."""
        return self.source >= 0

    def lay(self, values: Floats) -> Floats:
        """Return values float64[rows, slots] as float64[rows, days, width], NaN where no slot is."""
        place = self.day * self.width + self.minute_slot
        edges = np.r_[0, np.flatnonzero(np.diff(place) != 1) + 1, place.size].tolist()
        laid = np.full((values.shape[0], self.days * self.width), np.nan)
        # Stretches between clock changes are copied whole; backwards, so that a repeated hour keeps its first pass.
        for first, last in reversed(list(pairwise(edges))):
            at = int(place[first])
            laid[:, at : at + last - first] = values[:, first:last]
        return laid.reshape(values.shape[0], self.days, self.width)


def wall_clock(calendar: LocalCalendar, holidays: Holidays) -> WallClock:
    """Return the wall of a grid; `holidays` are local dates, or tell whether a date is one."""
    first_day = int(calendar.day[0])
    day = (calendar.day - first_day).astype(np.intp)
    minute_slot = calendar.slot_of_day.astype(np.intp)
    days, width = int(day[-1]) + 1, max(1, -(-86_400 // calendar.interval_s))
    source = np.full((days, width), -1, np.intp)
    # Written backwards, so that the first pass of a repeated hour stays.
    source[day[::-1], minute_slot[::-1]] = np.arange(calendar.slots - 1, -1, -1)
    weekday = ((first_day + 3 + np.arange(days)) % 7).astype(np.intp)
    kind = np.maximum(weekday - FRIDAY_NUMBER, WORKDAY)
    is_holiday = holidays if callable(holidays) else holidays.__contains__
    kind[[is_holiday(date_of(first_day + number)) for number in range(days)]] = SUNDAY
    return WallClock(day, minute_slot, source, kind, days_of(calendar).whole)
