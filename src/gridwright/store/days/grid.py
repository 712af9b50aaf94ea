"""How the slots of a panel fall on UTC days."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from gridwright.domain.errors import GridMismatch
from gridwright.domain.interval import DAY_S, Interval
from gridwright.store.instant import to_seconds

LONGEST_S = 3600


@dataclass(frozen=True, slots=True)
class DayPart:
    """The part of a grid that falls on one UTC day: `columns` of the panel are `slots` of the day."""

    day: int
    columns: slice
    slots: slice
    whole: bool


@dataclass(frozen=True, slots=True)
class DayGrid:
    """Slots of `interval_s` seconds from `start_s` (epoch seconds) on; each UTC day has `per_day` of them."""

    start_s: int
    interval_s: int
    slots: int

    @property
    def phase_s(self) -> int:
        """Start of a day's first slot, seconds after 00:00 UTC."""
        return self.start_s % self.interval_s

    @property
    def per_day(self) -> int:
        """Slots of a day."""
        return DAY_S // self.interval_s

    @property
    def days(self) -> range:
        """UTC days touched."""
        last = self.start_s + self.interval_s * (self.slots - 1)
        return range(self.start_s // DAY_S, last // DAY_S + 1) if self.slots else range(0)

    def parts(self) -> Iterator[DayPart]:
        """Yield the days in order."""
        for day in self.days:
            first = (day * DAY_S + self.phase_s - self.start_s) // self.interval_s
            columns = slice(max(first, 0), min(first + self.per_day, self.slots))
            slots = slice(columns.start - first, columns.stop - first)
            yield DayPart(day, columns, slots, columns.stop - columns.start == self.per_day)


def check_interval(interval: timedelta) -> int:
    """Return the seconds of an interval that blocks can hold: at most an hour, dividing a day; else GridMismatch."""
    seconds = interval // timedelta(seconds=1)
    if interval != timedelta(seconds=seconds) or not 0 < seconds <= LONGEST_S or DAY_S % seconds:
        raise GridMismatch(
            f"intervals of {interval} do not fit into day-blocks",
            remedy="use whole seconds that divide a day, at most an hour; split longer values first",
        )
    return seconds


def grid_within(period: Interval, interval_s: int, phase_s: int) -> DayGrid:
    """Return the slots that start within `period`, on the grid of `phase_s`."""
    start_s, end_s = to_seconds(period.start), to_seconds(period.end)
    first = start_s + (phase_s - start_s) % interval_s
    return DayGrid(first, interval_s, max(-((first - end_s) // interval_s), 0))


def misfit(ours: tuple[int, int], theirs: tuple[int, int], where: str) -> GridMismatch:
    """Return the error for intervals on one grid, (slots a day, phase), of a day that is stored on another."""
    return GridMismatch(
        f"intervals of {describe(*ours)} do not fit the stored ones of {describe(*theirs)}",
        where=where,
        remedy="one day holds one interval length: begin the other one at the next midnight in UTC, or give it a "
        "reading type with its own channel",
    )


def describe(slots: int, phase_s: int) -> str:
    """Name a grid for people."""
    length = timedelta(seconds=DAY_S // slots)
    return f"{length} from {timedelta(seconds=phase_s)} UTC" if phase_s else f"{length}"
