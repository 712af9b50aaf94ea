"""V32: what steps of registers are told, those that are no plain counting up."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.register import RegisterStep, Step
from gridwright.domain.rollover import remedy
from gridwright.domain.usage_point import Meter
from gridwright.vee.chunk import amount
from gridwright.vee.registers import Registers
from gridwright.vee.steps import NORMAL, Steps

CODES = {
    Step.ROLLOVER: Severity.INFO,
    Step.RESET: Severity.INFO,
    Step.EXCHANGE: Severity.INFO,
    Step.DECREASE: Severity.FAIL,
}


def step_findings(panel: Panel, steps: Steps, registers: Registers) -> list[Finding]:
    """Return a V32 finding for each step that is not plain counting up; with a remedy where dials would help."""
    return [
        Finding(
            "V32_register",
            panel.points[row],
            Interval(step.since, step.until),
            CODES[step.step],
            _step_message(panel, meter, step) + _untold(panel, row, step, registers),
            panel.reading_type,
        )
        for row, meter, _, step in map(steps.__getitem__, np.flatnonzero(steps.kind != NORMAL).tolist())
    ]


def _step_message(panel: Panel, meter: Meter, step: RegisterStep) -> str:
    if step.step is Step.ROLLOVER and step.energy is not None:
        return f"register rolled over after {meter.dials} digits; {amount(step.energy, panel.reading_type)} counted"
    return {
        Step.RESET: "register began anew, or counted more than the connection carries; no energy is taken from it",
        Step.EXCHANGE: "another meter was installed; no energy is taken across the exchange",
        Step.DECREASE: "register decreased; a rollover would be more than its connection carries, or half its range",
    }[step.step]


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
