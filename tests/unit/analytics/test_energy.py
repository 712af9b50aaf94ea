from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.analytics import Between, EnergySum, energy_from_power, energy_panel, panel_from_power
from gridwright.domain.errors import GridMismatch, InputError
from gridwright.domain.interval import Interval, epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_REGISTER, POWER, VOLTAGE, Flow, Quantity

START = datetime(2025, 3, 1, tzinfo=UTC)
HOUR, QUARTER = timedelta(hours=1), timedelta(minutes=15)
DAY = Interval(START, START + 24 * HOUR)


@pytest.mark.parametrize(
    ("between", "end_s", "longest", "expected"),
    [
        # 2 kW for 15 min, 4 kW for 45 min: 0.5 + 3 kWh.
        (Between.HOLD, None, np.inf, EnergySum(3.5, 3600, 0)),
        # means 3 and 2 kW: 0.75 + 1.5 kWh.
        (Between.LINE, None, np.inf, EnergySum(2.25, 3600, 0)),
        # the last sample (0 kW) holds for another hour.
        (Between.HOLD, 7200, np.inf, EnergySum(3.5, 7200, 0)),
        # 45 min without a sample is a gap when 30 min are allowed.
        (Between.HOLD, None, 1800, EnergySum(0.5, 900, 2700)),
    ],
)
def test_sum_of_power_times_time(between: Between, end_s: float | None, longest: float, expected: EnergySum) -> None:
    got = energy_from_power([0, 900, 3600], [2.0, 4.0, 0.0], between=between, end_s=end_s, longest_step_s=longest)
    assert got == expected


def test_case_worked_by_hand() -> None:
    folder = Path(__file__).parents[2] / "golden" / "analytics" / "uneven_power"
    given_, expected = (json.loads((folder / name).read_text()) for name in ("input.json", "expected.json"))
    at, kw, end = given_["at_s"], given_["power_kw"], given_["end_s"]
    assert energy_from_power(at, kw, end_s=end).kwh == pytest.approx(expected["hold_kwh"])
    assert energy_from_power(at, kw, end_s=end, between=Between.LINE).kwh == pytest.approx(expected["line_kwh"])


def test_unknown_power_is_a_gap_of_the_steps_that_need_it() -> None:
    at, kw = [0, 3600, 7200, 10800], [1.0, np.nan, 3.0, 3.0]
    assert energy_from_power(at, kw) == EnergySum(4.0, 7200, 3600)
    assert energy_from_power(at, kw, between=Between.LINE) == EnergySum(3.0, 3600, 7200)


@pytest.mark.parametrize(
    ("at", "kw", "end", "told"),
    [
        ([0, 10, 10], [1, 1, 1], None, "10 s does not come after 10 s"),
        ([0, 10, 5], [1, 1, 1], None, "5 s does not come after 10 s"),
        ([0, np.nan], [1, 1], None, "sample 1: a sample has no time"),
        ([0, 1], [1], None, "one time for each power"),
        ([0, 10], [1, 1], 5, "before the last sample"),
    ],
)
def test_bad_samples_are_told(at: list[float], kw: list[float], end: float | None, told: str) -> None:
    with pytest.raises(InputError, match=told):
        energy_from_power(at, kw, end_s=end)


def test_no_samples_no_energy() -> None:
    assert energy_from_power([], []) == EnergySum(0.0, 0.0, 0.0)
    assert np.isnan(panel_from_power("UP-1", [], [], DAY, HOUR).values).all()


def test_power_panel_becomes_energy_and_keeps_its_total() -> None:
    watts = np.array([[1001.0, 1001, 1001, 1001, np.nan, 3]])
    energy = energy_panel(Panel(("UP-1",), START, QUARTER, watts, reading_type=POWER))
    assert energy.reading_type.quantity is Quantity.ENERGY
    assert energy.reading_type.flow is Flow.NET
    assert energy.values[0, :4].tolist() == [250, 250, 251, 250]
    assert np.isnan(energy.values[0, 4])
    assert np.nansum(energy.values) == 1002  # 1001 Wh + 0.75 Wh


def test_energy_stays_and_voltage_is_refused() -> None:
    energy = Panel(("UP-1",), START, QUARTER, np.ones((1, 4)))
    assert energy_panel(energy) is energy
    with pytest.raises(GridMismatch, match="voltage"):
        energy_panel(Panel(("UP-1",), START, QUARTER, np.ones((1, 4)), reading_type=VOLTAGE))
    with pytest.raises(GridMismatch, match="does not count Wh"):
        panel_from_power("UP-1", [0], [1], DAY, HOUR, reading_type=DELIVERED_REGISTER.finer(-3))


def test_uneven_samples_are_cut_at_the_edges() -> None:
    t = epoch_s(START)
    # 6 kW from 00:10 on, 0 from 00:40 on: 00:00-00:15 not covered, then 1.5 kWh, 1 kWh, nothing.
    panel = panel_from_power("UP-1", [t + 600, t + 2400], [6, 0], Interval(START, START + HOUR), QUARTER)
    assert np.isnan(panel.values[0, 0])
    assert panel.values[0, 1:].tolist() == [1500, 1000, 0]


def test_a_straight_line_is_integrated_exactly() -> None:
    t = epoch_s(START)
    # p(t) = 4 kW · t/h: the quarters hold ∫ = 2·(k²−(k−1)²)/16 kWh.
    panel = panel_from_power(
        "UP-1", [t, t + 3600], [0, 4], Interval(START, START + HOUR), QUARTER, between=Between.LINE
    )
    assert panel.values[0].tolist() == [125, 375, 625, 875]


@given(
    gaps=st.lists(st.integers(1, 4000), min_size=1, max_size=60),
    seed=st.integers(0, 1000),
    between=st.sampled_from(list(Between)),
)
def test_the_grid_holds_the_energy_of_the_samples(gaps: list[int], seed: int, between: Between) -> None:
    at = epoch_s(START) + np.r_[0, np.cumsum(gaps)]
    kw = np.random.default_rng(seed).uniform(0, 8, at.size)
    hours = int((at[-1] - at[0]) // 3600) + 1
    period = Interval(START, START + hours * HOUR)
    panel = panel_from_power("UP-1", at, kw, period, QUARTER, between=between)
    whole = energy_from_power(at, kw, between=between, end_s=float(epoch_s(period.end)))
    assert not panel.missing.any()
    assert panel.total_kwh()[0] == pytest.approx(whole.kwh, abs=0.00051)
