from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from gridwright.domain.calendar import day_number
from gridwright.domain.errors import InputError
from gridwright.domain.interval import Interval, local_midnight, parse_period, zone_of
from gridwright.domain.reading_type import Flow
from gridwright.domain.register import register_steps
from gridwright.simulate import Kind, simulate_homes
from gridwright.simulate.weather import holidays

BERLIN = zone_of("Europe/Berlin")
MONTH = parse_period("2025-03", BERLIN)


def test_same_seed_same_town_and_another_seed_another() -> None:
    first, again, other = (simulate_homes(12, MONTH, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.panel.values, again.panel.values)
    assert first.registers == again.registers
    assert not np.array_equal(first.panel.values, other.panel.values)


@pytest.mark.parametrize("minutes", [15, 30, 60])
def test_values_are_whole_watt_hours_without_holes(minutes: int) -> None:
    town = simulate_homes(10, MONTH, 3, timedelta(minutes=minutes))
    assert town.panel.slots == 743 * 60 // minutes  # March 2025 lost an hour
    assert np.array_equal(town.panel.values, np.rint(town.panel.values))
    assert town.panel.values.min() >= 0


@pytest.mark.parametrize("reads", ["monthly", "daily"])
def test_registers_and_profiles_agree_to_the_watt_hour(reads: str) -> None:
    town = simulate_homes(4, parse_period("2025-01-01/2025-04-10", BERLIN), 5, register_reads=reads)  # type: ignore[arg-type]
    for panel in filter(None, (town.panel, town.received)):
        for point in panel.points:
            flow = panel.reading_type.flow
            mine = [r for r in town.registers if r.usage_point == point and r.reading_type.flow is flow]
            steps = register_steps(mine, meter=town.meters[town.panel.index(point)], capacity_kw=100)
            assert len(steps) == (4 if reads == "monthly" else 99)
            for step in steps:
                part = panel.row(point).between(Interval(step.since, step.until))
                assert step.energy == part.values.sum()


def test_only_roofs_feed_in_and_only_by_day() -> None:
    town = simulate_homes(9, parse_period("2025-06", BERLIN), 5)
    assert town.received is not None
    assert town.received.points == tuple(p.id for p in town.points if p.exports) == ("UP-1004", "UP-1009")
    assert town.received.reading_type.flow is Flow.RECEIVED
    night = (town.received.calendar(BERLIN).minute < 240) | (town.received.calendar(BERLIN).minute >= 1380)
    assert town.received.values[:, night].sum() == 0
    assert town.received.total_kwh().min() > 100
    rows = [town.panel.index(point) for point in town.received.points]
    assert not ((town.panel.values[rows] > 0) & (town.received.values > 0)).any()


def test_load_less_pv_is_what_the_meter_counts() -> None:
    town = simulate_homes(4, MONTH, 5)
    assert town.received is not None
    net = (town.truth.load_kw[3] - town.truth.pv_kw[3]).sum() / 4
    counted = town.panel.total_kwh()[3] - town.received.total_kwh()[0]
    assert counted == pytest.approx(net, abs=0.002)


def test_people_follow_the_calendar() -> None:
    town = simulate_homes(2, parse_period("2025", BERLIN), 5, kinds=[Kind.SHOP, Kind.FACTORY])
    calendar = town.panel.calendar(BERLIN)
    noon = (calendar.minute >= 600) & (calendar.minute < 720)
    sunday, saturday = noon & (calendar.weekday == 6), noon & (calendar.weekday == 5)
    may_day, workday = noon & (calendar.day == day_number(date(2025, 5, 1))), noon & (calendar.weekday == 2)
    shop, factory = town.panel.kw
    assert shop[saturday].mean() > 2 * shop[sunday].mean()
    assert shop[may_day].mean() < 0.6 * shop[workday].mean()
    assert factory[workday].mean() > 3 * factory[saturday].mean()


def test_shops_open_by_the_wall_clock_on_both_sides_of_a_change() -> None:
    town = simulate_homes(1, parse_period("2025-03-17/2025-04-12", BERLIN), 5, kinds=[Kind.SHOP])
    calendar = town.panel.calendar(BERLIN)
    open_at = town.panel.kw[0] > 0.6 * town.panel.kw[0].max()
    winter = {int(m) for m in calendar.minute[open_at & (calendar.offset_s == 3600)]}
    summer = {int(m) for m in calendar.minute[open_at & (calendar.offset_s == 7200)]}
    assert abs(min(winter) - min(summer)) <= 15


def test_heat_pumps_work_in_winter() -> None:
    town = simulate_homes(3, parse_period("2025", BERLIN), 5, kinds=[Kind.HEAT_PUMP_HOME])
    month = town.panel.calendar(BERLIN).month % 12
    assert (town.panel.kw[:, month == 0].mean(axis=1) > 1.5 * town.panel.kw[:, month == 6].mean(axis=1)).all()


def test_a_year_of_homes_is_of_plausible_size() -> None:
    town = simulate_homes(30, parse_period("2025", BERLIN), 9, kinds=[Kind.HOME])
    assert 2200 < float(np.median(town.panel.total_kwh())) < 4800


def test_easter_is_found() -> None:
    known = {"2024-03-29", "2024-04-01", "2025-04-18", "2025-04-21", "2026-04-03", "2026-04-06"}
    found = set(holidays(range(2024, 2027)).astype("datetime64[D]").astype(str).tolist())
    assert known <= found


@pytest.mark.parametrize(
    ("n", "period", "minutes", "told"),
    [
        (0, MONTH, 15, "0 usage points"),
        (1, MONTH, 7, "0:07:00"),
        (1, MONTH, 240, "4:00:00"),
        (1, Interval(MONTH.start, MONTH.start + timedelta(minutes=20)), 15, "no whole number"),
        (1, Interval(MONTH.start, MONTH.start), 15, "no whole number"),
    ],
)
def test_impossible_towns_are_refused(n: int, period: Interval, minutes: int, told: str) -> None:
    with pytest.raises(InputError, match=told):
        simulate_homes(n, period, 1, timedelta(minutes=minutes))


def test_other_zones_have_their_own_days() -> None:
    zone = zone_of("Australia/Lord_Howe")
    period = Interval(local_midnight(date(2025, 4, 5), zone), local_midnight(date(2025, 4, 8), zone))
    town = simulate_homes(1, period, 1, timedelta(minutes=30), "Australia/Lord_Howe")
    assert town.panel.slots == 48 + 49 + 48
