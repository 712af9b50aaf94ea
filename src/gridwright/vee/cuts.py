"""Cuts: the edges of a grid up to which registers tell what was counted, whatever reads and exchanges lie between.

What reads tell of one time goes on over an exchange, or a register that begins anew, of which both reads are there.
Where too many reads lie off the grid between two cuts these are no longer one sum: each such read is a stray cut then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from gridwright.domain.interval import MICRO
from gridwright.vee.grids import Grid
from gridwright.vee.reads import Instants
from gridwright.vee.runs import Floats, Index, Mask
from gridwright.vee.segments import NEAR
from gridwright.vee.steps import BEGUN_ANEW, Steps

# Between two reads that cut lie fewer intervals with reads that cut nothing, or no more time than this: who asks for a
# step looks no farther.
MOST, FAR = 12, timedelta(days=2)
FAR_S = int(FAR.total_seconds())
NONE = np.empty(0, np.intp)


@dataclass(frozen=True, slots=True, eq=False)
class Cuts:
    """k cuts, ordered by row and edge: what is told between two of one `chain` is known.

    `told`: what was counted up to it, in counts. `off`: how far its read is off the grid, in intervals. `drawn`: an
    exchange off the grid, up to the edge of which a straight line tells. `first`, `last`: the numbers of the intervals
    with reads up to it and behind it. `lsb`: counts of the coarsest digit between it and the next one. `at_s`: when its
    edge is, in seconds. `stray`: a read off the grid where no others are near; `shown` was counted up to it, `told` up
    to its edge on a straight line, and `part` intervals later (before, if less than nothing) that edge is.
    """

    row: Index
    edge: Index
    told: Floats
    chain: Index
    off: Floats
    drawn: Mask
    first: Index
    last: Index
    lsb: Floats
    at_s: Index
    stray: Mask
    shown: Floats
    part: Floats

    @property
    def size(self) -> int:
        """Number of cuts."""
        return int(self.row.size)

    def where(self, keep: Mask) -> Cuts:
        """Return the cuts for which `keep` holds; those between which others were are joined."""
        if keep.all():
            return self
        lsb = np.maximum.reduceat(self.lsb, np.flatnonzero(keep)) if keep.any() else self.lsb[keep]
        return Cuts(
            self.row[keep],
            self.edge[keep],
            self.told[keep],
            self.chain[keep],
            self.off[keep],
            self.drawn[keep],
            self.first[keep],
            self.last[keep],
            lsb,
            self.at_s[keep],
            self.stray[keep],
            self.shown[keep],
            self.part[keep],
        )

    def of(self, rows: Index) -> Cuts:
        """Return the cuts of some rows, numbered within them."""
        chosen = self.where(np.isin(self.row, rows))
        return replace(chosen, row=np.searchsorted(rows, chosen.row))

    def joined(self, before: Index, after: Index) -> Mask:
        """Tell between which pairs the registers tell: of one chain, with few reads that cut nothing, or near."""
        few = self.first[after] - self.last[before] < MOST
        few |= self.at_s[after] - self.at_s[before] <= FAR_S
        return np.asarray((self.chain[before] == self.chain[after]) & (self.edge[before] < self.edge[after]) & few)


def cuts_of(steps: Steps, grid: Grid, unit_wh: float) -> Cuts:
    """Lay what steps tell on a grid; `unit_wh`: one count.

    A read within a tenth of an interval of an edge cuts there, of several the nearest. An exchange off the grid cuts at
    the nearest edge, too (E09): what was counted between lies on a straight line between the reads around it. Any other
    read is a stray cut, where those around it are not joined.
    """
    columns = steps.columns
    moment = moments_of(steps)
    chain, told = _chains(steps, moment)
    edge, off = grid.lay(columns.at, NEAR)
    drawn = np.zeros(columns.size, np.bool_)
    drawn[steps.before[moment]] = True
    drawn &= (off > NEAR) & np.isfinite(off)
    curve = _Curve(columns.at, chain, told)
    place = np.flatnonzero(_nearest(chain, edge, off, (off <= NEAR) | drawn))
    laid, lies = _on_edges(grid, curve, edge, place[drawn[place]])
    place = place[lies[place] & (edge[place] >= 0) & (edge[place] <= grid.edges[-1])]
    lay = _Lay(steps, grid, edge, off, drawn, curve, laid, unit_wh)
    cuts = lay.cuts(place)
    beside = np.isfinite(off) & (off > NEAR) & (edge >= 0) & (edge <= grid.edges[-1])
    strays = _strays(cuts, place, beside, lay) if beside.any() else place[:0]
    return lay.cuts(place, strays) if strays.size else cuts


@dataclass(frozen=True, slots=True, eq=False)
class _Curve:
    """What was counted up to each read, and of which chain it is."""

    at: Instants
    chain: Index
    told: Floats

    def line(self, place: Index, when_s: Index) -> Floats:
        """Return what was counted up to some seconds, on straight lines from reads to the next ones on that side."""
        when = when_s * MICRO
        other = np.clip(place + np.where(when > self.at[place], 1, -1), 0, self.at.size - 1)
        long = np.where(self.chain[other] == self.chain[place], self.at[other] - self.at[place], 0)
        share = np.where(long != 0, (when - self.at[place]) / np.where(long != 0, long, 1), 0.0)
        return np.asarray(np.rint(self.told[place] + share * (self.told[other] - self.told[place])))


@dataclass(frozen=True, slots=True, eq=False)
class _Lay:
    """Reads as they lie on a grid: the edge next to each, how far `off` it is, and what is `laid` at edges."""

    steps: Steps
    grid: Grid
    edge: Index
    off: Floats
    drawn: Mask
    curve: _Curve
    laid: Floats
    unit_wh: float

    def cuts(self, place: Index, strays: Index = NONE) -> Cuts:
        """Return the cuts of some reads, with stray ones among them."""
        columns, edge = self.steps.columns, self.edge
        stray = np.zeros(columns.size, np.bool_)
        told = self.laid
        if strays.size:
            stray[strays], told = True, told.copy()
            told[strays] = self.curve.line(strays, self.grid.seconds(edge[strays]))
            place = np.sort(np.concatenate([place, strays]))
        # Reads of one interval are counted once, whatever row they are of: chains part them.
        number = np.cumsum(np.r_[0, np.diff(self.grid.interval(columns.at)) != 0])
        beside = np.clip(np.array([place - 1, place + 1]), 0, max(columns.size - 1, 0))
        at_s = np.asarray(self.grid.seconds(edge[place]), np.intp)
        length = self.grid.lengths[self.grid.place(columns.at[place])[0]]
        return Cuts(
            columns.row[place],
            edge[place],
            told[place],
            self.curve.chain[place],
            self.off[place],
            self.drawn[place],
            number[beside[0]],
            number[beside[1]],
            _digits(self.steps, place) / self.unit_wh,
            at_s,
            stray[place],
            self.curve.told[place],
            np.where(stray[place], (at_s - columns.at[place] // MICRO) / length, 0.0),
        )


def _strays(cuts: Cuts, place: Index, beside: Mask, lay: _Lay) -> Index:
    """Return the reads beside the grid that cut: those between cuts that are not joined, of several the nearest."""
    some = beside.copy()
    some[place] = False
    before = np.searchsorted(place, np.arange(some.size)) - 1
    if cuts.size:
        on = np.r_[cuts.joined(np.arange(cuts.size - 1), np.arange(1, cuts.size)), False]
        some &= (before < 0) | ~on[before]
    # What cuts anyway is nearer than any of them.
    rank = np.where(some, lay.off, 0.0)
    some[place] = True
    nearest = _nearest(lay.curve.chain, lay.edge, rank, some)
    nearest[place] = False
    return np.flatnonzero(nearest)


def moments_of(steps: Steps) -> Mask:
    """Tell which steps are an exchange, or a register that begins anew, with both of its reads."""
    return np.asarray(np.isin(steps.kind, BEGUN_ANEW) & (steps.since == steps.until))


def _chains(steps: Steps, moment: Mask) -> tuple[Index, Floats]:
    """Return the chain of each read, within which all steps are known, and what was counted up to it."""
    known = steps.known
    goes_on = np.zeros(steps.columns.size, np.bool_)
    goes_on[steps.before[known | moment] + 1] = True
    counted = np.zeros(steps.columns.size)
    counted[steps.before[known] + 1] = steps.energy[known]
    return np.cumsum(~goes_on), np.cumsum(counted)


def _nearest(chain: Index, edge: Index, off: Floats, some: Mask) -> Mask:
    """Tell which of some reads are the first of the nearest ones to their edge, of each chain."""
    at = np.flatnonzero(some)
    order = at[np.lexsort((off[at], edge[at], chain[at]))]
    begins = np.r_[True, (np.diff(edge[order]) != 0) | (np.diff(chain[order]) != 0)] if at.size else at.astype(np.bool_)
    nearest = np.zeros(some.size, np.bool_)
    nearest[order[begins]] = True
    return nearest


def _on_edges(grid: Grid, curve: _Curve, edge: Index, drawn: Index) -> tuple[Floats, Mask]:
    """Return what was counted up to each read, of those `drawn` up to their edge; False: that lies beyond reads."""
    chain, at, told = curve.chain, curve.at, curve.told
    lies, laid = np.ones(told.size, np.bool_), told.copy()
    for place in drawn.tolist():
        first, last = np.searchsorted(chain, (chain[place], chain[place] + 1))
        when = grid.seconds(edge[place : place + 1]) * MICRO
        lies[place] = at[first] < when[0] < at[last - 1]
        laid[place] = np.rint(np.interp(when, at[first:last], told[first:last]))[0]
    return laid, lies


def _digits(steps: Steps, place: Index) -> Floats:
    """Return the Wh of the coarsest digit of the steps from each place to the next."""
    if not place.size:
        return np.zeros(0)
    each = np.zeros(steps.columns.size + 1)
    meters = np.array([meter.lsb_wh for meter in steps.meters], np.float64)
    each[steps.before + 1] = meters[steps.counter] * steps.factor
    return np.asarray(np.maximum.reduceat(each, place + 1))
