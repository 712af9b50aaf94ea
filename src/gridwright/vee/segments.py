"""Segments: steps of registers laid on a panel's grid, and what the intervals of each hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gridwright.domain.interval import MICRO, epoch_s
from gridwright.domain.panel import Panel
from gridwright.vee.reads import Instants, instants
from gridwright.vee.runs import Floats, Index, Mask, Runs, running_sum
from gridwright.vee.steps import Counted, Steps

OFF_GRID = 0.001
NEAR = 0.1  # of an interval: clocks of meters drift by seconds to minutes
ROWS = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """k periods between two register reads: row, slots `first`..`last` - 1 and the register's `energy` in counts.

    `tolerance`: of the sum check in counts. `aligned`: both reads fall on the grid, within 0.1 of an interval.
    `counter`: one number for what one meter counted at one usage point with one factor. `off`: float64[2, k], how far
    the reads are off the grid, in intervals.
    """

    row: Index
    first: Index
    last: Index
    energy: Floats
    tolerance: Floats
    aligned: Mask
    counter: Index
    off: Floats

    @property
    def size(self) -> int:
        """Number of segments."""
        return int(self.row.size)

    @property
    def runs(self) -> Runs:
        """The segments as runs of slots."""
        return Runs(self.row, self.first, self.last)

    def where(self, keep: Mask) -> Segments:
        """Return the segments for which `keep` holds."""
        return Segments(
            self.row[keep],
            self.first[keep],
            self.last[keep],
            self.energy[keep],
            self.tolerance[keep],
            self.aligned[keep],
            self.counter[keep],
            self.off[:, keep],
        )


def segments_of(panel: Panel, steps: Steps, more: Sequence[Counted] = ()) -> Segments:
    """Lay the steps of known energy that lie within the panel on its grid; reads off the grid move to the nearest slot.

    `more`: such steps beside those between two reads. Tolerance (V30): M·lsb + n·lsb_i/2, where lsb_i is one count;
    0.1 % more where a read is off the grid.
    """
    told, kind = steps.known, panel.reading_type
    also = [each for each in more if each[-1].energy is not None]
    first, last = _edges(panel, steps.since[told], also, 0), _edges(panel, steps.until[told], also, 1)
    energy = np.concatenate([steps.energy[told], [step.energy for *_, step in also]]).astype(np.float64)
    factor = np.concatenate([steps.factor[told], [factor for _, _, factor, _ in also]])
    lsb_wh = np.array([meter.lsb_wh for meter in steps.meters], np.float64)[steps.counter[told]]
    lsb = np.concatenate([lsb_wh, [meter.lsb_wh for _, meter, *_ in also]]) * factor
    first_slot, last_slot = np.rint(first).astype(np.intp), np.rint(last).astype(np.intp)
    each_off = np.abs([first - first_slot, last - last_slot])
    off = each_off.max(axis=0)
    slots = np.maximum(last_slot - first_slot, 0)
    tolerance = lsb / kind.resolution + slots / 2 + np.where(off > 0, OFF_GRID * np.abs(energy), 0.0)
    row = np.concatenate([steps.row[told], np.array([row for row, *_ in also], np.intp)])
    aligned = off <= NEAR
    counter = _counters(steps, told, also, factor)
    segments = Segments(row, first_slot, last_slot, energy, tolerance, aligned, counter, each_off)
    return segments.where((first_slot >= 0) & (last_slot <= panel.slots) & (slots > 0))


def _edges(panel: Panel, told: Instants, also: Sequence[Counted], end: int) -> Floats:
    """Return where steps begin or end, in intervals from the panel's start; reads come to the second."""
    others = instants([(step.since, step.until)[end] for *_, step in also])
    seconds = np.concatenate([told, others]) // MICRO
    return np.asarray((seconds - epoch_s(panel.start)) / panel.interval_s)


def _counters(steps: Steps, told: Mask, also: Sequence[Counted], factor: Floats) -> Index:
    """Return one number for what one meter counted at one usage point with one factor."""
    counter, rows = steps.counter[told], steps.columns.rows.tolist()
    if also:
        places = {(row, meter.serial): at for at, (row, meter) in enumerate(zip(rows, steps.meters, strict=True))}
        counter = np.concatenate([counter, [places[row, meter.serial] for row, meter, *_ in also]])
    factors, which = np.unique(factor, return_inverse=True)
    return np.asarray(counter * max(factors.size, 1) + which)


def segment_sums(panel: Panel, segments: Segments, usable: Mask) -> tuple[Floats, Index]:
    """Return the sum of the usable values and the number of slots without one in each segment."""
    total = np.zeros(segments.size)
    lacking = np.zeros(segments.size, np.intp)
    rows = np.unique(segments.row)
    for begin in range(0, rows.size, ROWS):
        some = rows[begin : begin + ROWS]
        mine = np.flatnonzero((segments.row >= some[0]) & (segments.row <= some[-1]))
        at = np.searchsorted(some, segments.row[mine])
        ok = usable[some] & ~np.isnan(panel.values[some])
        sums = running_sum(np.where(ok, panel.values[some], 0.0))
        gaps = running_sum((~ok).astype(np.float64))
        first, last = segments.first[mine], segments.last[mine]
        total[mine] = sums[at, last] - sums[at, first]
        lacking[mine] = (gaps[at, last] - gaps[at, first]).astype(np.intp)
    return total, lacking


def edge_energy(panel: Panel, segments: Segments) -> Floats:
    """Return how far reads off the grid may shift the sum: by the slots beside them, or by twice their part of those.

    A part it is where both reads are aligned; twice, for a load may begin within an interval.
    """
    filled = np.nan_to_num(panel.values)
    near = [np.clip(edge + shift, 0, panel.slots - 1) for edge in (segments.first, segments.last) for shift in (-1, 0)]
    sizes = [np.abs(filled[segments.row, slot]) for slot in near]
    share = np.where(segments.aligned, 2 * segments.off, 1.0)
    return np.asarray(share[0] * np.maximum(sizes[0], sizes[1]) + share[1] * np.maximum(sizes[2], sizes[3]))
