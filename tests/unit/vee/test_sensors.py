"""Sensors beside meters have rules of their own: limits, stuck, rate of change, gaps; and are spared the meters'."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import (
    CURRENT,
    FREQUENCY,
    POWER,
    POWER_FACTOR,
    REACTIVE_POWER,
    STATE,
    TEMPERATURE,
    VOLTAGE,
    ReadingType,
)
from gridwright.domain.usage_point import UsagePoint
from gridwright.vee import validate

START = datetime(2025, 1, 6, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
DAYS = 4
# Values in base units as they are on an ordinary day: the middle, and how far they go from it.
ORDINARY = {
    POWER: (0.0, 4_000.0),
    REACTIVE_POWER: (0.0, 900.0),
    VOLTAGE: (230.0, 8.0),
    CURRENT: (0.0, 20.0),
    FREQUENCY: (50.0, 0.2),
    POWER_FACTOR: (0.0, 1.0),
    TEMPERATURE: (-3.0, 4.0),
    STATE: (1.0, 0.0),
}
KINDS = list(ORDINARY)


def ordinary(kind: ReadingType) -> np.ndarray:
    middle, reach = ORDINARY[kind]
    noise = np.random.default_rng(3).uniform(-reach, reach, (1, DAYS * 96))
    return np.rint((middle + noise) / kind.resolution)


def doubts(kind: ReadingType, values: np.ndarray, capacity_kw: float | None = None) -> list[tuple[str, str, int]]:
    panel = Panel(("P",), START, QUARTER, values, reading_type=kind)
    done = validate(panel, [UsagePoint("P", capacity_kw=capacity_kw)])
    return [(f.code, str(f.severity), f.slots) for f in done.findings]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.quantity))
def test_an_ordinary_day_is_no_doubt(kind: ReadingType) -> None:
    """-3 °C is no negative reading, power may flow back, and a state may stay for ever."""
    assert doubts(kind, ordinary(kind), capacity_kw=5.0) == []


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.quantity))
def test_a_gap(kind: ReadingType) -> None:
    values = ordinary(kind)
    values[0, 100:104] = np.nan
    assert doubts(kind, values) == [("V05_count", "warn", 96), ("V10_missing", "fail", 4)]


@pytest.mark.parametrize("kind", [VOLTAGE, POWER, STATE], ids=lambda kind: str(kind.quantity))
def test_samples_that_come_more_seldom_than_they_are_kept_are_one_doubt_a_day(kind: ReadingType) -> None:
    values = ordinary(kind)
    seldom = np.arange(96, 192)
    values[0, seldom[seldom % 3 != 0]] = np.nan  # 32 gaps on the second day
    values[0, 300:302] = np.nan
    panel = Panel(("P", "Q"), START, QUARTER, np.vstack([values, ordinary(kind)]), reading_type=kind)
    done = validate(panel, [UsagePoint("P"), UsagePoint("Q")])
    told = [(f.slots, f.message) for f in done.findings if f.code == "V10_missing"]
    assert [slots for slots, _ in told] == [95, 2]
    assert told[0][1].startswith("no value in 64 of 95 intervals, in 32 gaps from 2025-01-07 00:15")
    assert told[1][1] == "no value in 2 intervals (0.5 h) from 2025-01-09 03:00"
    kept = ~np.isnan(values[0])
    assert done.panel.values[0, kept].tolist() == values[0, kept].tolist(), "nothing that was measured is doubted"
    assert not done.panel.missing[0, kept].any()


def test_gaps_between_intervals_of_a_meter_are_told_each() -> None:
    values = np.full((1, 192), 100.0)
    values[0, np.arange(192) % 3 != 0] = np.nan
    panel = Panel(("P",), START, QUARTER, values)
    found = [f for f in validate(panel, [UsagePoint("P")]).findings if f.code == "V10_missing"]
    assert len(found) == 64


@pytest.mark.parametrize(
    ("kind", "value", "code"),
    [
        (POWER, 6_000.0, "V12_capacity"),
        (POWER, -6_000.0, "V12_capacity"),
        (REACTIVE_POWER, -6_000.0, "V12_capacity"),
        (VOLTAGE, -1.0, "V13_limit"),
        (VOLTAGE, 600_000.0, "V13_limit"),
        (CURRENT, -200_000.0, "V13_limit"),
        (FREQUENCY, 46.9, "V13_limit"),
        (FREQUENCY, 52.1, "V13_limit"),
        (POWER_FACTOR, 1.001, "V13_limit"),
        (POWER_FACTOR, -1.5, "V13_limit"),
        (TEMPERATURE, -91.0, "V13_limit"),
        (TEMPERATURE, 85.0, "V13_limit"),
    ],
)
def test_what_cannot_be(kind: ReadingType, value: float, code: str) -> None:
    values = ordinary(kind)
    values[0, 50] = value / kind.resolution
    assert (code, "fail", 1) in doubts(kind, values, capacity_kw=5.0)


@pytest.mark.parametrize(
    ("kind", "hours", "found"),
    [
        (POWER, 6, 1),
        (POWER, 5, 0),
        (VOLTAGE, 24, 1),
        (VOLTAGE, 23, 0),
        (CURRENT, 24, 1),
        (FREQUENCY, 24, 1),
        (POWER_FACTOR, 60, 0),
        (TEMPERATURE, 24, 1),
        (STATE, 60, 0),
    ],
)
def test_stuck(kind: ReadingType, hours: int, found: int) -> None:
    values = ordinary(kind)
    values[0, 20 : 20 + hours * 4] = values[0, 20] + 100 if kind not in {STATE, POWER_FACTOR} else 1
    assert doubts(kind, values) == [("V17_stuck", "warn", hours * 4)] * found


@pytest.mark.parametrize(
    ("nominal", "volts", "found"),
    [
        ("230", 398.0, []),
        ("230", 415.0, ["V13_limit"]),
        ("230", 2_300.0, ["V13_limit"]),
        ("20000", 23_000.0, []),
        ("much", 2_300.0, []),
        ("", 2_300.0, []),
    ],
)
def test_a_voltage_far_above_its_nominal_one(nominal: str, volts: float, found: list[str]) -> None:
    """A lost neutral brings a phase to 1.73 times 230 V, 398 V; ten times is a wrong factor."""
    values = ordinary(VOLTAGE)
    values[0, 100] = round(volts / VOLTAGE.resolution)
    panel = Panel(("P", "Q"), START, QUARTER, np.vstack([values, values]), reading_type=VOLTAGE)
    told = validate(panel, [UsagePoint("P", attributes={"nominal_v": nominal}), UsagePoint("Q")]).findings
    assert [(each.code, each.usage_point) for each in told] == [(code, "P") for code in found]
    assert all("outside 0 to 414 V" in each.message for each in told)


def test_a_loose_wire() -> None:
    """From -3 °C to 25 °C and back in a quarter of an hour: both steps."""
    values = ordinary(TEMPERATURE)
    values[0, 60] = 2_500
    assert doubts(TEMPERATURE, values) == [("V20_step", "warn", 2)]


def test_a_state_has_no_spikes_and_power_has_its_own() -> None:
    for kind in (STATE, POWER):
        values = np.tile(ordinary(kind), 25)
        values[0, 80 * 96] = 50_000
        assert doubts(kind, values) == []


def test_a_run_beyond_both_limits_names_a_value_of_each_side() -> None:
    values = ordinary(TEMPERATURE)
    values[0, 50:53] = [85 / TEMPERATURE.resolution, -300 / TEMPERATURE.resolution, 70 / TEMPERATURE.resolution]
    panel = Panel(("P",), START, QUARTER, np.rint(values), reading_type=TEMPERATURE)
    (finding,) = (each for each in validate(panel, [UsagePoint("P")]).findings if each.code == "V13_limit")
    assert finding.slots == 3
    assert "85 °C at 2025-01-06 12:30 and -300 °C at 2025-01-06 12:45 lie outside" in finding.message
