"""Whether the values are there, in number and in time: V04, V05, V06, V08, V10."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gridwright.domain.finding import Severity
from gridwright.vee.chunk import Chunk
from gridwright.vee.rules.doubt import Doubt, duration
from gridwright.vee.runs import Runs, runs_of


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
