"""The worked cases of the meter-to-cash reference A5 that rules must reproduce: C1, C5, C9 to C12, C15, C16."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from gridwright.domain.finding import Finding
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY, Flow, Quantity, reading_type
from gridwright.domain.register import RegisterReading, RegisterStep, Step
from gridwright.domain.usage_point import Meter, UsagePoint
from gridwright.vee import Circumstances, Registers, RuleSet, validate
from gridwright.vee.rules.channels import MainCheck, PowerFactor
from gridwright.vee.rules.level import HighLow
from gridwright.vee.rules.mad import SpikeMad, robust_distance
from gridwright.vee.rules.registers import register_change
from gridwright.vee.rules.shape import Stuck, ZeroRun
from gridwright.vee.rules.spike import Spike

START = datetime(2025, 1, 6, tzinfo=UTC)  # a Monday
HOUR = timedelta(hours=1)
KVARH = reading_type(Quantity.REACTIVE_ENERGY, Flow.DELIVERED)


def panel_of(kwh: Sequence[float], interval: timedelta = HOUR, kind: object = DELIVERED_ENERGY) -> Panel:
    return Panel(("P",), START, interval, np.array([kwh]) * 1000, reading_type=kind)  # type: ignore[arg-type]


def slots(found: tuple[Finding, ...], interval: timedelta = HOUR) -> list[tuple[int, int]]:
    return [((f.period.start - START) // interval, f.slots) for f in found]


def test_c01_a_real_day_of_cmep_closes() -> None:
    """24 hourly values sum to 479 kWh, as the register does; one more kWh is a failed sum."""
    kwh = [8, 9, 6, 8, 7, 10, 27, 35, 27, 23, 25, 20, 22, 12, 8, 20, 16, 28, 23, 31, 53, 28, 20, 13]
    pair = [RegisterReading("P", START + HOUR * 24 * day, value) for day, value in enumerate((2931567e3, 2932046e3))]
    registers = Registers({"P": pair}, {"": Meter("", dials=7, lsb_wh=1)})
    home = [UsagePoint("P", capacity_kw=100.0)]
    assert sum(kwh) == 479
    assert validate(panel_of(kwh), home, registers=registers).findings == ()
    kwh[3] += 1
    assert [f.code for f in validate(panel_of(kwh), home, registers=registers).findings] == ["V30_sum"]


@pytest.mark.parametrize(("peak", "found"), [(15.0, [(20, 1)]), (13.9, [])])
def test_c05_the_third_highest_value_decides(peak: float, found: list[tuple[int, int]]) -> None:
    """(15 - 5) / 5 = 2.00 > 1.8 doubts the 15.0 alone; 13.9 is 1.78 and passes."""
    kwh = [2.0] * 24
    kwh[7], kwh[12], kwh[20] = 5.0, 5.5, peak
    done = validate(panel_of(kwh), [], rules=RuleSet("c5", (Spike(year=False),)))
    assert slots(done.findings) == found


def test_c09_power_factors() -> None:
    """(kWh, kvarh) = (4, 3), (0, 3.2), (3, 4), (0.05, 0): factors 0.8, 0, 0.6, 1; only the second is doubted."""
    around = Circumstances(channels=(panel_of([3, 3.2, 4, 0], kind=KVARH),))
    done = validate(panel_of([4, 0, 3, 0.05]), [], rules=RuleSet("c9", (PowerFactor(),)), circumstances=around)
    assert slots(done.findings) == [(1, 1)]
    assert "power factor 0.00" in done.findings[0].message
    strict = RuleSet("c9", (PowerFactor(least=0.8),))
    assert slots(validate(panel_of([4, 0, 3, 0.05]), [], rules=strict, circumstances=around).findings) == [(1, 2)]


@pytest.mark.parametrize(("today", "doubted"), [(64.0, True), (6.9, True), (62.0, False)])
def test_c10_use_against_like_days(today: float, doubted: bool) -> None:
    """Like days 20, 22, 18, 24: mean 21; 64 is 3.05 times that, 6.9 is 0.329, 62 is fine."""
    days = [20.0, 22.0, 18.0, 24.0, today]
    kwh = [day / 24 for day in days for _ in range(24)]
    rule = HighLow(form="ratio", days=4 * 7 // 5, least_days=1)
    panel = Panel(("P",), START, HOUR, np.array([kwh]) * 24_000, reading_type=DELIVERED_ENERGY.finer(0))
    found = validate(panel, [], rules=RuleSet("c10", (rule,))).findings
    assert [f.period for f in found] == [Interval(START + HOUR * 96, START + HOUR * 120)] * doubted


def test_c11_register_delta() -> None:
    """330 kWh in 31 days, then 450 kWh in 30: 100 (15 - 10.645) / 15 = 29.03 %."""
    middle, end = START + timedelta(days=31), START + timedelta(days=61)
    before, now = RegisterStep(START, middle, 330.0, Step.NORMAL), RegisterStep(middle, end, 450.0, Step.NORMAL)
    assert round(100 * register_change(before, now), 2) == 29.03
    assert register_change(RegisterStep(START, middle, None, Step.RESET), now) == 0


def test_c12_robust_distance() -> None:
    """0.25 0.30 0.35 2.0 0.30 0.25 0.30: median 0.30, MAD 0.05, distance 22.93."""
    kwh = [0.25, 0.30, 0.35, 2.0, 0.30, 0.25, 0.30]
    values = np.array([kwh]) * 1000
    assert round(float(robust_distance(values, np.array([0]), np.array([3]))[0]), 2) == 22.93
    done = validate(panel_of(kwh), [], rules=RuleSet("c12", (SpikeMad(deviations=12, share=0),)))
    assert slots(done.findings) == [(3, 1)]
    assert "23 deviations from its neighbours' 0.3 kWh" in done.findings[0].message


@pytest.mark.parametrize(("check", "found"), [(984.0, 1), (985.0, 0)])
def test_c15_main_and_check_meter(check: float, found: int) -> None:
    """1000 against 984 is 1.6 % apart, more than 1.5 %; 985 is not."""
    around = Circumstances(checks=(panel_of([40.0] * 23 + [check - 920]),))
    rules = RuleSet("c15", (MainCheck(),))
    done = validate(panel_of([40.0] * 23 + [80.0]), [], rules=rules, circumstances=around)
    assert [f.code for f in done.findings] == ["V36_main_check"] * found
    assert all("1.6% apart" in f.message for f in done.findings)


def test_c16_a_zero_run_and_a_stuck_run() -> None:
    """96 zeros and 24 times 0.25 at a quarter of an hour: runs of 96 and of 24."""
    quarter = timedelta(minutes=15)
    kwh = [*np.random.default_rng(1).integers(100, 400, 96) / 1000, *[0.0] * 96, *[0.25] * 24, 0.3, 0.31]
    rules = RuleSet("c16", (ZeroRun(hours=24), Stuck()))
    done = validate(panel_of(kwh, quarter), [], rules=rules)
    assert [(f.code, f.slots) for f in done.findings] == [("V16_zero_run", 96), ("V17_stuck", 24)]
