"""Whether the values are there, in number and in time: V04 to V08, V10."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.finding import Severity
from gridwright.domain.reading_type import Accumulation
from gridwright.vee.chunk import Chunk
from gridwright.vee.rules.doubt import Doubt, duration
from gridwright.vee.runs import Mask, Runs, runs_of

MANY_GAPS = 24  # of a local day: one an hour


@dataclass(frozen=True, slots=True)
class Missing:
    """No value, or the meter says that it has none.

    Samples that come more seldom than they are kept leave a gap behind each: many of a day are told as one.
    """

    code: ClassVar[str] = "V10_missing"

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Find the gaps."""
        runs = runs_of(chunk.missing)
        if chunk.panel.reading_type.accumulation is not Accumulation.INSTANTANEOUS or runs.size < MANY_GAPS:
            return [Doubt(Severity.FAIL, runs)]
        day = runs.row * chunk.days.size + chunk.days.at(runs.first)
        begins = np.flatnonzero(np.r_[True, day[1:] != day[:-1]])
        number = np.diff(np.r_[begins, day.size])
        many = number >= MANY_GAPS
        apart = runs.where(~np.repeat(many, number))
        first, last = runs.first[begins], runs.last[begins + number - 1]
        together = Runs(runs.row[begins], first, last).where(many)
        return [Doubt(Severity.FAIL, apart), Doubt(Severity.FAIL, together, touches=False)]

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Say where the gap is, or how many there are."""
        gone = chunk.missing[row, first:last]
        if gone.all():
            return f"no value in {duration(chunk, last - first)} from {chunk.clock(first)}"
        where = f"in {runs_of(gone[None]).size} gaps from {chunk.clock(first)} to {chunk.clock(last - 1)}"
        told = f"no value in {int(gone.sum())} of {last - first} intervals, {where}"
        return f"{told}: samples come more seldom than they are kept"


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
class SiblingChannel:
    """Another channel of the usage point holds values of a local day of which this one holds none."""

    code: ClassVar[str] = "V07_sibling"

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Find whole days without a value, where a sibling has some."""
        if not chunk.around.siblings:
            return []
        silent = chunk.days.counts(~np.isnan(chunk.values)) == 0
        others = np.zeros(silent.shape, np.bool_)
        for sibling in chunk.around.siblings:
            others |= chunk.days.counts(~np.isnan(sibling.values)) > 0
        return [Doubt(Severity.WARN, day_runs(chunk, silent & others & chunk.days.whole), touches=False)]

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Name the channels that did report."""
        names = [
            str(sibling.reading_type)
            for sibling in chunk.around.siblings
            if not np.isnan(sibling.values[row, first:last]).all()
        ]
        return f"no value from {chunk.clock(first)} to {chunk.clock(last - 1)}, while {', '.join(names)} has some"


@dataclass(frozen=True, slots=True)
class Prolonged:
    """On `days` or more consecutive days at least `share` of the values are estimated or missing: somebody must go."""

    days: int = 3
    share: float = 0.5
    code: ClassVar[str] = "V08_prolonged"

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Find runs of such days that reach into the chunk, however long before it they began."""
        lacking = chunk.missing | q.has_status(chunk.panel.quality, q.ESTIMATES)
        rows = np.flatnonzero(lacking.any(axis=1))
        if rows.size == 0:
            return []
        own = chunk.days.counts(lacking[rows]) >= self.share * chunk.days.expected
        past = chunk.past
        before = past.estimated[rows] >= self.share * np.maximum(past.intervals[rows], 1)
        runs = runs_of(np.concatenate([before, own], axis=1))
        runs = runs.where((runs.length >= self.days) & (runs.last > past.days))
        first, last = np.maximum(runs.first - past.days, 0), runs.last - past.days
        return [
            Doubt(
                Severity.WARN,
                Runs(rows[runs.row], chunk.days.first[first], chunk.days.last[last - 1]),
                touches=False,
            )
        ]

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Say for how long the meter has not been heard."""
        inside = int(((chunk.days.first >= first) & (chunk.days.last <= last)).sum())
        earlier = 0
        if first == 0 and chunk.past.days:
            estimated = chunk.past.estimated[row] >= self.share * np.maximum(chunk.past.intervals[row], 1)
            earlier = int(np.argmin(np.r_[estimated[::-1], False]))
        return f"estimated or missing for {inside + earlier} days up to {chunk.clock(last - 1)[:10]}: look at the meter"


def day_runs(chunk: Chunk, days: Mask) -> Runs:
    """Return runs of marked days, bool[rows, days], as runs of slots."""
    runs = runs_of(days)
    if runs.size == 0:
        return runs
    return Runs(runs.row, chunk.days.first[runs.first], chunk.days.last[runs.last - 1])
