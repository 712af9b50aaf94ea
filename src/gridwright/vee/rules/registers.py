"""Register reads next to intervals and to one another: V30 sum, V31 time-of-use sum, V32 steps, V33 of a register."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import ClassVar

import numpy as np

from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import Quantity
from gridwright.domain.register import RegisterReading, RegisterStep, register_steps
from gridwright.vee.chunk import amount
from gridwright.vee.reads import ReadColumns
from gridwright.vee.registers import Registers
from gridwright.vee.runs import Floats, Index, Mask
from gridwright.vee.steps import Steps
from gridwright.vee.sum_check import Sums

# A decimal point one place off adds nine tenths of what the meter says.
TENFOLD = 0.9
DAY = timedelta(days=1)
DAY_US = DAY / timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class SumCheck:
    """Intervals and registers of a period without a gap disagree; the tolerance is M·lsb + n·½ count.

    The doubt is about the set of them. With `blame` the one interval that can hold the excess is rejected where another
    rule warns of it too: the only one as large as the excess, or the only one whose tenth would close the sum.
    """

    blame: bool = True
    code: ClassVar[str] = "V30_sum"

    def culprits(self, values: Floats, sums: Sums) -> tuple[Index, Index]:
        """Return (row, slot) of the intervals that alone can hold what sums have too much."""
        over = sums.excess > sums.tolerance
        segments, excess, tolerance = sums.segments.where(over), sums.excess[over], sums.tolerance[over]
        row, slot = segments.runs.cells()
        segment = np.repeat(np.arange(segments.size), segments.runs.length)
        value, slack = values[row, slot], tolerance[segment]
        large = value >= excess[segment] - slack
        shifted = large & (np.abs(TENFOLD * value - excess[segment]) <= slack)
        chosen = _only(large, segment, segments.size) | _only(shifted, segment, segments.size)
        return row[chosen], slot[chosen]


def _only(marked: Mask, segment: Index, segments: int) -> Mask:
    """Keep the marks of segments that have exactly one."""
    number = np.bincount(segment[marked], minlength=segments)
    return np.asarray(marked & (number[segment] == 1))


@dataclass(frozen=True, slots=True)
class RegisterSteps:
    """Registers that decrease, or count more than the connection carries (V32); rollovers and resets are told."""

    code: ClassVar[str] = "V32_register"


@dataclass(frozen=True, slots=True)
class RegisterChange:
    """Between two reads a register counts another amount a day than between the two before: hi/lo of a scalar meter.

    |now - before| / now above `most`: 0.8 = five times as much, or little more than half.
    """

    most: float = 0.8
    code: ClassVar[str] = "V33_register"

    def __call__(self, panel: Panel, steps: Steps) -> list[Finding]:
        """Compare consecutive steps of one row whose energy is known."""
        found = []
        for at in np.flatnonzero(_changes(steps) > self.most).tolist():
            (*_, before), (row, *_, now) = steps[at], steps[at + 1]
            kind, period = panel.reading_type, Interval(now.since, now.until)
            told = [f"{amount(round(_daily(step)), kind)} a day" for step in (now, before)]
            message = f"{told[0]}, {told[1]} in the period before: {register_change(before, now):.0%} apart"
            found.append(Finding(self.code, panel.points[row], period, Severity.WARN, message, kind))
        return found


def _changes(steps: Steps) -> Floats:
    """Return `register_change` of each step and the next; 0 where they are of two usage points."""
    with np.errstate(divide="ignore", invalid="ignore"):
        daily = steps.energy / ((steps.until - steps.since) / DAY_US)
        changed = np.abs(daily[1:] - daily[:-1]) / daily[1:]
    return np.where((steps.row[1:] == steps.row[:-1]) & (steps.energy[1:] != 0), np.nan_to_num(changed), 0.0)


def register_change(before: RegisterStep, now: RegisterStep) -> float:
    """Return |now - before| / now of the energy a day (Itron's register delta); 0 where either is unknown or zero."""
    if before.energy is None or not now.energy:
        return 0.0
    return abs(_daily(now) - _daily(before)) / _daily(now)


def _daily(step: RegisterStep) -> float:
    return (step.energy or 0.0) / ((step.until - step.since) / DAY)


@dataclass(frozen=True, slots=True)
class TouSum:
    """k time-of-use registers together differ from the total one by more than (k + 1)·M·lsb."""

    code: ClassVar[str] = "V31_tou_sum"

    def __call__(
        self, panel: Panel, registers: Registers, laid: ReadColumns, capacity_kw: Mapping[str, float]
    ) -> list[Finding]:
        """Compare them between instants at which all were read; time-of-use registers have a channel name.

        `laid`: the registers' reads, by `lay_reads`.
        """
        if panel.reading_type.quantity is not Quantity.ENERGY or panel.reading_type.channel:
            return []
        points = [panel.points[row] for row in _of_several_channels(laid)]
        return [finding for point in points for finding in self._of(panel, point, registers, capacity_kw[point])]

    def _of(self, panel: Panel, point: str, registers: Registers, limit: float) -> Iterator[Finding]:
        reads = _by_channel(panel, [read for read in registers.reads.get(point, ()) if registers.counts(read)])
        names = [name for name in reads if name]
        if not names or "" not in reads:
            return
        common = sorted(set.intersection(*(set(several) for several in reads.values())))
        meters = registers.meters_of([read for several in reads.values() for read in several.values()])
        for since, until in pairwise(common):
            factor = registers.factor(reads[""][since], reads[""][until])
            energy: dict[str, float | None] = {}
            if factor is None:
                continue
            for name, several in reads.items():
                pair = [several[since], several[until]]
                meter = meters[pair[0].end_device]
                energy[name] = register_steps(pair, meter=meter, capacity_kw=limit, multiplier=factor)[0].energy
            known = [energy[name] for name in names]
            total = energy[""]
            if total is None or None in known:
                continue
            scale = reads[""][since].reading_type.resolution / panel.reading_type.resolution
            summed = sum(one for one in known if one is not None) * scale
            meter = meters[reads[""][since].end_device]
            most = (len(names) + 1) * factor * meter.lsb_wh / panel.reading_type.resolution
            if abs(summed - total * scale) > most:
                yield self._finding(panel, point, Interval(since, until), (names, summed, total * scale, most))

    def _finding(
        self, panel: Panel, point: str, period: Interval, seen: tuple[list[str], float, float, float]
    ) -> Finding:
        names, summed, total, most = seen
        kind = panel.reading_type
        message = (
            f"registers {', '.join(names)} counted {amount(summed, kind)}, the total {amount(total, kind)}; "
            f"more apart than {amount(most, kind)}"
        )
        return Finding(self.code, point, period, Severity.FAIL, message, kind)


def _of_several_channels(laid: ReadColumns) -> list[int]:
    """Return the rows that have a register by time of use and the total one."""
    named = laid.of_kind(lambda kind: bool(kind.channel))
    return [int(row) for row in np.intersect1d(laid.row[named], laid.row[~named])]


def _by_channel(panel: Panel, reads: Sequence[RegisterReading]) -> dict[str, dict[datetime, RegisterReading]]:
    """Return the reads of the panel's direction by channel name, "" for the total, and by instant."""
    kinds = {id(read.reading_type): read.reading_type for read in reads}
    if len(kinds) < 2:  # noqa: PLR2004 - the total and another
        return {}
    wanted = panel.reading_type.register().finer(0)
    names = {key: kind.channel for key, kind in kinds.items() if replace(kind, channel="", exponent=0) == wanted}
    if len(set(names.values())) < 2:  # noqa: PLR2004 - the total and another
        return {}
    found: dict[str, dict[datetime, RegisterReading]] = {name: {} for name in names.values()}
    for read in reads:
        if id(read.reading_type) in names:
            found[names[id(read.reading_type)]][read.at] = read
    return found
