"""Spans: between which cuts of its registers each row is closed, so that no energy is counted twice, or nowhere.

A read beside the grid counts as on it, and an exchange off the grid is drawn on it. What was counted meanwhile goes
from one side to the other: no harm where both are estimated. Where one is measured it would be lost, so that such a
cut is passed, and its two sides are closed as one. A stray cut bounds a gap that nothing else does: of the interval
in which it was read, if that was measured, it takes the part up to the edge.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gridwright.domain.reading_type import ReadingType
from gridwright.vee.cuts import Cuts
from gridwright.vee.runs import Floats, Index, Mask, Runs
from gridwright.vee.segments import OFF_GRID


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """What is known of cells, float64[rows, cells], 0 where it is `open`, bool[rows, cells], NaN where nobody knows."""

    known: Floats
    open: Mask

    def of(self, row: int) -> Cells:
        """Return the cells of one row, as of the only one."""
        return Cells(self.known[row : row + 1], self.open[row : row + 1])

    def between(self, cuts: Cuts) -> tuple[Floats, Index, Mask]:
        """Return what is known from each cut to the next, how many cells are open, and whether nothing is unknown."""
        at = cuts.row * self.known.shape[1] + cuts.edge
        inside = at < self.known.size
        begins = at[inside]
        total, number = np.zeros(cuts.size), np.zeros(cuts.size, np.intp)
        if begins.size:
            total[inside] = np.add.reduceat(self.known.ravel(), begins)
            number[inside] = np.add.reduceat(self.open.ravel(), begins, dtype=np.intp)
        return total, number, ~np.isnan(total)

    def beside(self, cuts: Cuts, mean: Floats) -> Floats:
        """Return the larger of what the cells beside cuts hold; an open one the `mean` of those up to the next cut."""
        row, most = cuts.row, np.zeros(cuts.size)
        for shift, usual in ((-1, np.r_[0.0, mean]), (0, np.r_[mean, 0.0])):
            side = np.clip(cuts.edge + shift, 0, self.known.shape[1] - 1)
            held = np.where(self.open[row, side], usual[: cuts.size], np.nan_to_num(self.known[row, side]))
            most = np.maximum(most, np.abs(held))
        return most


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """k spans of a row, cells `first`..`last` - 1: `energy` is told of all, `known` of all but `open` ones, in counts.

    `tolerance`: of the sum, with what reads beside the grid shift it by. `drawn`: it begins at an exchange off the
    grid, as the one before it ends there.
    """

    row: Index
    first: Index
    last: Index
    energy: Floats
    known: Floats
    open: Index
    tolerance: Floats
    drawn: Mask

    @property
    def size(self) -> int:
        """Number of spans."""
        return int(self.row.size)

    @property
    def left(self) -> Floats:
        """What is left for the open cells, in whole counts."""
        return np.asarray(np.rint(self.energy - self.known))

    @property
    def runs(self) -> Runs:
        """The spans as runs of cells."""
        return Runs(self.row, self.first, self.last)

    def where(self, keep: Mask) -> Spans:
        """Return the spans for which `keep` holds."""
        return Spans(
            self.row[keep],
            self.first[keep],
            self.last[keep],
            self.energy[keep],
            self.known[keep],
            self.open[keep],
            self.tolerance[keep],
            self.drawn[keep],
        )


def spans_of(cuts: Cuts, cells: Cells, kind: ReadingType) -> Spans:
    """Return what is closed as one, between the cuts that need not be passed; spans of which nothing is open, too."""
    signed = kind.flow not in {"delivered", "received"}
    cuts = _around_gaps(cuts, cells) if cuts.stray.any() else cuts
    while cuts.size:
        spans, there = _all_spans(cuts, cells)
        passed = _passed(cuts, spans, there, signed=signed)
        if not passed.any():
            spans = spans if signed else _with_nothing_left(cuts, spans)
            return spans.where(there & _ends(cuts, there))
        cuts = cuts.where(~passed)
    return _all_spans(cuts, cells)[0]


def _around_gaps(cuts: Cuts, cells: Cells) -> Cuts:
    """Return cuts, of the stray ones those beside something open, or beside an exchange that may be passed.

    A read in a measured interval tells what is counted up to its edge by its part of that; one in an open interval
    cuts where the next one is open, too.
    """
    last = cells.known.shape[1] - 1
    mine, other = (np.clip(cuts.edge - side, 0, last) for side in (cuts.part > 0, cuts.part <= 0))
    inside = np.where(cuts.part > 0, cuts.edge > 0, cuts.edge <= last)
    held, open_ = cells.known[cuts.row, mine], cells.open[cuts.row, mine]
    good = np.where(open_, cells.open[cuts.row, other], inside & ~np.isnan(held))
    told = np.where(cuts.stray & ~open_ & good, np.rint(cuts.shown + cuts.part * held), cuts.told)
    cuts = replace(cuts, told=told).where(~cuts.stray | good)
    _, number, _ = cells.between(cuts)
    goes_on = np.r_[cuts.chain[1:] == cuts.chain[:-1], False][: cuts.size]
    wanted = goes_on & ((number > 0) | cuts.drawn | np.r_[cuts.drawn[1:], False][: cuts.size])
    return cuts.where(~cuts.stray | wanted | np.r_[False, wanted[:-1]][: cuts.size])


def _with_nothing_left(cuts: Cuts, spans: Spans) -> Spans:
    """Return spans, those between stray cuts with nothing left where the part of an interval beside them is more."""
    stray = cuts.stray[:-1] | cuts.stray[1:]
    nothing = stray & (spans.left < 0) & (spans.left >= -spans.tolerance)
    return replace(spans, energy=np.where(nothing, spans.known, spans.energy)) if nothing.any() else spans


def _ends(cuts: Cuts, there: Mask) -> Mask:
    """Tell which spans end on the grid, or where what is drawn on it ends another span, too."""
    both = ~cuts.drawn | (np.r_[False, there] & np.r_[there, False])
    return np.asarray(both[:-1] & both[1:])


def _all_spans(cuts: Cuts, cells: Cells) -> tuple[Spans, Mask]:
    """Return the span from each cut to the next, and of which of them the registers tell and all is known or open."""
    before, after = np.arange(max(cuts.size - 1, 0)), np.arange(1, max(cuts.size, 1))
    known, open_, whole = cells.between(cuts)
    energy = cuts.told[after] - cuts.told[before]
    there = cuts.joined(before, after) & whole[before]
    mean = np.where(there, (energy - known[before]) / np.maximum(open_[before], 1), 0.0)
    slack = 2 * np.where(cuts.drawn, 0.0, cuts.off) * cells.beside(cuts, mean)
    tolerance = cuts.lsb[before] + (cuts.edge[after] - cuts.edge[before]) / 2 + slack[before] + slack[after]
    tolerance += np.where(np.maximum(cuts.off[before], cuts.off[after]) > 0, OFF_GRID * np.abs(energy), 0.0)
    spans = Spans(
        cuts.row[before],
        cuts.edge[before],
        cuts.edge[after],
        energy,
        known[before],
        open_[before],
        tolerance,
        cuts.drawn[before],
    )
    return spans, there


def _passed(cuts: Cuts, spans: Spans, there: Mask, *, signed: bool) -> Mask:
    """Tell which cuts are to be passed: of those beside each other the one that is farthest off the grid.

    Such a cut does not have something open on both sides for which something is left. One beside the grid stays where
    no cut is nearer behind such a side, and where what was measured up to it denies the registers; a stray one unless
    nothing is left for what is open on one of its sides.
    """
    passed = np.zeros(cuts.size, np.bool_)
    off = cuts.off
    at = 1 + np.flatnonzero((off[1:-1] > 0) & there[:-1] & there[1:])
    if not at.size:
        return passed
    left, tolerance, open_ = spans.left, spans.tolerance, spans.open > 0
    closes = open_ & (signed | (left >= 0))
    agrees = np.where(open_, signed | (left >= -tolerance), np.abs(left) <= tolerance)
    shut = ~closes[at - 1], ~closes[at]
    # What lies shut between two cuts as far off goes to the one side, or it would be lost between both.
    beyond = np.r_[closes & there, False][at + 1]
    behind = (off[at + 1] < off[at]) | (beyond & (off[at + 1] == off[at]))
    nearer = (shut[0] & (off[at - 1] < off[at])) | (shut[1] & behind)
    may = cuts.drawn[at] | (nearer & agrees[at - 1] & agrees[at])
    lacks = open_ & ~closes
    may = np.where(cuts.stray[at], lacks[at - 1] | lacks[at], may)
    may &= (shut[0] | shut[1]) & cuts.joined(at - 1, at + 1)
    passed[at[may]] = True
    # Ties go to the earlier one, so that never two beside each other are passed at once.
    worst = np.where(passed, off, -1.0)
    passed[1:] &= worst[1:] > worst[:-1]
    passed[:-1] &= worst[:-1] >= worst[1:]
    return passed
