"""Rules that need to know more than the readings: device, site, other channels. Silent where nothing is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.errors import GridMismatch, UsageError
from gridwright.domain.interval import Interval, epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY, RECEIVED_ENERGY, Quantity, ReadingType
from gridwright.domain.usage_point import UsagePoint
from gridwright.vee import Circumstances, Validation, validate
from gridwright.vee.circumstances import (
    ClockCheck,
    Condition,
    Configuration,
    StatusWords,
    condition_bits,
    conditions,
)
from gridwright.vee.rules.device import Status
from gridwright.vee.rules.site import Inactive
from gridwright.vee.ruleset import RuleSet, flag_of
from gridwright.vee.sun import sun_elevation

START = datetime(2025, 6, 2, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)
DAYS = 4


def noise(days: int = DAYS, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(100, 400, (1, days * 48)).astype(np.float64)


def at(slot: int) -> datetime:
    return START + HALF_HOUR * slot


def run(
    values: np.ndarray, around: Circumstances, kind: ReadingType = DELIVERED_ENERGY, **attributes: str
) -> Validation:
    panel = Panel(("P",), START, HALF_HOUR, values, reading_type=kind)
    return validate(panel, [UsagePoint("P", attributes=attributes)], circumstances=around)


def found(done: Validation) -> list[tuple[str, str, int, int]]:
    return [(f.code, str(f.severity), (f.period.start - START) // HALF_HOUR, f.slots) for f in done.findings]


def test_nothing_known_is_nothing_doubted() -> None:
    assert run(noise(), Circumstances()).findings == ()
    assert run(noise(), Circumstances(status=StatusWords(("Q",), START, np.ones((1, 9), np.uint32)))).findings == ()


@pytest.mark.parametrize(
    ("offset", "severity"), [(179, None), (181, "warn"), (-181, "warn"), (900, "warn"), (901, "fail")]
)
def test_clock(offset: float, severity: str | None) -> None:
    """Two good checks around a bad one: it speaks for the time between them."""
    checks = (ClockCheck(at(20), 1), ClockCheck(at(60), offset), ClockCheck(at(100), 2))
    done = run(noise(), Circumstances(clock={"P": checks}))
    assert found(done) == ([("V01_clock", severity, 20, 80)] if severity else [])
    if severity:
        assert f"{abs(offset)} s {'ahead' if offset > 0 else 'behind'}" in done.findings[0].message


def test_a_clock_check_speaks_for_no_other_device() -> None:
    """An exchange at 50: the old device was right at 20, the new one wrong at 60, and the next one right at 120."""
    old = {"since": at(-500), "until": at(50)}
    new = {"since": at(50), "until": at(90)}
    checks = (ClockCheck(at(20), 1, **old), ClockCheck(at(60), 9_000, **new), ClockCheck(at(120), 2, since=at(90)))
    assert found(run(noise(), Circumstances(clock={"P": checks}))) == [("V01_clock", "fail", 50, 40)]
    wrong = (ClockCheck(at(20), 400, **old), ClockCheck(at(60), 9_000, **new))
    done = run(noise(), Circumstances(clock={"P": wrong}))
    assert found(done) == [("V01_clock", "warn", 0, 50), ("V01_clock", "fail", 50, 40)]
    assert "400 s ahead" in done.findings[0].message


def test_a_clock_check_alone_speaks_for_everything() -> None:
    assert found(run(noise(), Circumstances(clock={"P": (ClockCheck(at(20), 9_000),)}))) == [
        ("V01_clock", "fail", 0, DAYS * 48)
    ]


def test_identity() -> None:
    june = Interval(START, START + timedelta(days=30))
    installed = Configuration(june, end_device="M1", multiplier=Decimal(40), interval_s=1800)
    told = Configuration(Interval(at(48), at(96)), end_device="M2", multiplier=Decimal(40))
    done = run(noise(), Circumstances(installed={"P": (installed,)}, told={"P": (told,)}))
    assert found(done) == [("V02_ident", "fail", 48, 48)]
    assert "end device M2, installed is M1" in done.findings[0].message
    assert set(q.status_of(done.panel.quality)[0, 48:96]) == {q.Status.REJECTED}
    same = Configuration(june, end_device="M1")
    assert run(noise(), Circumstances(installed={"P": (installed,)}, told={"P": (same,)})).findings == ()


def test_status_by_severity() -> None:
    words = np.zeros((1, DAYS * 48), np.uint32)
    words[0, 5:7], words[0, 20], words[0, 30] = Condition.FATAL, Condition.CLOCK_SET, Condition.BATTERY
    done = run(noise(), Circumstances(status=StatusWords(("P",), START, words)))
    assert found(done) == [
        ("V14_status", "fail", 5, 2),
        ("V14_status", "warn", 20, 1),
        ("V14_status", "info", 30, 1),
    ]
    statuses = q.status_of(done.panel.quality)[0, [5, 20, 30]].tolist()
    assert statuses == [q.Status.REJECTED, q.Status.ACCEPTED, q.ACTUAL]
    assert done.flags[0, 30] == flag_of("V14_status")
    assert "clock set" in done.findings[1].message


def test_a_devices_own_bits_become_conditions() -> None:
    """Bits 7 and 0 of the status word of the VDEW load profile: power failed, fatal error."""
    bits = condition_bits({7: "3.26.0.47", 0: "3.11.0.79", 3: "3.36.56.24"})
    words = conditions(np.array([0, 1, 128, 129, 8], np.uint32), bits)
    assert words.tolist() == [0, Condition.FATAL, Condition.OUTAGE, Condition.FATAL | Condition.OUTAGE, 0]
    with pytest.raises(UsageError, match="no condition"):
        Status(fail=("explosion",))


def test_status_words_off_the_grid_are_refused() -> None:
    words = StatusWords(("P",), START + timedelta(minutes=7), np.zeros((1, 4), np.uint32))
    with pytest.raises(GridMismatch, match="off the readings' grid"):
        run(noise(), Circumstances(status=words))


def test_overflow_by_recorder_and_by_word() -> None:
    values = noise()
    values[0, 9] = 1023
    assert found(run(values, Circumstances(), recorder_bits="10")) == [("V15_overflow", "fail", 9, 1)]
    assert found(run(values, Circumstances(), recorder_bits="11")) == []
    assert found(run(values, Circumstances(), recorder_bits="9", pulse_wh="2")) == [("V15_overflow", "fail", 9, 1)]
    words = np.zeros((1, 48), np.uint32)
    words[0, 7] = Condition.OVERFLOW
    assert found(run(values, Circumstances(status=StatusWords(("P",), at(48), words)))) == [
        ("V15_overflow", "fail", 55, 1)
    ]


def test_base_load() -> None:
    values = noise()
    values[0, 9:11] = 40
    assert found(run(values, Circumstances(), base_load_kw="0.1")) == [("V13_low_limit", "warn", 9, 2)]
    assert found(run(values, Circumstances(), base_load_kw="much")) == []


def test_a_sibling_that_reports_alone() -> None:
    values = noise()
    values[0, 48:96] = np.nan
    other = Panel(("P",), START, HALF_HOUR, noise(seed=5), reading_type=RECEIVED_ENERGY)
    codes = [row[:1] + row[2:] for row in found(run(values, Circumstances(channels=(other,))))]
    assert ("V07_sibling", 48, 48) in codes
    both = noise(seed=5)
    both[0, 48:96] = np.nan
    silent = Circumstances(channels=(other.with_values(both),))
    assert "V07_sibling" not in {f.code for f in run(values, silent).findings}


def test_another_grid_is_refused() -> None:
    other = Panel(("P",), START, timedelta(hours=1), noise(), reading_type=RECEIVED_ENERGY)
    with pytest.raises(GridMismatch, match="does not lie on the grid"):
        run(noise(), Circumstances(channels=(other,)))


def test_no_zero_run_in_an_outage() -> None:
    values = noise()
    values[0, 48:100] = 0
    assert found(run(values, Circumstances())) == [("V16_zero_run", "warn", 48, 52)]
    assert found(run(values, Circumstances(outages={"P": [Interval(at(48), at(100))]}))) == []
    words = np.full((1, 52), Condition.OUTAGE, np.uint32)
    assert "V16_zero_run" not in {
        f.code for f in run(values, Circumstances(status=StatusWords(("P",), at(48), words))).findings
    }


def test_a_zero_run_between_two_outages_is_doubted_though_the_return_of_power_was_not_heard_of() -> None:
    """Off at 40, its end lost; off and on again by 160: energy was measured between, and so was a dead channel."""
    values = noise()
    values[0, 40:48] = values[0, 150:160] = 0
    values[0, 60:112] = 0
    lost = Circumstances(outages={"P": [Interval(at(40), at(160))]})
    assert found(run(values, lost)) == [("V16_zero_run", "warn", 60, 52)]
    assert found(run(values, Circumstances(outages={"P": [Interval(at(60), at(112))]}))) == []


def test_judged_again_an_outage_ends_where_it_ended_before() -> None:
    values = noise()
    values[0, 40:160] = 0
    values[0, [50, 140]] = -100.0  # no energy is
    dark = Circumstances(outages={"P": [Interval(at(40), at(160))]})
    once = run(values, dark)
    assert q.has_status(once.panel.quality[0, [50, 140]], (q.Status.REJECTED,)).all()
    assert "V16_zero_run" in {each.code for each in once.findings}
    assert found(validate(once.panel, [UsagePoint("P")], circumstances=dark)) == found(once)


def test_feeding_in_without_generation() -> None:
    values = np.zeros((1, DAYS * 48))
    values[0, 24:26], values[0, 30] = 200, 1
    none = Circumstances(generation={"P": frozenset()})
    assert found(run(values, none, RECEIVED_ENERGY)) == [("V22_export", "warn", 24, 2)]
    assert found(run(values, Circumstances(generation={"P": frozenset({"wind"})}), RECEIVED_ENERGY)) == []
    assert found(run(values, Circumstances(), RECEIVED_ENERGY)) == []


def test_photovoltaics_at_night() -> None:
    """Berlin in June: the sun is 6 degrees down from 20:06 to 2:03 UTC (civil dusk and dawn)."""
    values = np.zeros((1, 48))
    values[0, [3, 4, 24, 39, 40]] = 200
    pv = Circumstances(generation={"P": frozenset({"pv"})})
    berlin = {"latitude": "52.5", "longitude": "13.4"}
    assert [row[2] for row in found(run(values, pv, RECEIVED_ENERGY, **berlin))] == [3, 40]
    assert found(run(values, pv, RECEIVED_ENERGY)) == []
    battery = Circumstances(generation={"P": frozenset({"pv", "battery"})})
    assert found(run(values, battery, RECEIVED_ENERGY, **berlin)) == []


@pytest.mark.parametrize(
    ("moment", "latitude", "longitude", "elevation"),
    [
        (datetime(2003, 10, 17, 19, 30, 30, tzinfo=UTC), 39.742476, -105.1786, 39.872),  # NREL SPA, TP-560-34302, A.5
        (datetime(2024, 6, 20, 12, 2, tzinfo=UTC), 0.0, 0.0, 66.56),  # solstice noon at the equator: 90 - 23.44
        (datetime(2025, 12, 21, 12, 0, tzinfo=UTC), 90.0, 0.0, -23.44),  # midwinter at the pole
    ],
)
def test_where_the_sun_stands(moment: datetime, latitude: float, longitude: float, elevation: float) -> None:
    found_ = float(sun_elevation(np.array([epoch_s(moment)]), latitude, longitude)[0])
    assert found_ == pytest.approx(elevation, abs=0.05)


@pytest.mark.parametrize(("value", "slots"), [(20.0, 0), (21.0, 48)])
def test_use_at_a_vacant_usage_point(value: float, slots: int) -> None:
    """48 times 20 Wh is below 1 kWh a day, 48 times 21 Wh above."""
    values = noise()
    values[0, 48:96] = value + np.arange(48) % 2 * 0.5
    vacant = Circumstances(inactive={"P": [Interval(at(48), at(96))]})
    assert [row for row in found(run(values, vacant)) if row[0] == "V23_inactive"] == (
        [("V23_inactive", "warn", 48, slots)] if slots else []
    )


@pytest.mark.parametrize(("watts", "slots"), [(41.0, 0), (43.0, 48)])
def test_power_at_a_vacant_usage_point_is_added_up_over_its_intervals(watts: float, slots: int) -> None:
    """24 h at 41 W are below 1 kWh a day, at 43 W above."""
    values = noise()
    values[0, 48:96] = watts + np.arange(48) % 2 * 0.5 - 0.25
    panel = Panel(("P",), START, HALF_HOUR, values, reading_type=ReadingType(Quantity.POWER))
    vacant = Circumstances(inactive={"P": [Interval(at(48), at(96))]})
    rules = RuleSet("power", (Inactive(),))
    done = validate(panel, [UsagePoint("P")], rules=rules, circumstances=vacant)
    assert found(done) == ([("V23_inactive", "warn", 48, slots)] if slots else [])
