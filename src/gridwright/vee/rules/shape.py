"""How values follow one another: V16, V17, V20."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gridwright.domain.finding import Severity
from gridwright.domain.reading_type import Flow
from gridwright.vee.chunk import Chunk
from gridwright.vee.rules.doubt import Doubt, duration
from gridwright.vee.runs import Floats, Index, Runs, equal_runs, running_sum, runs_of


@dataclass(frozen=True, slots=True)
class ZeroRun:
    """Zero for `hours` or longer, while the mean of `days` before it (if none, after it) is above `floor_w`.

    Only the first `days` of the run are doubted: after them that mean is zero too, and the site stands empty.
    Where energy is fed in, sun and battery may carry a site for days: there it takes `hours_exporting`, and what is
    fed in may be zero for ever.
    """

    hours: float = 24.0
    hours_exporting: float = 168.0
    days: int = 28
    floor_w: float = 10.0
    code: ClassVar[str] = "V16_zero_run"

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Find long runs of zeros at usage points that otherwise use energy, and have no outage."""
        if chunk.reading_type.flow is Flow.RECEIVED:
            return []
        zero = chunk.usable == 0
        runs = runs_of(zero if chunk.around.outage is None else zero & ~chunk.around.outage)
        least = np.where(chunk.exports, chunk.slots(self.hours_exporting), chunk.slots(self.hours))
        runs = runs.where(runs.length >= least[runs.row])
        if runs.size == 0:
            return []
        runs = runs.where(self._usual(chunk, runs) > chunk.counts(self.floor_w / 1000))
        longest = self.days * chunk.panel.slots_per_day
        return [Doubt(Severity.WARN, Runs(runs.row, runs.first, np.minimum(runs.last, runs.first + longest)))]

    def _usual(self, chunk: Chunk, runs: Runs) -> Floats:
        """Return the mean interval of the days before each run, what the past holds of them included; else after it."""
        rows, at = np.unique(runs.row, return_inverse=True)
        usable = chunk.usable[rows]
        present = ~np.isnan(usable)
        sums = running_sum(np.where(present, usable, 0.0))
        counts = running_sum(present.astype(np.float64))
        window, slots = self.days * chunk.panel.slots_per_day, chunk.panel.slots
        total, number = _within(sums, counts, at, (np.maximum(runs.first - window, 0), runs.first))
        older, times = _past_days(chunk, runs, self.days)
        later, after = _within(sums, counts, at, (runs.last, np.minimum(runs.last + window, slots)))
        earlier = _mean(total + older, number + times)
        return np.where(np.isnan(earlier), _mean(later, after), earlier)

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Say how long nothing was measured."""
        rest = chunk.values[row, last:]
        more = ", and longer" if rest.size and rest[0] == 0 else ""
        return f"zero for {duration(chunk, last - first)}{more} from {chunk.clock(first)}"


def _past_days(chunk: Chunk, runs: Runs, days: int) -> tuple[Floats, Floats]:
    """Return sum and number of the intervals of those of the `days` before each run that lie before the chunk."""
    past = chunk.past
    known = ~np.isnan(past.total[runs.row])
    wanted = np.maximum(days - runs.first // chunk.panel.slots_per_day, 0)
    near = known & (np.arange(past.days, 0, -1)[None] <= wanted[:, None])
    total = np.where(near, past.total[runs.row], 0.0).sum(axis=1)
    return total, np.where(near, past.intervals[runs.row], 0).sum(axis=1).astype(np.float64)


def _within(sums: Floats, counts: Floats, row: Index, span: tuple[Index, Index]) -> tuple[Floats, Floats]:
    first, last = span
    return sums[row, last] - sums[row, first], counts[row, last] - counts[row, first]


def _mean(total: Floats, number: Floats) -> Floats:
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


@dataclass(frozen=True, slots=True)
class Stuck:
    """The same value above zero for `hours` or longer, at `steps` or more steps of the meter's own resolution.

    Below so many steps values repeat by themselves: there it takes `hours_low`, and a meter that counts single steps
    of the reading type (coarser ones repeat themselves for days). The resolution is read from the row: the largest
    power of ten that divides each of at least ten different values.
    """

    hours: float = 6.0
    steps: int = 10
    hours_low: float = 12.0
    code: ClassVar[str] = "V17_stuck"

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Find long runs of one value that is not zero."""
        shortest = max(2, chunk.slots(self.hours))
        runs = equal_runs(chunk.usable, shortest)
        value = np.abs(chunk.usable[runs.row, runs.first])
        runs, value = runs.where(value > 0), value[value > 0]
        if runs.size == 0:
            return []
        rows, at = np.unique(runs.row, return_inverse=True)
        step = np.array([resolution(chunk.usable[row]) for row in rows])
        high = value >= self.steps * step[at]
        low = ~high & (step[at] == 1) & (runs.length >= chunk.slots(max(self.hours, self.hours_low)))
        return [Doubt(Severity.WARN, runs.where(low | (high & (runs.length >= shortest))))]

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Name the value and how long it stood still."""
        value = chunk.amount(float(chunk.values[row, first]))
        return f"the same {value} for {duration(chunk, last - first)} from {chunk.clock(first)}"


def resolution(values: Floats) -> float:
    """Return the power of ten (1 to 1000 counts) in which the values of one row are counted."""
    distinct = np.unique(values[~np.isnan(values) & (values != 0)])
    if distinct.size < 10:  # noqa: PLR2004 - fewer say nothing about the meter
        return 1.0
    return next((step for step in (1000.0, 100.0, 10.0) if not np.any(distinct % step)), 1.0)


@dataclass(frozen=True, slots=True)
class Step:
    """From one interval to the next the value changes by more than `most` base units, or rises by more than `ratio`.

    `ratio`: of max(previous value, `floor_kw`); 3.0 = by 300 %. What is 0 is not asked for.
    """

    ratio: float = 0.0
    floor_kw: float = 1.0
    most: float = 0.0
    code: ClassVar[str] = "V20_step"

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Find the intervals after a step too large."""
        if chunk.panel.slots < 2 or not (self.ratio or self.most):  # noqa: PLR2004 - a step takes two
            return []
        before, after = chunk.usable[:, :-1], chunk.usable[:, 1:]
        doubtful = np.zeros(chunk.usable.shape, np.bool_)
        if self.ratio:
            usual = np.maximum(np.abs(before), chunk.counts(self.floor_kw))
            np.greater(after - before, self.ratio * usual, out=doubtful[:, 1:])
        if self.most:
            doubtful[:, 1:] |= np.abs(after - before) > self.most / chunk.reading_type.resolution
        return [Doubt(Severity.WARN, runs_of(doubtful))]

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Name both values."""
        del last
        before, after = (chunk.amount(float(value)) for value in chunk.values[row, first - 1 : first + 1])
        return f"step from {before} to {after} at {chunk.clock(first)}"
