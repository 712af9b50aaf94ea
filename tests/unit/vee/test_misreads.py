"""A read that falls or jumps and comes back: V32 fails on it, and the energy is that between the reads around it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.register import RegisterReading, Step
from gridwright.domain.usage_point import Installation, UsagePoint, install
from gridwright.vee import validate
from gridwright.vee.registers import Registers
from gridwright.vee.steps import steps_of

START = datetime(2026, 10, 13, tzinfo=UTC)
DAY = timedelta(days=1)
PANEL = Panel(("A",), START, timedelta(hours=1), np.full((1, 120), 500.0))


def daily(wrong: float, epochs: tuple[int, ...]) -> list[RegisterReading]:
    values = (1_585_801.0, 1_599_899.0, wrong, 1_627_741.0, 1_641_741.0)
    return [
        RegisterReading("A", START + DAY * day, value, "M1", epoch)
        for day, (value, epoch) in enumerate(zip(values, epochs, strict=True))
    ]


@pytest.mark.parametrize(("wrong", "what"), [(162_045.0, "falls to 162.045 kWh"), (1_813_484.0, "jumps to 1,813.484")])
@pytest.mark.parametrize("epochs", [(0, 0, 1, 0, 0), (0, 0, 1, 1, 1), (3, 3, 3, 3, 3)])
def test_a_wrong_read_is_set_aside_whatever_its_epoch(wrong: float, what: str, epochs: tuple[int, ...]) -> None:
    """From 1,599.899 to 1,627.741 kWh are 27.842, and from 162.045 they were 1,465.696."""
    registers = Registers({"A": daily(wrong, epochs)}, {}, [install("A", "M1", START - DAY)])
    steps = steps_of(PANEL, registers, {"A": 100.0})
    assert [(step.step, step.energy) for *_, step in steps] == [
        (Step.NORMAL, 14_098.0),
        (Step.NORMAL, 27_842.0),
        (Step.NORMAL, 14_000.0),
    ]
    (finding,) = told(registers)
    assert finding.severity is Severity.FAIL
    assert finding.period == Interval(START + DAY, START + 3 * DAY)
    for word in (what, "2026-10-15T00:00:00Z", "1,599.899 kWh", "1,627.741 kWh", "by 27.842 kWh", "send the right"):
        assert word in finding.message


def test_what_the_connection_cannot_carry_bears_nothing_out() -> None:
    """28 kWh in two days are more than 0.5 kW carry: then nobody can tell which read is wrong."""
    steps = steps_of(PANEL, Registers({"A": daily(162_045.0, (0, 0, 1, 1, 1))}), {"A": 0.5})
    assert not steps.aside
    assert [step.step for *_, step in steps] == [Step.RESET, Step.RESET, Step.RESET, Step.RESET]


CHANGED = START + DAY


@pytest.mark.parametrize(
    ("values", "days"), [((1_600_000.0, 1_644_995.0, 1_644_995.0, 1_660_000.0), (0, 1, 1, 2)), ((5.0, 9.0), (0, 2))]
)
def test_a_new_multiplier_of_the_same_meter_is_told_as_one(values: tuple[float, ...], days: tuple[int, ...]) -> None:
    reads = [
        RegisterReading("A", START + DAY * day, value, "M1", int(place >= len(days) / 2))
        for place, (value, day) in enumerate(zip(values, days, strict=True))
    ]
    before = Installation("A", "M1", Interval(START - DAY, CHANGED), Decimal(1))
    (finding,) = told(Registers({"A": reads}, {}, [before, install("A", "M1", CHANGED, Decimal(40))]))
    assert finding.severity is Severity.INFO
    assert finding.message == "the multiplier changed from 1 to 40; no energy is taken across the change"


@pytest.mark.parametrize(
    ("values", "days", "epochs"),
    [
        ((1_600_000.0, 9_644_995.0, 9_644_995.0), (0, 1, 1), (0, 0, 1)),
        ((9_644_995.0, 9_644_995.0, 9_600_000.0), (1, 1, 2), (0, 1, 1)),
    ],
)
def test_a_wrong_read_beside_a_new_multiplier_is_no_change_of_it(
    values: tuple[float, ...], days: tuple[int, ...], epochs: tuple[int, ...]
) -> None:
    """8,045 kWh in a day, or less than before: neither the final nor the opening read excuses it."""
    reads = [
        RegisterReading("A", START + DAY * day, value, "M1", epoch)
        for value, day, epoch in zip(values, days, epochs, strict=True)
    ]
    before = Installation("A", "M1", Interval(START - DAY, CHANGED), Decimal(1))
    found = told(Registers({"A": reads}, {}, [before, install("A", "M1", CHANGED, Decimal(40))]))
    assert sorted(finding.severity for finding in found) == sorted([Severity.INFO, Severity.FAIL])


def test_an_exchange_has_an_extent() -> None:
    """Periods are half-open: one from an instant to the same one holds nothing, and no list of a day shows it."""
    values = ((0, 5_000.0, "M1", 0), (1, 9_000.0, "M1", 0), (1, 0.0, "M2", 1), (2, 4_000.0, "M2", 1))
    reads = [RegisterReading("A", START + DAY * day, value, serial, epoch) for day, value, serial, epoch in values]
    before = Installation("A", "M1", Interval(START - DAY, CHANGED))
    (finding,) = told(Registers({"A": reads}, {}, [before, install("A", "M2", CHANGED)]))
    assert finding.period == Interval(CHANGED, CHANGED + timedelta(seconds=1))
    assert finding.message == "another meter was installed; no energy is taken across the exchange"


def told(registers: Registers) -> list[Finding]:
    found = validate(PANEL, [UsagePoint("A", capacity_kw=100)], registers=registers).findings
    return [finding for finding in found if finding.code == "V32_register"]
