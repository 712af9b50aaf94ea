"""Calendars: rows, seasons, holidays, special days, and readings too coarse for them."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from gridwright import billing
from gridwright.billing.labels import compile_labels
from gridwright.domain.errors import NotFound, RateError, RateRefused
from gridwright.domain.interval import zone_of
from gridwright.domain.rate import Season, SpecialDays, TouCalendar
from tests.unit.billing.builders import BERLIN, a_card, a_period, flat

OFF, PEAK, HIGH = (0,) * 24, (0,) * 16 + (1,) * 5 + (0,) * 3, (2,) * 24
NAMES = ("off", "peak", "high")


def labelled(calendar: TouCalendar, day: date, *, minutes: int = 60) -> dict[str, int]:
    period = a_period(day.isoformat())
    step = timedelta(minutes=minutes)
    numbers = compile_labels(calendar, period.start, step, period.slots(step), BERLIN)
    return {calendar.labels[k]: int(n) for k, n in enumerate(np.bincount(numbers, minlength=3)) if n}


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (date(2026, 4, 1), {"off": 19, "peak": 5}),
        (date(2026, 4, 4), {"off": 24}),  # Saturday
        (date(2026, 3, 8), {"off": 24}),  # International Women's Day, a holiday in Berlin, on a Sunday
        (date(2027, 3, 8), {"off": 24}),  # and on a Monday
        (date(2026, 5, 1), {"off": 24}),  # 1 May, a Friday
        (date(2026, 7, 1), {"high": 24}),
        (date(2026, 9, 14), {"high": 24}),
        (date(2026, 9, 15), {"off": 19, "peak": 5}),  # the end of a season is left out
        (date(2026, 4, 2), {"off": 16, "peak": 3, "high": 5}),
    ],
)
def test_what_a_day_carries(day: date, expected: dict[str, int]) -> None:
    calendar = TouCalendar(
        "c",
        NAMES,
        weekday=(PEAK,),
        weekend=(OFF,),
        holidays="DE-BE",
        seasons=(Season((6, 15), (9, 15), HIGH, HIGH),),
        special=(SpecialDays((date(2026, 4, 2),), (19, 24), "high"),),
    )
    assert labelled(calendar, day) == expected


def test_a_season_may_span_new_year_and_months_have_rows() -> None:
    winter = TouCalendar("c", NAMES, (OFF,), (OFF,), seasons=(Season((11, 1), (3, 1), HIGH, HIGH),))
    assert [labelled(winter, date(2026, *at)) for at in ((1, 31), (2, 28), (3, 1), (11, 1))] == [
        {"high": 24},
        {"high": 24},
        {"off": 24},
        {"high": 24},
    ]
    monthly = TouCalendar("c", NAMES, (OFF,) * 6 + (HIGH,) + (OFF,) * 5, (OFF,) * 12)
    assert labelled(monthly, date(2026, 7, 1)) == {"high": 24}
    assert labelled(monthly, date(2026, 7, 4)) == {"off": 24}


@pytest.mark.parametrize(("rule", "expected"), [("weekend", "off"), ("weekday", "peak"), ("high", "high")])
def test_what_a_holiday_counts_as(rule: str, expected: str) -> None:
    calendar = TouCalendar("c", NAMES, ((1,) * 24,), (OFF,), holidays="DE", holiday_as=rule)
    assert labelled(calendar, date(2026, 10, 3)) == {expected: 24}  # German Unity Day, a Saturday


def test_an_unknown_holiday_set_is_named() -> None:
    calendar = TouCalendar("c", NAMES, (OFF,), (OFF,), holidays="XX-YY")
    with pytest.raises(RateError, match="'XX-YY' is no known set"):
        labelled(calendar, date(2026, 1, 1))


def test_days_of_23_and_25_hours_follow_the_wall_clock() -> None:
    night = TouCalendar("c", NAMES, ((2, 2, 2) + (0,) * 21,), ((2, 2, 2) + (0,) * 21,))
    assert labelled(night, date(2026, 3, 29), minutes=15) == {"high": 8, "off": 84}
    assert labelled(night, date(2026, 10, 25), minutes=15) == {"high": 16, "off": 84}


def test_readings_that_straddle_two_labels_are_refused() -> None:
    quarter = TouCalendar("c", NAMES, ((0,) * 67 + (1,) * 29,), ((0,) * 96,))
    assert labelled(quarter, date(2026, 4, 1), minutes=15) == {"off": 67, "peak": 29}
    with pytest.raises(RateRefused, match="straddle"):
        labelled(quarter, date(2026, 4, 1), minutes=60)
    with pytest.raises(RateRefused, match="straddle"):
        labelled(quarter, date(2026, 4, 1), minutes=20)
    assert labelled(quarter, date(2026, 4, 4), minutes=60) == {"off": 24}


def test_sums_by_label_of_many_meters() -> None:
    card = a_card(
        "[calendars.c]\nlabels = ['off', 'peak']\nweekday = [[" + "0, " * 12 + "1, " * 12 + "]]\n"
        "[[charges]]\nid = 'e'\nprice.rate = 1\n"
    )
    panel = flat(a_period("2026-04"), 7, minutes=15)
    sums = billing.determinants(panel, card, BERLIN)
    assert sums.labels == ("off", "peak")
    assert sums.energy.tolist() == [[7 * 1440, 7 * 1440]]
    assert sums.slots.tolist() == [1440, 1440]
    assert zone_of(BERLIN).key == BERLIN
    with pytest.raises(NotFound, match="calendars: c"):
        billing.determinants(panel, card, BERLIN, calendar="d")
    huge = flat(a_period("2026-04"), 2.0**50, minutes=15)
    with pytest.raises(RateError, match="2\\^53"):
        billing.determinants(huge, card, BERLIN)
