"""Registers that are read some seconds beside the grid: what was counted meanwhile is no contradiction (V30)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from gridwright.domain.panel import Panel
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter, UsagePoint
from gridwright.vee import Registers, validate
from gridwright.vee.runs import Floats

START, DAYS, SLOTS = datetime(2026, 3, 2, tzinfo=UTC), 10, 96
CAR = slice(5 * SLOTS, 5 * SLOTS + 12)  # it charges with 11 kW, from one midnight on


def used() -> Floats:
    values = np.rint(np.random.default_rng(1).gamma(2, 40, SLOTS * DAYS))
    values[CAR] += 2750
    return np.asarray(values)


def read(values: Floats, late_s: int) -> Registers:
    """Return a register that is read each day, `late_s` after midnight (before it, where negative)."""
    grid = 900.0 * np.arange(values.size + 1)
    at = [86400 * day + late_s for day in range(1, DAYS)]
    shown = np.floor(np.interp(at, grid, np.r_[0, np.cumsum(values)]))
    reads = [
        RegisterReading("H", START + timedelta(seconds=second), value, "M")
        for second, value in zip(at, shown.tolist(), strict=True)
    ]
    return Registers({"H": reads}, {"M": Meter("M", dials=8, lsb_wh=1)})


def sums(values: Floats, registers: Registers) -> list[str]:
    panel = Panel(("H",), START, timedelta(minutes=15), values[None])
    home = UsagePoint("H", "UTC", capacity_kw=20)
    return [each.severity.value for each in validate(panel, [home], registers=registers).findings if "V30" in each.code]


@pytest.mark.parametrize("late_s", [-60, -20, 0, 5, 20, 60, 80])
def test_a_load_that_begins_at_midnight_contradicts_no_read_beside_it(late_s: int) -> None:
    assert sums(used(), read(used(), late_s)) == []


@pytest.mark.parametrize("late_s", [-60, 0, 20, 60])
def test_what_is_more_than_the_seconds_between_hold_is_still_told(late_s: int) -> None:
    wrong = used()
    wrong[2 * SLOTS + 40] += 500
    assert sums(wrong, read(used(), late_s)) == ["fail"]
