"""Voltage against EN 50160: the week's share, what must never be, and the stretches outside."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.errors import GridMismatch
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import VOLTAGE
from gridwright.grid import Excursion, voltage_report

MONDAY = datetime(2025, 3, 3, tzinfo=UTC)
TEN = timedelta(minutes=10)
WEEK = 7 * 144


def a_week(*rows: np.ndarray | float) -> Panel:
    values = np.stack([np.broadcast_to(np.asarray(row, float), (WEEK,)).copy() for row in rows])
    return Panel(tuple(f"UP-{at}" for at in range(len(rows))), MONDAY, TEN, values * 10, reading_type=VOLTAGE)


def test_ninety_five_percent_of_the_week_within_ten_percent_complies() -> None:
    edge, over = np.full(WEEK, 230.0), np.full(WEEK, 230.0)
    edge[: WEEK // 20] = 200.0  # 5 % of the week below 207 V
    over[: WEEK // 20 + 1] = 200.0
    report = voltage_report(a_week(edge, over, 253.0))
    assert {week.usage_point: week.complies for week in report.weeks} == {"UP-0": True, "UP-1": False, "UP-2": True}
    assert report.weeks[0].usage_point == "UP-1"
    assert report.weeks[0].lowest_v == 200.0
    assert not report.indicative


@pytest.mark.parametrize(
    ("volts", "kind"), [(195.0, Excursion.DEEP_DIP), (254.0, Excursion.HIGH), (206.9, Excursion.LOW)]
)
def test_a_stretch_outside_is_an_event_with_its_worst_value(volts: float, kind: Excursion) -> None:
    row = np.full(WEEK, 230.0)
    row[10:13] = volts
    (event,) = voltage_report(a_week(row)).events
    assert (event.kind, event.worst_v) == (kind, volts)
    assert event.period == Interval(MONDAY + 10 * TEN, MONDAY + 13 * TEN)


def test_one_deep_dip_or_one_high_value_fails_the_week() -> None:
    deep, high = np.full(WEEK, 230.0), np.full(WEEK, 230.0)
    deep[5], high[5] = 195.0, 253.1
    assert [week.complies for week in voltage_report(a_week(deep, high)).weeks] == [False, False]


def test_what_is_not_known_is_neither_within_nor_outside() -> None:
    panel = a_week(230.0, 230.0)
    panel.values[0, 100:] = np.nan
    panel.quality[0, 100:] = q.MISSING
    panel.quality[1] = q.pack(q.Status.REJECTED)
    report = voltage_report(panel)
    (week,) = report.weeks
    assert (week.usage_point, week.complies) == ("UP-0", None)
    assert week.known == pytest.approx(100 / WEEK)


def test_weeks_begin_on_local_mondays() -> None:
    two = Panel(("UP-0",), MONDAY, TEN, np.full((1, 2 * WEEK), 2300.0), reading_type=VOLTAGE)
    weeks = voltage_report(two, zone="Europe/Berlin").weeks
    starts = sorted(week.week for week in weeks)
    assert starts == [MONDAY, MONDAY + timedelta(days=7, hours=-1), MONDAY + timedelta(days=14, hours=-1)]


def test_other_intervals_are_only_indicative_and_other_quantities_refused() -> None:
    panel = Panel(("UP-0",), MONDAY, 3 * TEN, np.full((1, 48), 2300.0), reading_type=VOLTAGE)
    assert voltage_report(panel).indicative
    with pytest.raises(GridMismatch, match="is no voltage"):
        voltage_report(Panel(("UP-0",), MONDAY, TEN, np.ones((1, 4))))
