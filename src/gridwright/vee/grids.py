"""Grids: the edges of intervals, of one length or of several that follow each other, and where instants lie on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.domain.interval import MICRO, epoch_s
from gridwright.domain.panel import Panel
from gridwright.vee.reads import Instants
from gridwright.vee.runs import Floats, Index

FAR = 1 << 40  # intervals
Seconds = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Parts of one interval length each, one after the other: `starts` and `lengths` in seconds.

    `edges`: the number of the first interval of each part, and of all.
    """

    starts: Seconds
    lengths: Seconds
    edges: Index

    @classmethod
    def of(cls, parts: Sequence[Panel]) -> Grid:
        """Return the grid of panels that follow each other without a break."""
        starts = np.array([epoch_s(part.start) for part in parts], np.int64)
        lengths = np.array([part.interval_s for part in parts], np.int64)
        return cls(starts, lengths, np.cumsum([0, *(part.slots for part in parts)]))

    @classmethod
    def endless(cls, length_s: int) -> Grid:
        """Return the grid of one interval length from 1970 on."""
        return cls(np.zeros(1, np.int64), np.array([length_s], np.int64), np.array([0, FAR], np.intp))

    def place(self, at: Instants) -> tuple[Index, Floats]:
        """Return in which part each instant lies, and how many intervals from its start; reads come to the second."""
        seconds = at // MICRO
        part = np.clip(np.searchsorted(self.starts, seconds, side="right") - 1, 0, None)
        return part, (seconds - self.starts[part]) / self.lengths[part]

    def interval(self, at: Instants) -> Index:
        """Return the number of the interval that each instant lies in; there are some before the first, too."""
        part, slot = self.place(at)
        return np.asarray(self.edges[part] + np.floor(slot).astype(np.intp))

    def lay(self, at: Instants, near: float) -> tuple[Index, Floats]:
        """Return the edge next to each instant, and how far off it is, in intervals; inf outside by more than `near`.

        At a seam in those of the shorter length: a read is on both grids there, or on none.
        """
        part, slot = self.place(at)
        next_ = np.rint(slot).astype(np.intp)
        # Whole seconds, so that reads that are as late are as far off.
        late = at // MICRO - self.starts[part] - next_ * self.lengths[part]
        edge, off = self.edges[part] + next_, np.abs(late) / self.lengths[part]
        outside = (slot < -near) | (slot > np.diff(self.edges)[part] + near)
        for seam in range(1, self.starts.size):
            here = edge == self.edges[seam]
            off[here] = np.abs(at[here] // MICRO - self.starts[seam]) / self.lengths[seam - 1 : seam + 1].min()
        return edge, np.where(outside, np.inf, off)

    def seconds(self, edge: Index) -> Seconds:
        """Return when intervals begin, or the last one ends, in seconds since 1970."""
        part = np.clip(np.searchsorted(self.edges, edge, side="right") - 1, 0, self.starts.size - 1)
        return np.asarray(self.starts[part] + (edge - self.edges[part]) * self.lengths[part])
