"""Each rule finds what it is for, and is silent next to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.errors import UsageError
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import (
    DELIVERED_ENERGY,
    POWER,
    RECEIVED_ENERGY,
    TEMPERATURE,
    VOLTAGE,
    Flow,
    Quantity,
    ReadingType,
    reading_type,
)
from gridwright.domain.readings import Readings
from gridwright.domain.usage_point import UsagePoint
from gridwright.domain.verdict import Intake
from gridwright.vee import Validation, duplicate_findings, intake_findings, off_grid_findings, validate
from gridwright.vee.ruleset import flag_of

START = datetime(2025, 1, 1, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)


def noise(days: int, *, rows: int = 1, seed: int = 3) -> np.ndarray:
    """Half-hours between 100 and 400 Wh, no two neighbours alike for long, no spike."""
    return np.random.default_rng(seed).integers(100, 400, (rows, days * 48)).astype(np.float64)


def run(
    values: np.ndarray, *, kind: ReadingType = DELIVERED_ENERGY, now: datetime | None = None, **point: object
) -> Validation:
    panel = Panel(tuple(f"P{row}" for row in range(len(values))), START, HALF_HOUR, values, reading_type=kind)
    members = [UsagePoint(name, **point) for name in panel.points]  # type: ignore[arg-type]
    return validate(panel, members, now=now)


def codes(found: Validation) -> list[tuple[str, int]]:
    return [(finding.code, finding.slots) for finding in found.findings]


def test_clean_values_become_actual() -> None:
    done = run(noise(3))
    assert done.findings == ()
    assert set(np.unique(done.panel.quality)) == {q.ACTUAL}
    assert not done.flags.any()


def test_a_gap_is_missing_and_the_day_is_short() -> None:
    values = noise(3)
    values[0, 60:64] = np.nan
    done = run(values)
    assert codes(done) == [("V05_count", 48), ("V10_missing", 4)]
    assert "44 of 48" in done.findings[0].message
    assert "4 intervals (2 h) from 2025-01-02 06:00" in done.findings[1].message
    assert q.status_of(done.panel.quality)[0, 60:64].tolist() == [q.MISSING] * 4
    assert q.status_of(done.panel.quality)[0, 64] == q.ACTUAL


def test_a_day_that_the_panel_only_touches_is_not_counted() -> None:
    values = noise(2)
    values[0, 3] = np.nan
    done = run(values[:, 1:], zone="Asia/Kolkata")
    assert "V05_count" not in {finding.code for finding in done.findings}


def test_what_has_not_happened_is_not_missing_and_cannot_be_known() -> None:
    values = noise(2)
    values[0, 50:] = np.nan
    now = START + HALF_HOUR * 50
    assert run(values, now=now).findings == ()
    values[0, 51] = 200
    assert run(values, now=now).findings == ()
    values[0, 52] = 200
    done = run(values, now=now)
    assert codes(done) == [("V06_future", 1)]
    assert q.status_of(done.panel.quality)[0, 52] == q.Status.REJECTED


@pytest.mark.parametrize("flow", [Flow.DELIVERED, Flow.RECEIVED, Flow.NET])
def test_negative_energy(flow: Flow) -> None:
    values = noise(2)
    values[0, 5:7] = -3
    done = run(values, kind=ReadingType(flow=flow))
    assert codes(done) == ([] if flow is Flow.NET else [("V11_negative", 2)])


@pytest.mark.parametrize(("value", "found"), [(5500, 0), (5501, 1)])
def test_capacity_with_tolerance(value: float, found: int) -> None:
    values = noise(2)
    values[0, 5] = value
    assert codes(run(values, capacity_kw=10.0)) == [("V12_capacity", 1)] * found
    assert codes(run(values)) == []


def test_capacity_of_power_needs_no_interval() -> None:
    values = noise(2)
    values[0, 5] = -11_001
    assert codes(run(values, kind=POWER, capacity_kw=10.0)) == [("V12_capacity", 1)]


@pytest.mark.parametrize(
    ("customer_class", "length", "found"),
    [
        ("residential", 23, 0),
        ("residential", 24, 1),
        ("commercial", 7, 0),
        ("commercial", 8, 1),
    ],
)
def test_zero_run(customer_class: str, length: int, found: int) -> None:
    values = noise(5)
    values[0, 70 : 70 + length] = 0
    done = run(values, customer_class=customer_class)
    assert codes(done) == [("V16_zero_run", length)] * found
    assert set(q.status_of(done.panel.quality)[0, 70 : 70 + length]) == {q.Status.ACCEPTED if found else q.ACTUAL}


@pytest.mark.parametrize(
    ("kind", "length", "found"), [(DELIVERED_ENERGY, 335, 0), (DELIVERED_ENERGY, 336, 1), (RECEIVED_ENERGY, 400, 0)]
)
def test_zero_run_where_energy_is_fed_in(kind: ReadingType, length: int, found: int) -> None:
    values = noise(30)
    values[0, 70 : 70 + length] = 0
    assert codes(run(values, kind=kind, exports=True)) == [("V16_zero_run", length)] * found


def test_zeros_where_nothing_is_ever_used_are_no_finding() -> None:
    assert run(np.zeros((1, 480))).findings == ()


@pytest.mark.parametrize(
    ("value", "length", "found"), [(250, 12, 1), (250, 11, 0), (9, 23, 0), (9, 24, 1), (10, 12, 1)]
)
def test_stuck(value: float, length: int, found: int) -> None:
    values = noise(5)
    values[0, 71 : 71 + length] = value
    assert codes(run(values)) == [("V17_stuck", length)] * found


def test_stuck_knows_a_coarse_meter() -> None:
    """A meter that counts 0.1 kWh repeats itself without being stuck below ten of its own steps."""
    values = np.random.default_rng(5).integers(1, 30, (1, 480)) * 100.0
    values[0, 71:90] = 900
    assert codes(run(values, customer_class="residential")) == []
    values[0, 71:90] = 1000
    assert ("V17_stuck", 19) in codes(run(values))


def spikes(days: int, *at: int, by: float = 10.0) -> np.ndarray:
    values = noise(days)
    for slot in at:
        values[0, slot] = 400 * by
    return values


def test_spike_at_a_home_needs_sixty_days() -> None:
    assert codes(run(spikes(50, 48 * 45 + 36))) == []
    done = run(spikes(80, 48 * 70 + 36))
    assert codes(done) == [("V18_spike", 1)]
    assert done.findings[0].message.startswith("spike of 4 kWh at 2025-03-12 18:00, ")
    assert done.findings[0].severity is Severity.FAIL


def test_spike_early_in_a_batch_is_seen_by_what_follows() -> None:
    assert codes(run(spikes(80, 48 * 10))) == [("V18_spike", 1)]


def test_a_spike_does_not_hide_the_next() -> None:
    found = run(spikes(120, 48 * 70, 48 * 90))
    assert [finding.period.start for finding in found.findings] == [START + HALF_HOUR * 48 * day for day in (70, 90)]


def test_a_peak_little_above_the_year_is_accepted() -> None:
    values = noise(100)
    values[0, ::48] = 2000
    values[0, 48 * 90] = 2200
    done = run(values)
    assert ("V18_spike", Severity.WARN) in [(f.code, f.severity) for f in done.findings]
    assert q.status_of(done.panel.quality)[0, 48 * 90] == q.Status.ACCEPTED


def test_a_value_that_one_rule_fails_is_unknown_to_the_next() -> None:
    values = spikes(80, 48 * 70)
    assert codes(run(values, capacity_kw=5.0)) == [("V12_capacity", 1)]


def test_states_have_rules_of_their_own() -> None:
    cold = np.random.default_rng(2).integers(-300, 900, (1, 96)).astype(np.float64)
    assert run(cold, kind=TEMPERATURE).findings == ()
    cold[0, 7] = 9_000
    done = run(cold, kind=TEMPERATURE)
    assert codes(done) == [("V13_limit", 1)]
    assert "90 °C" in done.findings[0].message
    volts = np.random.default_rng(2).integers(2250, 2350, (1, 96)).astype(np.float64)
    volts[0, 8] = -1
    assert codes(run(volts, kind=VOLTAGE)) == [("V13_limit", 1)]
    assert run(volts, kind=reading_type(Quantity.STATE)).findings == ()


def test_volume_has_flow_rules_without_power() -> None:
    values = noise(2)
    values[0, 4] = -1
    gas = reading_type(Quantity.VOLUME, Flow.DELIVERED, commodity="gas")
    assert codes(run(values, kind=gas, capacity_kw=0.1)) == [("V11_negative", 1)]


def test_a_grid_off_its_interval() -> None:
    panel = Panel(("P",), START + timedelta(minutes=7), HALF_HOUR, noise(2))
    done = validate(panel, [])
    assert [(f.code, f.severity) for f in done.findings] == [("V04_align", Severity.WARN)]
    half_zone = Panel(("P",), START + timedelta(minutes=30), timedelta(hours=1), noise(2))
    assert validate(half_zone, [UsagePoint("P", "Asia/Kolkata")]).findings == ()


def test_flags_tell_the_rule() -> None:
    values = noise(2)
    values[0, 5] = -3
    assert run(values).flags[0, 5] == flag_of("V11_negative")
    with pytest.raises(UsageError, match="V99_nonsense"):
        flag_of("V99_nonsense")


def test_an_empty_panel() -> None:
    empty = Panel((), START, HALF_HOUR, np.empty((0, 48)))
    assert validate(empty, []).findings == ()
    assert validate(Panel(("P",), START, HALF_HOUR, np.empty((1, 0))), []).findings == ()


def readings(at: list[int], value: list[float]) -> Readings:
    n = len(at)
    return Readings(
        ("P",), np.zeros(n, np.int32), np.array(at), np.array(value), np.zeros(n, np.uint8), np.arange(n) + 2, 1800
    )


def summary(found: list[Finding]) -> list[tuple[str, str, int, str]]:
    return [(f.code, f.severity, f.slots, f.message) for f in found]


def test_repeats_and_conflicts_as_they_arrive() -> None:
    twice = readings([0, 0, 1800, 1800, 3600, 3600, 7200], [1, 1, 2, 2, 3, 4, 5])
    found = summary(duplicate_findings(twice))
    assert [row[:3] for row in found] == [("V03_duplicate", "warn", 1), ("V03_duplicate", "info", 2)]
    assert "line 7" in found[0][3]
    assert duplicate_findings(readings([0, 1800], [1, 1])) == []


def test_readings_off_the_grid() -> None:
    found = off_grid_findings(readings([0, 1807, 3600], [1, 1, 1]))
    assert [(f.code, f.severity, f.slots) for f in found] == [("V04_align", Severity.FAIL, 1)]


def test_counts_of_a_file_as_findings() -> None:
    intake = Intake("meter.csv", "csv", 10, 8, repeated=1, conflicting=2)
    found = intake_findings(intake, ["P"], Panel(("P",), START, HALF_HOUR, noise(1)).period)
    assert [(f.usage_point, f.severity, f.slots) for f in found] == [("P", Severity.WARN, 2), ("P", Severity.INFO, 1)]
