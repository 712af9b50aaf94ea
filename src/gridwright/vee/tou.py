"""Buckets: when each of a meter's time-of-use registers counts, so that E08 closes every one of them by itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridwright.domain.errors import InputError
from gridwright.vee.runs import Mask
from gridwright.vee.wall import WallClock

Spans = tuple[tuple[int, int], ...]
DAY_MINUTES = 1440
ALL_DAY: Spans = ((0, DAY_MINUTES),)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A time-of-use register: `channel` names it in the reading type of its reads, the spans tell when it counts.

    Spans are minutes of the local day, [from, to), for workdays, Saturdays, and Sundays with holidays.
    """

    channel: str
    workday: Spans = ALL_DAY
    saturday: Spans = ALL_DAY
    sunday: Spans = ALL_DAY

    def __post_init__(self) -> None:
        for first, last in (*self.workday, *self.saturday, *self.sunday):
            if not 0 <= first < last <= DAY_MINUTES:
                raise InputError(
                    f"register {self.channel} counts from minute {first} to {last}",
                    remedy="give minutes of the day, 0 to 1440, the first before the last; cut a night at midnight",
                )

    def mask(self, wall: WallClock) -> Mask:
        """Return in which slots of a grid the register counts, bool[slots]."""
        minute = wall.minute_slot * (DAY_MINUTES // wall.width)
        kind = wall.kind[wall.day]
        counts = np.zeros(minute.size, np.bool_)
        for which, spans in enumerate((self.workday, self.saturday, self.sunday)):
            for first, last in spans:
                counts |= (kind == which) & (minute >= first) & (minute < last)
        return counts
