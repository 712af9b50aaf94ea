"""V32: what steps of registers are told, those that are no plain counting up."""

from __future__ import annotations

from datetime import UTC, timedelta
from decimal import Decimal
from itertools import pairwise

import numpy as np

from gridwright.domain.finding import Finding, Severity
from gridwright.domain.hung import of_device
from gridwright.domain.interval import Interval
from gridwright.domain.misread import Misread
from gridwright.domain.panel import Panel
from gridwright.domain.register import RegisterReading, RegisterStep, Step
from gridwright.domain.rollover import remedy
from gridwright.domain.usage_point import Meter
from gridwright.vee.chunk import amount
from gridwright.vee.registers import Registers
from gridwright.vee.steps import NORMAL, Steps

Pair = tuple[RegisterReading, RegisterReading]
# A register that is reset begins near zero: one that still shows more than this share of before was not.
MOST_LEFT = 0.5
SECOND = timedelta(seconds=1)
WRONG_READ = "What helps: send the right read of that instant"


def step_findings(panel: Panel, steps: Steps, registers: Registers) -> list[Finding]:
    """Return a V32 finding for each step that is not plain counting up, and for each read that was set aside."""
    told = [_finding(panel, steps, at, registers) for at in np.flatnonzero(steps.kind != NORMAL).tolist()]
    return [*told, *(_set_aside(panel, wrong) for wrong in steps.aside)]


def _set_aside(panel: Panel, wrong: Misread) -> Finding:
    """Return the doubt about a read that falls or jumps and comes back."""
    pair = wrong.before, wrong.after
    what = "falls" if wrong.read.value < wrong.before.value else "jumps"
    text = (
        f"register {what} to {_stood(wrong.read)} and comes back, {_moved(pair)}; this read is set aside, and the "
        f"energy is taken from the two around it. {WRONG_READ}; if it is right, record the exchange of the meter"
    )
    period = Interval(wrong.before.at, wrong.after.at)
    return Finding("V32_register", wrong.read.usage_point, period, Severity.FAIL, text, panel.reading_type)


def _finding(panel: Panel, steps: Steps, at: int, registers: Registers) -> Finding:
    row, meter, _, step = steps[at]
    begin = int(steps.before[at])
    pair = steps.columns.reads[begin], steps.columns.reads[begin + 1]
    factors = _factors(registers, pair)
    if factors is None:
        severity, text = _told(panel, meter, step, pair)
        text += _untold(panel, row, step, registers)
    else:
        old, new = factors
        severity, text = (
            Severity.INFO,
            f"the multiplier changed from {old} to {new}; no energy is taken across the change",
        )
    # The final and the opening read of an exchange are of one instant.
    period = Interval(step.since, max(step.until, step.since + SECOND))
    return Finding("V32_register", panel.points[row], period, severity, text, panel.reading_type)


def _factors(registers: Registers, pair: Pair) -> tuple[Decimal, Decimal] | None:
    """Return the multipliers before and after a change of the same meter's between two reads, None without one."""
    before, after = pair
    if before.end_device != after.end_device:
        return None
    begun = before.epoch != after.epoch  # as the opening read does
    own = of_device(registers.history(after.usage_point), after.end_device)
    ordered = sorted(own, key=lambda each: each.period.start)
    return next(
        (
            (old.multiplier, new.multiplier)
            for old, new in pairwise(ordered)
            if before.at < new.period.start < after.at or (begun and new.period.start == after.at)
            if old.multiplier != new.multiplier
        ),
        None,
    )


def _told(panel: Panel, meter: Meter, step: RegisterStep, pair: Pair) -> tuple[Severity, str]:
    before, after = pair
    if step.step is Step.EXCHANGE:
        return Severity.INFO, "another meter was installed; no energy is taken across the exchange"
    if step.step is Step.ROLLOVER and step.energy is not None:
        counted = amount(step.energy, panel.reading_type)
        return Severity.INFO, f"register rolled over after {meter.dials} digits; {counted} counted"
    if after.value >= before.value:
        if after.epoch != before.epoch:
            return Severity.INFO, f"register began anew, {_moved(pair)}; no energy is taken from it"
        return Severity.FAIL, (
            f"register counted more than the connection carries, {_moved(pair)}; no energy is taken from it. "
            f"{WRONG_READ}, or tell the capacity of the usage point if it carries more"
        )
    return fall(before, after)


def fall(before: RegisterReading, after: RegisterReading) -> tuple[Severity, str]:
    """Say how bad it is that a register fell and did not roll over: a reset is told, anything else is a decrease."""
    began = after.epoch != before.epoch and after.value <= MOST_LEFT * before.value
    what = "began anew" if began else "decreased, as by no rollover and no reset"
    return Severity.INFO if began else Severity.FAIL, (
        f"register {what}, {_moved((before, after))}; no energy is taken from it. "
        f"{WRONG_READ} if one is wrong, or record the exchange of the meter; "
        "accept this if it was reset"
    )


def _moved(pair: Pair) -> str:
    """Write both reads with their instants, and the difference."""
    before, after = pair
    kind = after.reading_type
    scale = before.reading_type.resolution / kind.resolution
    return f"from {' to '.join(map(_stood, pair))}, by {amount(after.value - before.value * scale, kind)}"


def _stood(read: RegisterReading) -> str:
    return f"{amount(read.value, read.reading_type)} ({read.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ})"


def _untold(panel: Panel, row: int, step: RegisterStep, registers: Registers) -> str:
    """Return what to say of a meter that fell and whose dials nobody has told."""
    if step.step is Step.EXCHANGE:
        return ""
    reads = registers.of(panel.points[row], panel)
    pair = next((pair for pair in pairwise(reads) if (pair[0].at, pair[1].at) == (step.since, step.until)), None)
    if pair is None:
        return ""
    meter = registers.hung(pair[0])
    if step.step is Step.ROLLOVER:
        return "; nobody has told its dials, and with more it would not have" if meter.dials is None else ""
    told = remedy(meter, *pair)
    return f"; {told}" if told else ""
