"""Runs: stretches of consecutive slots in the rows of a panel, found without a loop over intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """k stretches: `row[i]`, slots `first[i]` .. `last[i]` - 1; ordered by row, then by slot."""

    row: Index
    first: Index
    last: Index

    @property
    def size(self) -> int:
        """Number of runs."""
        return int(self.row.size)

    @property
    def length(self) -> Index:
        """Slots of each run."""
        return self.last - self.first

    def where(self, keep: Mask) -> Runs:
        """Return the runs for which `keep` holds."""
        return Runs(self.row[keep], self.first[keep], self.last[keep])

    def cells(self) -> tuple[Index, Index]:
        """Return (row, slot) of every slot in every run."""
        length = self.length
        begins = np.cumsum(length) - length
        slot = np.arange(int(length.sum()), dtype=np.intp) + np.repeat(self.first - begins, length)
        return np.repeat(self.row, length), slot


NO_RUNS = Runs(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0, np.intp))


def lines(which: Index) -> Index | slice:
    """Return rows as a slice where they follow one another: an array's lines are then seen without a copy."""
    if which.size and which[-1] - which[0] == which.size - 1 and (np.diff(which) == 1).all():
        return slice(int(which[0]), int(which[-1]) + 1)
    return which


def runs_of(mask: Mask) -> Runs:
    """Return the runs of True in each row of `mask`, bool[rows, slots]."""
    return runs_at(np.flatnonzero(mask), mask.shape[1])


def runs_at(at: Index, slots: int) -> Runs:
    """Return the runs of the cells at `at` (row · slots + slot, rising)."""
    if at.size == 0:
        return NO_RUNS
    breaks = (np.diff(at) != 1) | (at[1:] % slots == 0)
    begins = np.r_[0, np.flatnonzero(breaks) + 1]
    ends = np.r_[begins[1:], at.size] - 1
    row, first = np.divmod(at[begins], slots)
    return Runs(row, first, at[ends] - row * slots + 1)


def equal_runs(values: Floats, at_least: int) -> Runs:
    """Return the runs of `at_least` or more equal neighbours in each row; NaN equals nothing."""
    rows, slots = values.shape
    if values.size == 0 or at_least > slots:
        return NO_RUNS
    flat = np.ascontiguousarray(values).ravel()
    changed = np.empty(flat.size, np.bool_)
    changed[0] = True
    np.not_equal(flat[1:], flat[:-1], out=changed[1:])
    changed[::slots] = True
    begins = np.flatnonzero(changed)
    length = np.diff(np.r_[begins, rows * slots])
    long = length >= at_least
    row, first = np.divmod(begins[long], slots)
    return Runs(row, first, first + length[long])


def running_sum(values: Floats) -> Floats:
    """Return the sum of all values before each slot, float64[n, slots + 1]."""
    total = np.zeros((values.shape[0], values.shape[1] + 1))
    np.cumsum(values, axis=1, out=total[:, 1:])
    return total
