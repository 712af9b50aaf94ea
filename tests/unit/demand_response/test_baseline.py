"""Baselines: worked by hand, by the wall clock across changes of the clocks, and their laws."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.demand_response import BASELINES, baseline, baseline_rule, like_days, measure
from gridwright.domain import quality as q
from gridwright.domain.errors import GridMismatch, NotFound, TooLittleData
from gridwright.domain.interval import Interval, local_midnight
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import VOLTAGE

ZONE = "Europe/Berlin"
TZ = ZoneInfo(ZONE)
HOUR = timedelta(hours=1)
FIRST = date(2025, 1, 6)
EVENT_DAY = date(2025, 2, 26)  # a Wednesday
EVENT = Interval(datetime(2025, 2, 26, 17, tzinfo=TZ), datetime(2025, 2, 26, 19, tzinfo=TZ))
HOLIDAY = date(2025, 2, 24)


def a_year_start(wh_of_day: dict[date, float], *, other: float = 9000.0) -> Panel:
    """Hours that use the same energy all day long; a day that is not named uses `other`."""
    period = Interval(local_midnight(FIRST, TZ), local_midnight(date(2025, 3, 1), TZ))
    slots = period.slots(HOUR)
    panel = Panel(("UP-1",), period.start, HOUR, np.zeros((1, slots)))
    days = panel.calendar(ZONE).dates.tolist()
    panel.values[0] = [wh_of_day.get(day, other) for day in days]
    return panel


def workdays_before(day: date, count: int, without: tuple[date, ...] = ()) -> list[date]:
    found: list[date] = []
    while len(found) < count:
        day -= timedelta(days=1)
        if day.weekday() < 5 and day not in without:
            found.append(day)
    return found


def by_hand() -> Panel:
    """The ten working days before, without the holiday, use 1000, 1100 … 1900 Wh an hour: their mean is 1450.

    On the event's day 1595 Wh are used in each of the hours 13, 14 and 15, which end one hour before 17:00:
    1595 / 1450 = 1.1, so the baseline is 1.1 × 1450 = 1595 Wh an hour. In the event 1000 and 1200 Wh are used.
    """
    days = workdays_before(EVENT_DAY, 10, (HOLIDAY,))
    panel = a_year_start({day: 1000.0 + 100 * back for back, day in enumerate(days)})
    put(panel, EVENT_DAY, {13: 1595, 14: 1595, 15: 1595, 16: 4000, 17: 1000, 18: 1200, 19: 2000, 20: 1700})
    return panel


def put(panel: Panel, day: date, wh: dict[int, float]) -> None:
    calendar = panel.calendar(ZONE)
    for hour, value in wh.items():
        at = (calendar.dates == np.datetime64(day)) & (calendar.minute == hour * 60)
        panel.values[0, at] = value
        panel.quality[0, at] = q.RAW


@pytest.mark.parametrize(
    ("rule", "expected_wh", "adjustment"),
    [
        ("10-of-10", 1595.0, 1.1),  # 1450 × 1595/1450
        ("10-of-10-unadjusted", 1450.0, 1.0),
        ("10-of-10-additive", 1595.0, 1.1),  # 1450 + (1595 − 1450)
        ("5-of-10-unadjusted", 1700.0, 1.0),  # (1500 + 1600 + 1700 + 1800 + 1900) / 5
        ("5-of-10", 1595.0, 1595 / 1700),
        ("middle-8-of-10-additive", 1595.0, 1.1),  # (1100 + … + 1800) / 8 = 1450, + 145
    ],
)
def test_by_hand(rule: str, expected_wh: float, adjustment: float) -> None:
    done = measure(by_hand(), EVENT, BASELINES[rule], zone=ZONE, holidays={HOLIDAY})
    assert done.base_wh[0] == pytest.approx([expected_wh, expected_wh])
    assert done.baseline.adjustment[0] == pytest.approx(adjustment)
    assert done.actual_wh[0].tolist() == [1000, 1200]
    assert not done.problems


def test_the_ten_days_are_the_working_days_before_without_the_holiday() -> None:
    done = measure(by_hand(), EVENT, BASELINES["10-of-10"], zone=ZONE, holidays={HOLIDAY})
    assert list(done.baseline.days(0, done.like)) == workdays_before(EVENT_DAY, 10, (HOLIDAY,))


def test_snap_back_is_what_is_used_above_the_baseline_in_the_two_hours_after() -> None:
    done = measure(by_hand(), EVENT, BASELINES["10-of-10"], zone=ZONE, holidays={HOLIDAY})
    assert done.snap_back_wh[0] == pytest.approx(2000 + 1700 - 2 * 1595)


@pytest.mark.parametrize(("before", "factor"), [(14_500, 1.2), (100, 0.8)])
def test_the_ratio_is_bounded(before: float, factor: float) -> None:
    panel = by_hand()
    put(panel, EVENT_DAY, dict.fromkeys((13, 14, 15), before))
    done = measure(panel, EVENT, BASELINES["10-of-10"], zone=ZONE, holidays={HOLIDAY})
    assert done.base_wh[0] == pytest.approx([1450 * factor] * 2)


def test_days_of_other_events_and_days_with_gaps_or_estimates_are_passed_over() -> None:
    panel = by_hand()
    first, second, third, *_ = workdays_before(EVENT_DAY, 13, (HOLIDAY,))
    put(panel, first, {17: np.nan})
    panel.quality[np.isnan(panel.values)] = q.MISSING
    calendar = panel.calendar(ZONE)
    guessed = (calendar.dates == np.datetime64(second)) & (calendar.minute == 18 * 60)
    panel.quality[0, guessed] = q.pack(q.Status.ESTIMATED, q.Method.LIKE_DAY)
    other = {"UP-1": [Interval(local_midnight(third, TZ) + 9 * HOUR, local_midnight(third, TZ) + 10 * HOUR)]}
    done = measure(panel, EVENT, BASELINES["10-of-10"], zone=ZONE, holidays={HOLIDAY}, events=other)
    taken = done.baseline.days(0, done.like)
    assert len(taken) == 10
    assert not {first, second, third} & set(taken)
    like = done.like
    assert {why: int(count[0]) for why, count in like.why_not.items()} == {
        "were event days": 1,
        "had an outage": 0,
        "lack readings": 1,
        "rest on estimates": 1,
    }


def test_to_be_without_power_is_no_reduction_and_such_a_day_no_like_day() -> None:
    panel = by_hand()
    put(panel, EVENT_DAY, {17: 0})
    first, *_ = workdays_before(EVENT_DAY, 1, (HOLIDAY,))
    night = local_midnight(first, TZ)
    outages = {"UP-1": [Interval(EVENT.start + HOUR / 2, EVENT.start + HOUR), Interval(night, night + HOUR)]}
    rule = replace(BASELINES["10-of-10"], id="test")
    done = measure(panel, Interval(EVENT.start, EVENT.end + 2 * HOUR), rule, zone=ZONE, outages=outages)
    assert np.isnan(done.reduction_wh[0, 0])
    assert np.isfinite(done.reduction_wh[0, 1:]).all()
    assert (done.off[0], done.missing[0]) == (1, 0)
    assert "1 of 4 intervals fell into a power outage and are left out" in done.notes(0)
    assert first not in done.baseline.days(0, done.like)
    assert done.like.why_not["had an outage"][0] == 1
    half = measure(panel, EVENT, rule, zone=ZONE, outages=outages)
    assert "1 of 2 intervals of the event have no measured value" in str(half.problems["UP-1"])


def test_a_rejected_value_is_no_value() -> None:
    panel = by_hand()
    first, *_ = workdays_before(EVENT_DAY, 1, (HOLIDAY,))
    at = (panel.calendar(ZONE).dates == np.datetime64(first)) & (panel.calendar(ZONE).minute == 17 * 60)
    panel.quality[0, at] = q.pack(q.Status.REJECTED)
    done = measure(panel, EVENT, BASELINES["10-of-10"], zone=ZONE, holidays={HOLIDAY})
    assert first not in done.baseline.days(0, done.like)


def test_too_few_days_are_told_for_that_usage_point_only() -> None:
    good, late = by_hand(), by_hand()
    late.values[0, : -7 * 24] = np.nan
    both = Panel(("UP-1", "UP-2"), good.start, HOUR, np.vstack([good.values, late.values]))
    done = measure(both, EVENT, BASELINES["10-of-10"], zone=ZONE, holidays={HOLIDAY})
    assert set(done.problems) == {"UP-2"}
    assert isinstance(done.problems["UP-2"], TooLittleData)
    assert "usable working days in the 45 days before, and 5 are needed" in str(done.problems["UP-2"])
    assert "lack readings" in str(done.problems["UP-2"])
    assert done.base_wh[0] == pytest.approx([1595, 1595])
    assert np.isnan(done.base_wh[1]).all()


def test_fewer_than_ten_days_are_taken_and_told() -> None:
    panel = by_hand()
    days = workdays_before(EVENT_DAY, 7, (HOLIDAY,))
    panel.values[0, panel.calendar(ZONE).dates < np.datetime64(days[-1])] = np.nan
    done = measure(panel, EVENT, BASELINES["10-of-10-unadjusted"], zone=ZONE, holidays={HOLIDAY})
    assert done.base_wh[0] == pytest.approx([1300, 1300])  # (1000 + … + 1600) / 7
    assert "the baseline rests on 7 days instead of 10" in done.notes(0)


def test_a_weekend_is_compared_with_weekends_and_holidays() -> None:
    panel = a_year_start({}, other=500.0)
    calendar = panel.calendar(ZONE)
    free = (calendar.weekday >= 5) | (calendar.dates == np.datetime64(HOLIDAY))
    panel.values[0, free] = 800.0
    sunday = Interval(datetime(2025, 2, 16, 17, tzinfo=TZ), datetime(2025, 2, 16, 19, tzinfo=TZ))
    done = measure(panel, sunday, BASELINES["10-of-10"], zone=ZONE, holidays={HOLIDAY})
    assert done.base_wh[0].tolist() == [800, 800]
    assert done.baseline.days(0, done.like) == (
        date(2025, 2, 15),
        date(2025, 2, 9),
        date(2025, 2, 8),
        date(2025, 2, 2),
    )


def hours_of_the_clock(first: date, last: date) -> Panel:
    """Each hour uses 100 Wh times its number on the wall clock, so a baseline by the wall clock is exact."""
    period = Interval(local_midnight(first, TZ), local_midnight(last, TZ))
    panel = Panel(("UP-1",), period.start, HOUR, np.zeros((1, period.slots(HOUR))))
    panel.values[0] = panel.calendar(ZONE).minute // 60 * 100.0
    return panel


@pytest.mark.parametrize(
    ("day", "start", "hours", "expected"),
    [
        (date(2025, 3, 30), 1, 2, [100, 300]),  # the hour from 2 to 3 does not exist
        (date(2025, 10, 26), 1, 4, [100, 200, 200, 300]),  # the hour from 2 to 3 comes twice
        (date(2025, 3, 31), 17, 2, [1700, 1800]),  # the days before are on winter time
        (date(2025, 10, 27), 17, 2, [1700, 1800]),
        (date(2025, 4, 1), 23, 3, [2300, 0, 100]),  # past midnight
    ],
)
def test_hours_are_those_of_the_wall_clock(day: date, start: int, hours: int, expected: list[float]) -> None:
    panel = hours_of_the_clock(day - timedelta(days=60), day + timedelta(days=3))
    begin = datetime(day.year, day.month, day.day, start, tzinfo=TZ)
    done = measure(
        panel, Interval(begin, Interval(begin, begin).start + hours * HOUR), BASELINES["10-of-10"], zone=ZONE
    )
    assert done.base_wh[0] == pytest.approx(expected)
    assert done.reduction_wh[0] == pytest.approx([0] * len(expected))


def test_without_the_hours_before_nothing_is_adjusted_and_that_is_told() -> None:
    panel = by_hand()
    put(panel, EVENT_DAY, dict.fromkeys((13, 14), np.nan))
    done = measure(panel, EVENT, BASELINES["10-of-10"], zone=ZONE, holidays={HOLIDAY})
    assert done.base_wh[0] == pytest.approx([1450, 1450])
    assert done.notes(0)[0].startswith("not adjusted")


def test_an_additive_baseline_is_never_below_zero() -> None:
    panel = by_hand()
    put(panel, EVENT_DAY, dict.fromkeys((13, 14, 15), 0))
    days = workdays_before(EVENT_DAY, 10, (HOLIDAY,))
    for day in days:
        put(panel, day, {17: 10})
    done = measure(panel, EVENT, BASELINES["10-of-10-additive"], zone=ZONE, holidays={HOLIDAY})
    assert done.base_wh[0] == pytest.approx([0, 0])


def test_placebo_days_tell_how_far_the_rule_is_off() -> None:
    like = like_days(by_hand(), EVENT, BASELINES["10-of-10-unadjusted"], zone=ZONE, holidays={HOLIDAY})
    misses = baseline(like, BASELINES["10-of-10-unadjusted"]).placebo_wh[0]
    known = misses[np.isfinite(misses)]
    # Without the day at 1000 the mean of the other nine is 13500/9 = 1500: two hours miss by +1000 Wh.
    assert known[0] == pytest.approx(1000)
    assert known.size == 10
    assert known.sum() == pytest.approx(0)


def test_what_cannot_be_measured_is_said() -> None:
    with pytest.raises(NotFound, match="known: 10-of-10"):
        baseline_rule("best-of-all")
    voltage = Panel(("UP-1",), EVENT.start, HOUR, np.ones((1, 4)), reading_type=VOLTAGE)
    with pytest.raises(GridMismatch, match="is no energy"):
        measure(voltage, EVENT, BASELINES["10-of-10"], zone=ZONE)
    short = Interval(EVENT.start, EVENT.start + timedelta(minutes=10))
    with pytest.raises(TooLittleData, match="no interval of 60 min lies within"):
        measure(by_hand(), short, BASELINES["10-of-10"], zone=ZONE)


# Powers of two scale exactly: another factor could break a tie between two days.
@given(st.sampled_from(sorted(BASELINES)), st.sampled_from([0.125, 0.5, 2.0, 64.0]), st.integers(0, 2**16))
def test_more_load_by_a_factor_is_more_baseline_by_the_factor(rule: str, factor: float, seed: int) -> None:
    panel = a_noisy(seed)
    scaled = panel.with_values(panel.values * factor)
    one, other = (measure(each, EVENT, BASELINES[rule], zone=ZONE) for each in (panel, scaled))
    assert other.base_wh == pytest.approx(one.base_wh * factor)
    assert other.baseline.adjustment == pytest.approx(one.baseline.adjustment)


@given(st.sampled_from(sorted(BASELINES)), st.integers(0, 2**16))
def test_the_order_of_the_days_does_not_matter(rule: str, seed: int) -> None:
    panel = a_noisy(seed)
    days = workdays_before(EVENT_DAY, 10)
    calendar = panel.calendar(ZONE)
    shuffled = panel.values.copy()
    for day, other in zip(days, np.random.default_rng(seed).permutation(np.array(days)).tolist(), strict=True):
        shuffled[:, calendar.dates == np.datetime64(day)] = panel.values[:, calendar.dates == np.datetime64(other)]
    one = measure(panel, EVENT, BASELINES[rule], zone=ZONE)
    two = measure(panel.with_values(shuffled), EVENT, BASELINES[rule], zone=ZONE)
    assert two.base_wh == pytest.approx(one.base_wh)


@given(st.integers(0, 2**16))
def test_each_row_is_measured_as_if_alone_and_the_ratio_keeps_its_bounds(seed: int) -> None:
    panel = a_noisy(seed, rows=4)
    rule = BASELINES["10-of-10"]
    together = measure(panel, EVENT, rule, zone=ZONE)
    for row in range(4):
        alone = measure(panel.rows([row]), EVENT, rule, zone=ZONE)
        assert alone.base_wh[0] == pytest.approx(together.base_wh[row])
    factor = together.baseline.adjustment
    assert ((factor > 0.8 - 1e-9) & (factor < 1.2 + 1e-9)).all()


def a_noisy(seed: int, rows: int = 2) -> Panel:
    period = Interval(local_midnight(FIRST, TZ), local_midnight(date(2025, 3, 1), TZ))
    values = np.rint(np.random.default_rng(seed).gamma(2, 300, (rows, period.slots(HOUR)))) + 1
    return Panel(tuple(f"UP-{row}" for row in range(rows)), period.start, HOUR, values)
