"""Cuts: the edges of a grid up to which registers tell what was counted, whatever reads and exchanges lie between.

What reads tell of one time goes on over an exchange, or a register that begins anew, of which both reads are there.
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


@dataclass(frozen=True, slots=True, eq=False)
class Cuts:
    """k cuts, ordered by row and edge: what is told between two of one `chain` is known.

    `told`: what was counted up to it, in counts. `off`: how far its read is off the grid, in intervals. `drawn`: an
    exchange off the grid, up to the edge of which a straight line tells. `first`, `last`: the numbers of the intervals
    with reads up to it and behind it. `lsb`: counts of the coarsest digit between it and the next one. `at_s`: when its
    edge is, in seconds.
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
    the nearest edge, too (E09): what was counted between lies on a straight line between the reads around it.
    """
    columns = steps.columns
    moment = moments_of(steps)
    chain, told = _chains(steps, moment)
    edge, off = grid.lay(columns.at, NEAR)
    drawn = np.zeros(columns.size, np.bool_)
    drawn[steps.before[moment]] = True
    drawn &= (off > NEAR) & np.isfinite(off)
    place = np.flatnonzero(_nearest(chain, edge, off, (off <= NEAR) | drawn))
    told, lies = _on_edges(grid, (chain, columns.at, told), edge, place[drawn[place]])
    place = place[lies[place]]
    inside = (edge[place] >= 0) & (edge[place] <= grid.edges[-1])
    place = place[inside]
    # Reads of one interval are counted once, whatever row they are of: chains part them.
    number = np.cumsum(np.r_[0, np.diff(grid.interval(columns.at)) != 0])
    beside = np.clip(np.array([place - 1, place + 1]), 0, max(columns.size - 1, 0))
    return Cuts(
        columns.row[place],
        edge[place],
        told[place],
        chain[place],
        off[place],
        drawn[place],
        number[beside[0]],
        number[beside[1]],
        _digits(steps, place) / unit_wh,
        np.asarray(grid.seconds(edge[place]), np.intp),
    )


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


def _on_edges(grid: Grid, curve: tuple[Index, Instants, Floats], edge: Index, drawn: Index) -> tuple[Floats, Mask]:
    """Return what was counted up to each read, of those `drawn` up to their edge; False: that lies beyond reads."""
    chain, at, told = curve
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
