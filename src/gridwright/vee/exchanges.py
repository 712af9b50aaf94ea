"""Gaps beside a meter exchange: what final and opening read tell together, laid on the grid by E09 where it must be.

An exchange seldom falls on the grid, so neither read closes whole intervals. Together they do: from the last read of
the old meter to the first of the new one everything is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import product

import numpy as np

from gridwright.domain.panel import Panel
from gridwright.domain.register import RegisterReading, RegisterStep, Step
from gridwright.domain.usage_point import Meter
from gridwright.vee.registers import Registers
from gridwright.vee.runs import Floats
from gridwright.vee.scalar import estimate_read
from gridwright.vee.segments import NEAR
from gridwright.vee.steps import EXCHANGE, RESET, Counted, Steps

BEGUN_ANEW = (EXCHANGE, RESET)
# Row → float64[slots] of a panel: what is known of each, NaN where something is to be estimated.
Kept = Callable[[int], Floats]


def across_exchanges(panel: Panel, registers: Registers, steps: Steps, kept: Kept) -> Iterator[Counted]:
    """Yield a step over each exchange off the grid; two where gaps lie on both sides of it.

    Two meet at the nearest edge of the grid: from one to the other goes what E09, a straight line between the reads of
    the meter that hung there, says of the time from the exchange to it, and no more than what is known leaves.
    """
    for at in np.flatnonzero(np.isin(steps.kind[1:-1], BEGUN_ANEW)).tolist():
        first, (*_, between), last = steps[at : at + 3]
        exchange = _exchange(panel, first, between, last)
        if exchange is not None:
            yield from exchange.steps(registers, kept)


def _exchange(panel: Panel, first: Counted, between: RegisterStep, last: Counted) -> _Exchange | None:
    """Return the exchange between two steps of one usage point, if both reads are there and it is off the grid."""
    before, after = first[-1], last[-1]
    closed = first[0] == last[0] and before.until == between.since == between.until == after.since
    off = abs((after.since - panel.start) / panel.interval - round((after.since - panel.start) / panel.interval))
    if not closed or off <= NEAR:
        return None
    return None if before.energy is None or after.energy is None else _Exchange(panel, first, last)


@dataclass(frozen=True, slots=True, eq=False)
class _Exchange:
    """The steps up to an exchange and from it on."""

    panel: Panel
    first: Counted
    last: Counted

    @property
    def edge(self) -> datetime:
        """The nearest edge of the grid."""
        return self.panel.start + self.panel.interval * round(self._slot(self.last[-1].since))

    def _slot(self, at: datetime) -> float:
        return (at - self.panel.start) / self.panel.interval

    def steps(self, registers: Registers, kept: Kept) -> Iterator[Counted]:
        """Yield what is known of the time around the exchange."""
        row, old, factor, before = self.first
        _, new, _, after = self.last
        meter = max(old, new, key=lambda one: one.lsb_wh)
        whole = RegisterStep(before.since, after.until, (before.energy or 0.0) + (after.energy or 0.0), Step.NORMAL)
        early = self._early(registers)
        sides = [self._within(kept(row), *span) for span in ((before.since, self.edge), (self.edge, after.until))]
        if early is None or not all(np.isnan(side).any() for side in sides):
            yield row, meter, factor, whole
            return
        early = self._left(early, whole.energy or 0.0, *(float(np.nansum(side)) for side in sides))
        yield row, meter, factor, replace(whole, until=self.edge, energy=early)
        yield row, meter, factor, replace(whole, since=self.edge, energy=(whole.energy or 0.0) - early)

    def _within(self, kept: Floats, since: datetime, until: datetime) -> Floats:
        """Return what is known of the slots of a span."""
        begin, end = (max(round(self._slot(at)), 0) for at in (since, until))
        return kept[begin:end]

    def _left(self, early: float, whole: float, before: float, after: float) -> float:
        """Return the energy before the edge, at least what is known there, and leaving what is known behind it."""
        signed = self.panel.reading_type.flow not in {"delivered", "received"}
        return early if signed or before + after > whole else min(max(early, before), whole - after)

    def _early(self, registers: Registers) -> float | None:
        """Return the energy before the edge; None where it lies beyond a step."""
        before, after, edge = self.first[-1], self.last[-1], self.edge
        if not before.since < edge < after.until:
            return None
        if edge < after.since:
            return self._until_edge(registers, self.first)
        beyond = self._until_edge(registers, self.last)
        return None if beyond is None else (before.energy or 0.0) + beyond

    def _until_edge(self, registers: Registers, counted: Counted) -> float | None:
        """Return which part of a step's energy was counted before the edge, by E09."""
        row, meter, _, step = counted
        pair = _reads_of(registers.of(self.panel.points[row], self.panel), step, meter)
        if pair is None:
            return None
        read, wrap = estimate_read(pair, self.edge, meter), meter.range_wh
        unit = pair[0].reading_type.resolution
        whole, part = ((each.value - pair[0].value) * unit % wrap for each in (pair[1], read))
        return (step.energy or 0.0) * (part / whole if whole else 0.0)


def _reads_of(reads: Sequence[RegisterReading], step: RegisterStep, meter: Meter) -> list[RegisterReading] | None:
    """Return the two reads of one counter that a step lies between, perhaps with others."""
    mine = [read for read in reads if read.end_device == meter.serial]
    ends = [[read for read in mine if read.at == at] for at in (step.since, step.until)]
    pairs = [[begun, ended] for begun, ended in product(*ends) if begun.epoch == ended.epoch]
    return pairs[0] if pairs else None
