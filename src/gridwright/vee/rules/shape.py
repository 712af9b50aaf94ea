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

    Where energy is fed in, sun and battery may carry a site for days: there it takes `hours_exporting`, and what is
    fed in may be zero for ever.
    """

    hours: float
    hours_exporting: float = 168.0
    days: int = 28
    floor_w: float = 10.0
    code: ClassVar[str] = "V16_zero_run"

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Find long runs of zeros at usage points that otherwise use energy."""
        if chunk.reading_type.flow is Flow.RECEIVED:
            return []
        runs = runs_of(chunk.usable == 0)
        least = np.where(chunk.exports, chunk.slots(self.hours_exporting), chunk.slots(self.hours))
        runs = runs.where(runs.length >= least[runs.row])
        if runs.size == 0:
            return []
        return [Doubt(Severity.WARN, runs.where(self._usual(chunk, runs) > chunk.counts(self.floor_w / 1000)))]

    def _usual(self, chunk: Chunk, runs: Runs) -> Floats:
        rows, at = np.unique(runs.row, return_inverse=True)
        usable = chunk.usable[rows]
        present = ~np.isnan(usable)
        sums = running_sum(np.where(present, usable, 0.0))
        counts = running_sum(present.astype(np.float64))
        window, slots = self.days * chunk.panel.slots_per_day, chunk.panel.slots
        before = (np.maximum(runs.first - window, 0), runs.first)
        after = (runs.last, np.minimum(runs.last + window, slots))
        earlier, later = (_mean(sums, counts, at, span) for span in (before, after))
        return np.where(np.isnan(earlier), later, earlier)

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Say how long nothing was measured."""
        del row
        return f"zero for {duration(chunk, last - first)} from {chunk.clock(first)}"


def _mean(sums: Floats, counts: Floats, row: Index, span: tuple[Index, Index]) -> Floats:
    first, last = span
    n = counts[row, last] - counts[row, first]
    return np.where(n > 0, (sums[row, last] - sums[row, first]) / np.maximum(n, 1), np.nan)


@dataclass(frozen=True, slots=True)
class Stuck:
    """The same value above zero for `hours` or longer, at `steps` or more steps of the meter's own resolution.

    The resolution is read from the row: the largest power of ten that divides each of at least ten different values.
    """

    hours: float = 6.0
    steps: int = 10
    code: ClassVar[str] = "V17_stuck"

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Find long runs of one value that is not zero."""
        runs = equal_runs(chunk.usable, max(2, chunk.slots(self.hours)))
        value = np.abs(chunk.usable[runs.row, runs.first])
        runs, value = runs.where(value >= self.steps), value[value >= self.steps]
        if runs.size == 0:
            return []
        rows, at = np.unique(runs.row, return_inverse=True)
        step = np.array([resolution(chunk.usable[row]) for row in rows])
        return [Doubt(Severity.WARN, runs.where(value >= self.steps * step[at]))]

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
