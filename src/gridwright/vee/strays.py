"""Register reads that close no interval: what was counted up to one and from it on is known together, on the grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.interval import MICRO, epoch_s
from gridwright.domain.panel import Panel
from gridwright.vee.cuts import MOST
from gridwright.vee.reads import Instants, ReadColumns
from gridwright.vee.runs import Floats, Index, Mask
from gridwright.vee.segments import NEAR
from gridwright.vee.steps import Steps


def over_strays(panel: Panel, steps: Steps) -> Steps:
    """Return the steps with those on both sides of a read that closes no interval as one, from the grid to the grid.

    Such a read is off the grid, or lies beside one that is nearer to the same edge of it. So it is where all of the
    steps are known, of one meter with one factor; between others each read stays. An exchange is as good as the grid:
    both of its reads together close what lies around it. Those within what was estimated close nothing,
    however many they are: it is told by the reads around it.
    """
    stray = _passed(panel, steps)
    if not stray.any():
        return steps
    begins = np.flatnonzero(~stray[steps.before])
    place = np.cumsum(~stray) - 1
    return replace(
        steps,
        columns=steps.columns.where(~stray),
        before=place[steps.before[begins]],
        factor=steps.factor[begins],
        energy=np.add.reduceat(steps.energy, begins),
        kind=steps.kind[begins],
    )


def off_grid(at: Instants, start_s: int, interval_s: int) -> Floats:
    """Return how far from the next edge of a grid reads lie, in microseconds since 1970; in intervals."""
    slots = (at // MICRO - start_s) / interval_s
    return np.asarray(np.abs(slots - np.rint(slots)))


def _passed(panel: Panel, steps: Steps) -> Mask:
    """Tell of which reads the steps on both sides are one."""
    columns = steps.columns
    if not len(steps):
        return np.zeros(columns.size, np.bool_)
    off = off_grid(columns.at, epoch_s(panel.start), panel.interval_s)
    after = np.full(columns.size, -1, np.intp)
    after[steps.before] = np.arange(len(steps))
    before = np.r_[-1, after[:-1]]
    inner = ((off > NEAR) | ~_nearest(panel, columns, off)) & (before >= 0) & (after >= 0)
    inner[inner] = _go_on(steps, before[inner], after[inner])
    edges = np.diff(np.r_[0, inner.astype(np.int8), 0])
    first, last = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    slot = columns.at // MICRO // panel.interval_s
    new = np.cumsum(np.r_[0, slot[1:] != slot[:-1]])
    closes = (off <= NEAR) | _of_exchange(steps)
    few = closes[first - 1] & closes[last] & (new[last - 1] - new[first] < MOST)
    passed = np.zeros(columns.size, np.int8)
    passed[first[few]] += 1
    passed[last[few]] -= 1
    return np.asarray((np.cumsum(passed) > 0) | (inner & _within_estimates(panel, columns)))


def _within_estimates(panel: Panel, columns: ReadColumns) -> Mask:
    """Tell which reads lie in an interval that was estimated."""
    slot = (columns.at // MICRO - epoch_s(panel.start)) // panel.interval_s
    inside = (slot >= 0) & (slot < panel.slots)
    quality = panel.quality[columns.row, np.clip(slot, 0, panel.slots - 1)]
    return np.asarray(inside & (q.status_of(quality) == q.Status.ESTIMATED))


def _of_exchange(steps: Steps) -> Mask:
    """Tell which reads are the final or the opening one of an exchange."""
    found = np.zeros(steps.columns.size, np.bool_)
    moment = steps.before[steps.since == steps.until]
    found[moment], found[moment + 1] = True, True
    return found


def _nearest(panel: Panel, columns: ReadColumns, off: Floats) -> Mask:
    """Tell which reads are the first of the nearest ones to their edge of the grid."""
    edge = np.rint((columns.at // MICRO - epoch_s(panel.start)) / panel.interval_s)
    order = np.lexsort((off, edge, columns.row))
    begins = np.r_[True, (np.diff(edge[order]) != 0) | (np.diff(columns.row[order]) != 0)]
    nearest = np.zeros(columns.size, np.bool_)
    nearest[order[begins]] = True
    return nearest


def _go_on(steps: Steps, before: Index, after: Index) -> Mask:
    """Tell of which pairs of steps both are known, and count times the same."""
    known, factor = steps.known, steps.factor
    return np.asarray(known[before] & known[after] & (factor[before] == factor[after]))
