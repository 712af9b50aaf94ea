"""Spikes among their neighbours: V19, the distance from the median of seven in robust standard deviations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gridwright.domain.finding import Severity
from gridwright.vee.chunk import Chunk
from gridwright.vee.rules.doubt import Doubt
from gridwright.vee.runs import NO_RUNS, Floats, Index, Mask, Runs, runs_of

# A normal distribution's standard deviation is this many median absolute deviations.
NORMAL = 1.4826
WIDTH = 7


@dataclass(frozen=True, slots=True)
class SpikeMad:
    """|x - med7| / (1.4826 MAD7) > `deviations`, MAD at least one count, and x higher than `share` of all values.

    That share is taken from the peaks of the days known, `least_days` of them at least: it is exact as long as no day
    holds two of the highest values. `share` = 0 judges every value (worked case C12).
    """

    deviations: float = 20.0
    share: float = 0.9995
    least_days: int = 60
    code: ClassVar[str] = "V19_spike_mad"

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Find lonely values among the very highest."""
        row, slot = self._candidates(chunk)
        if row.size == 0:
            return []
        alone = robust_distance(chunk.usable, row, slot) > self.deviations
        return [Doubt(Severity.WARN, runs_of_cells(chunk, row[alone], slot[alone]))]

    def _candidates(self, chunk: Chunk) -> tuple[Index, Index]:
        if self.share <= 0:
            row, slot = np.nonzero(~np.isnan(chunk.usable))
            return row, slot
        limit = self._high(chunk)
        days_row, day = np.nonzero(chunk.peaks > limit[:, None])
        row, slot = Runs(days_row, chunk.days.first[day], chunk.days.last[day]).cells()
        above = chunk.usable[row, slot] > limit[row]
        return row[above], slot[above]

    def _high(self, chunk: Chunk) -> Floats:
        """Return the value that `share` of each row's values do not exceed; +inf where too few days are known."""
        peaks = chunk.all_peaks
        known = np.isfinite(peaks).sum(axis=1)
        allowed = np.floor((1 - self.share) * chunk.panel.slots_per_day * known).astype(np.intp)
        deepest = min(int(allowed.max(initial=0)), peaks.shape[1] - 1)
        top = np.partition(peaks, peaks.shape[1] - 1 - deepest, axis=1)[:, peaks.shape[1] - 1 - deepest :]
        top.sort(axis=1)
        limit = top[np.arange(known.size), deepest - np.minimum(allowed, deepest)]
        return np.where(known >= self.least_days, limit, np.inf)

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Name the value and the middle of its neighbours."""
        del last
        at = np.array([row]), np.array([first])
        value, middle = chunk.amount(float(chunk.values[row, first])), _middle(_windows(chunk.usable, *at))
        times = float(robust_distance(chunk.usable, *at)[0])
        near = chunk.amount(float(middle[0]))
        return f"{value} at {chunk.clock(first)}, {times:.0f} deviations from its neighbours' {near}"


def robust_distance(values: Floats, row: Index, slot: Index) -> Floats:
    """Return how many robust deviations each cell is from the median of the seven around it (itself included)."""
    window = _windows(values, row, slot)
    middle = _middle(window)
    spread = _middle(np.abs(window - middle[:, None]))
    return np.asarray(np.abs(values[row, slot] - middle) / (NORMAL * np.maximum(spread, 1.0)))


def _windows(values: Floats, row: Index, slot: Index) -> Floats:
    at = slot[:, None] + np.arange(WIDTH) - WIDTH // 2
    inside = (at >= 0) & (at < values.shape[1])
    return np.where(inside, values[row[:, None], np.clip(at, 0, values.shape[1] - 1)], np.nan)


def _middle(window: Floats) -> Floats:
    """Return the median of the known values of each line."""
    ordered = np.sort(window, axis=1)
    known = np.maximum((~np.isnan(ordered)).sum(axis=1), 1)
    line = np.arange(known.size)
    return np.asarray((ordered[line, (known - 1) // 2] + ordered[line, known // 2]) / 2)


def runs_of_cells(chunk: Chunk, row: Index, slot: Index) -> Runs:
    """Return runs of single cells, given in order of row and slot."""
    if row.size == 0:
        return NO_RUNS
    rows, inverse = np.unique(row, return_inverse=True)
    mask: Mask = np.zeros((rows.size, chunk.panel.slots), np.bool_)
    mask[inverse, slot] = True
    runs = runs_of(mask)
    return Runs(rows[runs.row], runs.first, runs.last)
