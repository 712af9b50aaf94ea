"""V30, the sum check: what intervals and registers say of one time, and when the register is believed against them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel, slot_time
from gridwright.domain.reading_type import ReadingType
from gridwright.vee.chunk import amount
from gridwright.vee.runs import Floats, Index, Mask
from gridwright.vee.segments import Segments, edge_energy, segment_sums

CODE = "V30_sum"
Told = tuple[Severity, str]


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """Segments whose intervals contradict their registers (V30), with what either says, in counts.

    `credible`: where the register may be believed against an interval.
    """

    segments: Segments
    total: Floats
    tolerance: Floats
    credible: Mask

    def where(self, keep: Mask) -> Sums:
        """Return the sums for which `keep` holds."""
        return Sums(self.segments.where(keep), self.total[keep], self.tolerance[keep], self.credible[keep])

    @property
    def excess(self) -> Floats:
        """What the intervals hold more than the registers."""
        return self.total - self.segments.energy


def sum_failures(panel: Panel, segments: Segments, usable: Mask) -> Sums:
    """Return the segments without a gap whose intervals and registers disagree (V30)."""
    total, lacking = segment_sums(panel, segments, usable)
    tolerance = segments.tolerance + edge_energy(panel, segments)
    excess, closed = total - segments.energy, lacking == 0
    failed = closed & (np.abs(excess) > tolerance)
    believed = credible(segments, excess, tolerance, closed)
    return Sums(segments, total, tolerance, believed).where(failed)


def sum_doubts(panel: Panel, segments: Segments, usable: Mask) -> tuple[Segments, list[Finding]]:
    """Check each segment without a gap against its registers (V30); return those that fail, with their findings."""
    sums = sum_failures(panel, segments, usable)
    return sums.segments, sum_findings(panel, sums)


def sum_runs(sums: Sums) -> Index:
    """Return the number of the finding that each failed segment belongs to, from 0 on without a gap.

    Where a register is read with each interval, what is wrong with its factor fails each of them: intervals of one
    counter that follow each other and are off to the same side are one finding.
    """
    chosen = sums.segments
    order = np.lexsort((chosen.first, chosen.counter, chosen.row))
    before, after = order[:-1], order[1:]
    alone, above = chosen.last - chosen.first == 1, sums.excess > 0
    alike = [each[before] == each[after] for each in (chosen.row, chosen.counter, above)]
    joins = np.logical_and.reduce([*alike, chosen.last[before] == chosen.first[after], alone[before], alone[after]])
    number = np.zeros(chosen.size, np.intp)
    number[order[1:]] = np.cumsum(~joins)
    return number


def sum_findings(panel: Panel, sums: Sums) -> list[Finding]:
    """Return a V30 finding for each segment that fails, one for those that `sum_runs` holds together."""
    chosen, kind, runs = sums.segments, panel.reading_type, sum_runs(sums)
    found = []
    for mine in _members(runs):
        row, first, last = int(chosen.row[mine[0]]), int(chosen.first[mine].min()), int(chosen.last[mine].max())
        summed, energy = (float(each[mine].sum()) for each in (sums.total, chosen.energy))
        told = apart(summed, energy, float(sums.tolerance[mine].max()), kind, mine.size)
        found.append(sum_finding(panel, (row, first, last), told))
    return found


def apart(summed: float, energy: float, limit: float, kind: ReadingType, several: int = 1) -> Told:
    """Say that intervals and registers disagree, in counts; `several`: so many sums in a row, each by more."""
    more = f"{several} intervals in a row are each more" if several > 1 else "more"
    told = f"intervals sum to {amount(summed, kind)}, the registers say {amount(energy, kind)}"
    return Severity.FAIL, f"{told}; {more} apart than {amount(limit, kind)}"


def not_scaled(known: float, energy: float, tolerance: float, kind: ReadingType) -> Told:
    """Say that what is known exceeds the registers, which leave a gap nothing, in counts."""
    beyond = float(np.rint(known - energy))
    both = f"they sum to {amount(known, kind)}, the registers say {amount(energy, kind)}"
    told = f"known intervals exceed the registers by {amount(beyond, kind)}: {both}; the gap between was not scaled"
    return Severity.INFO if beyond <= tolerance else Severity.FAIL, told


def _members(runs: Index) -> list[Index]:
    """Return the places of each number, in the order of the numbers."""
    if not runs.size:
        return []
    order = np.argsort(runs, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(runs[order])) + 1)


def sum_finding(panel: Panel, where: tuple[int, int, int], told: Told) -> Finding:
    """Return a V30 finding about slots first..last-1 of a row, `where` = (row, first, last)."""
    row, first, last = where
    period = Interval(slot_time(panel, first), slot_time(panel, last))
    return Finding(CODE, panel.points[row], period, *told, panel.reading_type, last - first)


def credible(segments: Segments, excess: Floats, tolerance: Floats, closed: Mask) -> Mask:
    """Tell of which segments the register may be believed against an interval.

    `excess`: intervals less register, `closed`: those without a gap. A factor or a meter that is wrong closes no sum:
    another one of the same meter with the same factor must, by more energy than its tolerance. Where two that fail side
    by side close together, it is the read between them that is wrong.
    """
    agrees = closed & (np.abs(excess) <= tolerance) & (segments.energy > tolerance)
    proven = np.isin(segments.counter, segments.counter[agrees])
    return np.asarray(proven & ~_misread(segments, excess, tolerance, closed))


def _misread(segments: Segments, excess: Floats, tolerance: Floats, closed: Mask) -> Mask:
    """Tell which segments fail because of the read that they share with a neighbour."""
    wrong = np.zeros(segments.size, np.bool_)
    order = np.lexsort((segments.first, segments.counter))
    before, after = order[:-1], order[1:]
    beside = (segments.counter[before] == segments.counter[after]) & (segments.last[before] == segments.first[after])
    failed = closed & (np.abs(excess) > tolerance)
    together = np.abs(excess[before] + excess[after]) <= tolerance[before] + tolerance[after]
    shared = beside & failed[before] & failed[after] & together
    wrong[before[shared]] = True
    wrong[after[shared]] = True
    return wrong
