"""Rows by what they are numbered with: whoever sends many kinds of words must not make each of them cost all rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.intp]
FEW = 16  # up to so many numbers, a comparison for each costs less than to sort once


class RowsBy:
    """Finds the rows of each number below `many`; they are sorted when they are first asked for."""

    def __init__(self, number: npt.NDArray[np.integer[Any]], many: int) -> None:
        self._number, self._many = number, many
        self._order: Rows | None = None
        self._ends: Rows = np.empty(0, np.intp)

    def __getitem__(self, which: int) -> Rows:
        """Return the rows that have this number, in order."""
        if self._many <= FEW:
            return np.flatnonzero(self._number == which)
        if self._order is None:
            self._order = np.argsort(self._number, kind="stable")
            self._ends = np.searchsorted(self._number[self._order], np.arange(self._many + 1))
        return self._order[self._ends[which] : self._ends[which + 1]]
