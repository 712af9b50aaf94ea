"""Validation rules of single intervals and days, each a small value that finds runs; codes as in the catalogue A2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import numpy as np

from gridwright.domain.finding import Severity
from gridwright.domain.reading_type import Flow, Quantity
from gridwright.vee.chunk import Chunk
from gridwright.vee.runs import NO_RUNS, Floats, Index, Runs, equal_runs, running_sum, runs_of


@dataclass(frozen=True, slots=True, eq=False)
class Doubt:
    """What a rule found: runs of one severity. Unless `touches`, the doubt is about the set, not about its values."""

    severity: Severity
    runs: Runs
    touches: bool = True


class Rule(Protocol):
    """A rule finds runs in a chunk, and explains one of them with its values."""

    @property
    def code(self) -> str:
        """Catalogue number and name."""
        ...

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Return what is doubtful; empty where nothing is."""
        ...

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Say in one sentence what is doubtful about slots first..last-1 of `row`."""
        ...


def duration(chunk: Chunk, slots: int) -> str:
    """Write a number of intervals with the time they span."""
    hours = slots / chunk.per_hour
    span = f"{hours:g} h" if hours < 72 else f"{hours / 24:.1f} days"  # noqa: PLR2004 - three days
    return f"{slots} interval{'' if slots == 1 else 's'} ({span})"


@dataclass(frozen=True, slots=True)
class Missing:
    """No value, or the meter says that it has none."""

    code: ClassVar[str] = "V10_missing"

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Find the gaps."""
        return [Doubt(Severity.FAIL, runs_of(chunk.missing))]

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Say where the gap is."""
        del row
        return f"no value in {duration(chunk, last - first)} from {chunk.clock(first)}"


@dataclass(frozen=True, slots=True)
class Count:
    """A local day, covered in full by the panel, has fewer values than its length asks for (23, 24 or 25 hours)."""

    code: ClassVar[str] = "V05_count"

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Find runs of days that are short of values."""
        rows = np.flatnonzero(chunk.missing.any(axis=1))
        if rows.size == 0:
            return []
        lacking = chunk.days.counts(chunk.missing[rows]) > 0
        runs = runs_of(lacking & chunk.days.whole)
        return [
            Doubt(
                Severity.WARN,
                Runs(rows[runs.row], chunk.days.first[runs.first], chunk.days.last[runs.last - 1]),
                touches=False,
            )
        ]

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Say how many values came and how many should have."""
        received = last - first - int(chunk.missing[row, first:last].sum())
        inside = (chunk.days.first >= first) & (chunk.days.last <= last)
        days = int(inside.sum())
        expected = int(chunk.days.expected[inside].sum())
        when = f"{chunk.clock(first)[:10]}" if days == 1 else f"{days} days from {chunk.clock(first)[:10]}"
        return f"{received} of {expected} intervals received on {when}"


@dataclass(frozen=True, slots=True)
class Align:
    """The grid starts off the multiples of its interval, by wall clock and by UTC: the meter may be off."""

    code: ClassVar[str] = "V04_align"

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Doubt every row, or none: they share the grid."""
        start, step = int(chunk.calendar.start_s[0]), chunk.panel.interval_s
        local = start + int(chunk.calendar.offset_s[0])
        if start % step == 0 or local % step == 0:
            return []
        row = np.arange(len(chunk.panel.points))
        whole = Runs(row, np.zeros_like(row), np.full_like(row, chunk.panel.slots))
        return [Doubt(Severity.WARN, whole, touches=False)]

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Say how far off the grid is."""
        del row, first, last
        step = chunk.panel.interval_s
        return f"intervals of {step} s start {int(chunk.calendar.start_s[0]) % step} s after the multiples of {step} s"


@dataclass(frozen=True, slots=True)
class Future:
    """The interval begins more than one interval after now."""

    code: ClassVar[str] = "V06_future"

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Find values that cannot have been measured yet."""
        if chunk.future >= chunk.panel.slots:
            return []
        runs = runs_of(~np.isnan(chunk.usable[:, chunk.future :]))
        return [Doubt(Severity.FAIL, Runs(runs.row, runs.first + chunk.future, runs.last + chunk.future))]

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Say from when the values lie in the future."""
        del row
        return f"{duration(chunk, last - first)} from {chunk.clock(first)} lie in the future"


@dataclass(frozen=True, slots=True)
class Negative:
    """Below zero where energy flows one way only."""

    code: ClassVar[str] = "V11_negative"

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Find values below zero, unless the type is signed."""
        return [] if chunk.signed else [Doubt(Severity.FAIL, runs_of(chunk.usable < 0))]

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Name the lowest value."""
        lowest = chunk.amount(float(chunk.values[row, first:last].min()))
        return f"{lowest} at {chunk.clock(first)}: {chunk.reading_type.flow} values cannot be below zero"


@dataclass(frozen=True, slots=True)
class Capacity:
    """More than the connection can carry, with `tolerance`; skipped where the capacity is unknown."""

    tolerance: float = 0.10
    code: ClassVar[str] = "V12_capacity"

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Find values above the limit; a signed type is judged by its size."""
        if np.isnan(chunk.capacity).all():
            return []
        size = np.abs(chunk.usable) if chunk.signed else chunk.usable
        return [Doubt(Severity.FAIL, runs_of(size > (chunk.capacity * (1 + self.tolerance))[:, None]))]

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Name the highest value and what the connection allows."""
        highest = chunk.amount(float(np.abs(chunk.values[row, first:last]).max()))
        limit = chunk.amount(float(chunk.capacity[row]))
        return f"{highest} at {chunk.clock(first)}, while the connection carries at most {limit} an interval"


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


LIMITS = {
    Quantity.TEMPERATURE: (-90.0, 60.0),
    Quantity.VOLTAGE: (0.0, 500_000.0),
    Quantity.CURRENT: (-100_000.0, 100_000.0),
}


@dataclass(frozen=True, slots=True)
class Limit:
    """Outside what is physically possible: below -90 °C or above 60 °C, a voltage below zero."""

    limits: dict[Quantity, tuple[float, float]] = field(default_factory=LIMITS.copy, hash=False)
    code: ClassVar[str] = "V13_limit"

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Find values outside the limits of their quantity, where it has any."""
        low, high = self.limits.get(chunk.reading_type.quantity, (-np.inf, np.inf))
        base = chunk.usable * chunk.reading_type.resolution
        return [Doubt(Severity.FAIL, runs_of((base < low) | (base > high)) if np.isfinite(low) else NO_RUNS)]

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Name the value and the limits."""
        low, high = self.limits[chunk.reading_type.quantity]
        del last
        value, unit = chunk.amount(float(chunk.values[row, first])), chunk.reading_type.unit
        return f"{value} at {chunk.clock(first)} lies outside {low:g} to {high:g} {unit}"
