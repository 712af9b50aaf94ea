"""The ladder of methods: which one serves where, across clock changes, holidays and outages."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.finding import Severity
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.quality import Method
from gridwright.domain.reading_type import TEMPERATURE
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.vee import Estimation, Ladder, estimate
from gridwright.vee.rungs import bridge

MONDAY = datetime(2025, 1, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)


def a_panel(values: np.ndarray, start: datetime = MONDAY) -> Panel:
    return Panel(tuple(f"P{row}" for row in range(len(values))), start, HOUR, values)


def weeks(number: int, *, rows: int = 1) -> np.ndarray:
    return np.random.default_rng(11).integers(100, 900, (rows, number * 168)).astype(np.float64)


def methods(done: Estimation) -> dict[str, int]:
    return {method.name: number for method, number in done.by_method.items()}


@pytest.mark.parametrize(
    ("hours", "closed", "method"),
    [
        (1, False, "LINEAR"),
        (2, False, "BLEND"),
        (2, True, "LINEAR"),
        (3, True, "BLEND"),
    ],
)
def test_how_long_a_line_may_be(hours: int, closed: bool, method: str) -> None:
    values = weeks(8)
    whole = values.sum()
    at = slice(4 * 168 + 30, 4 * 168 + 30 + hours)
    line = np.interp(np.arange(hours), [-1, hours], values[0, [at.start - 1, at.stop]])
    values[0, at] = np.nan
    reads = [RegisterReading("P0", MONDAY, 0), RegisterReading("P0", MONDAY + 8 * 168 * HOUR, whole)]
    scaled = estimate(a_panel(values), [], registers={"P0": reads} if closed else {})
    assert methods(scaled) == ({"SCALED": hours} if closed else {method: hours})
    made = scaled.panel.values[0, at]
    assert np.allclose(made / made.sum(), line / line.sum(), atol=0.002) == (method == "LINEAR")
    assert not closed or scaled.panel.values.sum() == whole


@pytest.mark.parametrize(
    ("hours", "closed", "method"), [(2, False, "LINEAR"), (3, False, "PROFILE"), (4, True, "LINEAR")]
)
def test_without_like_days_a_line_may_be_longer(hours: int, closed: bool, method: str) -> None:
    values = weeks(1)[:, :40]
    whole = values.sum()
    line = np.interp(np.arange(hours), [-1, hours], values[0, [11, 12 + hours]])
    values[0, 12 : 12 + hours] = np.nan
    reads = [RegisterReading("P0", MONDAY, 0), RegisterReading("P0", MONDAY + 40 * HOUR, whole)]
    done = estimate(a_panel(values), [], registers={"P0": reads} if closed else {})
    made = done.panel.values[0, 12 : 12 + hours]
    assert np.allclose(made / made.sum(), line / line.sum(), atol=0.002) == (method == "LINEAR")
    assert methods(done) == ({"SCALED": hours} if closed else {method: hours})


@pytest.mark.parametrize(("left", "right"), [(90.0, -30.0), (90.0, np.nan), (np.nan, -30.0), (np.nan, np.nan)])
def test_the_bridge_meets_its_ends_and_fades_between_them(left: float, right: float) -> None:
    """The conditional mean of an AR(1) process, solved as a linear system."""
    n, fade = 9, 0.6
    covariance = fade ** np.abs(np.subtract.outer(np.arange(n + 2), np.arange(n + 2)))
    ends = [(0, left), (n + 1, right)]
    known = [(place, value) for place, value in ends if not np.isnan(value)]
    at = [place for place, _ in known]
    weights = covariance[np.ix_(range(1, n + 1), at)] @ np.linalg.inv(covariance[np.ix_(at, at)]) if at else 0
    expected = weights @ np.array([value for _, value in known]) if at else np.zeros(n)
    made = bridge(np.array([n]), (np.array([left]), np.array([right])), fade)
    assert np.allclose(made, expected)


def test_blend_is_the_mean_of_its_two_parts() -> None:
    values = weeks(9)
    day = 4 * 7 + 2
    at = slice(day * 24, day * 24 + 24)
    values[0, at] = np.nan
    by_day = values.reshape(-1, 24)
    workdays = [d for d in range(day) if d % 7 < 5][-10:] + [d for d in range(day + 1, 63) if d % 7 < 5][:10]
    around = [day + 7 * week for week in (-4, -3, -2, -1, 1, 2, 3, 4)]
    expected = np.rint((by_day[workdays].mean(axis=0) + by_day[around].mean(axis=0)) / 2)
    done = estimate(a_panel(values), [], ladder=Ladder(memory_hours=0))
    assert done.panel.values[0, at].tolist() == expected.tolist()
    assert methods(done) == {"BLEND": 24}


def test_a_holiday_is_like_a_sunday() -> None:
    values = weeks(6)
    thursday = 5 * 7 + 3
    values[0, thursday * 24 : thursday * 24 + 24] = np.nan
    sundays = values.reshape(-1, 24)[6::7]
    day = date(2025, 1, 6) + timedelta(days=thursday)
    for holidays in ({day}, lambda asked: asked == day, {"": {day}}):
        done = estimate(a_panel(values), [], holidays=holidays, ladder=Ladder(memory_hours=0))
        assert (
            done.panel.values[0, thursday * 24 : thursday * 24 + 24].tolist() == np.rint(sundays.mean(axis=0)).tolist()
        )
        assert methods(done) == {"LIKE_DAY": 24}
    assert methods(estimate(a_panel(values), [])) == {"BLEND": 24}


def test_like_days_follow_the_wall_clock_over_a_change() -> None:
    """A home that uses 700 Wh at 18:00 local time does so before and after the clocks change."""
    start = datetime(2025, 3, 9, 23, tzinfo=UTC)
    panel = Panel(("P",), start, HOUR, np.full((1, 24 * 28 - 1), 100.0))
    calendar = panel.calendar("Europe/Berlin")
    values = panel.values.copy()
    values[0, calendar.minute == 18 * 60] = 700
    whole = values.copy()
    change = calendar.dates == np.datetime64("2025-03-30")
    values[0, change] = np.nan
    values[0, calendar.dates == np.datetime64("2025-04-02")] = np.nan
    done = estimate(
        panel.with_values(values, np.where(np.isnan(values), q.MISSING, q.ACTUAL).astype(np.uint8)),
        [UsagePoint("P", "Europe/Berlin")],
    )
    assert change.sum() == 23
    assert done.panel.values.tolist() == whole.tolist()


def test_a_repeated_hour_is_filled_twice() -> None:
    start = datetime(2025, 9, 29, 22, tzinfo=UTC)
    values = np.tile(np.arange(24.0) + 1, 30)[None]
    panel = Panel(("P",), start, HOUR, values)
    calendar = panel.calendar("Europe/Berlin")
    clock = (calendar.minute // 60 + 1).astype(np.float64)
    change = calendar.dates == np.datetime64("2025-10-26")
    gaps = np.where(change, np.nan, clock)[None]
    done = estimate(Panel(("P",), start, HOUR, gaps), [UsagePoint("P", "Europe/Berlin")])
    assert change.sum() == 25
    assert done.panel.values[0, change].tolist() == clock[change].tolist()


def test_an_outage_counts_zero() -> None:
    values = weeks(2)
    values[0, 30:40] = np.nan
    period = Interval(MONDAY + 30 * HOUR, MONDAY + 38 * HOUR)
    done = estimate(a_panel(values), [], outages={"P0": [period]}, ladder=Ladder(linear_first_hours=2))
    assert done.panel.values[0, 30:38].tolist() == [0] * 8
    assert methods(done) == {"ZERO": 8, "LINEAR": 2}
    line = np.linspace(values[0, 29], values[0, 40], 4)[1:3]
    beyond = np.full(2, values[0, 40])
    # Eight hours of outage are too far to look across, so the line is flat at its other end.
    assert done.panel.values[0, 38:40].tolist() == beyond.tolist() != np.rint(line).tolist()


def test_an_interval_that_an_outage_cuts_keeps_the_share_in_which_there_was_power() -> None:
    values = np.full((1, 336), 600.0)
    values[0, [*range(30, 40), 50, 60, 70]] = np.nan
    minute = timedelta(minutes=1)
    spans = [
        (30 * 60 + 15, 39 * 60 + 40),
        (50 * 60 + 5, 50 * 60 + 15),
        (50 * 60 + 20, 50 * 60 + 30),
        (61 * 60, 70 * 60),
    ]
    outages = {"P0": [Interval(MONDAY + begin * minute, MONDAY + end * minute) for begin, end in spans]}
    made = estimate(a_panel(values), [], outages=outages).panel.values[0]
    assert made[29:41].tolist() == [600, 150, *[0] * 8, 200, 600]
    assert (made[50], made[60], made[70]) == (400, 600, 600)
    reads = [RegisterReading("P0", MONDAY + 24 * HOUR, 0), RegisterReading("P0", MONDAY + 48 * HOUR, 14 * 600 + 70)]
    closed = estimate(a_panel(values), [], registers={"P0": reads}, outages=outages).panel.values[0]
    assert closed[29:41].tolist() == [600, 30, *[0] * 8, 40, 600]


def test_decisions_stay_and_provisional_estimates_only_go_when_asked() -> None:
    values = weeks(2)
    quality = np.full(values.shape, q.ACTUAL, np.uint8)
    quality[0, 50] = q.pack(q.Status.ESTIMATED, Method.LINEAR)
    quality[0, 60] = q.Status.ESTIMATED_FINAL
    quality[0, 70] = q.Status.EDITED
    quality[0, 80] = q.Status.REJECTED
    panel = Panel(("P0",), MONDAY, HOUR, values, quality)
    assert np.flatnonzero(estimate(panel, []).filled).tolist() == [80]
    assert np.flatnonzero(estimate(panel, [], again=True).filled).tolist() == [50, 80]


def test_a_rejected_value_is_no_end_point() -> None:
    values = weeks(2)
    values[0, 50:52] = 1e6
    quality = np.full(values.shape, q.ACTUAL, np.uint8)
    quality[0, 50:52] = q.Status.REJECTED
    line = estimate(Panel(("P0",), MONDAY, HOUR, values, quality), []).panel.values[0, 49:53]
    assert line.max() <= 900


@pytest.mark.parametrize(
    ("cut", "text"),
    [
        (slice(24, 24 + 24), "its own mean on all days"),
        (slice(10, 48), "its own mean on all days"),
    ],
)
def test_profile_says_what_it_did(cut: slice, text: str) -> None:
    values = weeks(1)[:, :48]
    values[0, cut] = np.nan
    done = estimate(a_panel(values, MONDAY + 4 * 24 * HOUR), [])
    assert not done.panel.missing.any()
    assert {finding.code for finding in done.findings} == {"E06_profile"}
    assert any(text in finding.message for finding in done.findings)


def test_the_fleet_lends_its_shape() -> None:
    values = np.tile(np.r_[np.full(12, 100.0), np.full(12, 300.0)], 10)[None].repeat(3, axis=0)
    values[0] *= 2
    values[0, 12:] = np.nan
    done = estimate(a_panel(values), [])
    assert not done.panel.missing.any()
    assert done.panel.values[0, 12:24].tolist() == [600] * 12
    assert any("fleet" in finding.message for finding in done.findings)


def test_without_any_value_the_gap_stays_and_is_told() -> None:
    values = weeks(2, rows=2)
    values[1] = np.nan
    done = estimate(a_panel(values), [])
    assert done.panel.missing[1].all()
    assert [(f.code, f.usage_point, f.severity) for f in done.findings] == [("V10_missing", "P1", Severity.FAIL)]
    reads = [RegisterReading("P1", MONDAY, 0), RegisterReading("P1", MONDAY + 336 * HOUR, 1000)]
    closed = estimate(a_panel(values), [], registers={"P1": reads})
    assert closed.panel.values[1].sum() == 1000
    assert set(np.unique(closed.panel.values[1])) == {2.0, 3.0}


def test_temperatures_are_estimated_too() -> None:
    values = weeks(2) - 500
    values[0, 50:52] = np.nan
    panel = Panel(("P0",), MONDAY, HOUR, values, reading_type=TEMPERATURE)
    assert methods(estimate(panel, [], ladder=Ladder(linear_first_hours=2))) == {"LINEAR": 2}


def test_two_gaps_between_two_reads_share_the_residual() -> None:
    values = weeks(2)
    whole = values.sum()
    values[0, [30, 31, 90]] = np.nan
    reads = [RegisterReading("P0", MONDAY, 5), RegisterReading("P0", MONDAY + 336 * HOUR, 5 + whole)]
    done = estimate(a_panel(values), [], registers={"P0": reads})
    assert done.panel.values.sum() == whole
    assert methods(done) == {"SCALED": 3}


def test_many_rows_come_out_as_one_by_one() -> None:
    """Rows are taken in pieces; where the cuts fall does not show."""
    values = weeks(8, rows=200)
    values[np.random.default_rng(1).random(values.shape) < 0.01] = np.nan
    together = estimate(a_panel(values), []).panel.values
    for row in (0, 99, 199):
        panel = Panel(("P",), MONDAY, HOUR, values[row : row + 1])
        assert estimate(panel, []).panel.values[0].tolist() == together[row].tolist()


def a_year(lost: range, kwh: float = 0.4) -> Panel:
    """A year of hours at one level, some days of it missing."""
    values = np.full((1, 365 * 24), kwh * 1000)
    values[:, lost.start * 24 : lost.stop * 24] = np.nan
    return Panel(("P1",), datetime(2025, 1, 1, tzinfo=UTC), timedelta(hours=1), values)


@pytest.mark.parametrize(
    ("longest", "days", "filled"), [(92, 92, True), (92, 93, False), (10, 10, True), (10, 11, False)]
)
def test_a_longer_silence_than_the_ladder_says_stays_and_is_one_finding(longest: int, days: int, filled: bool) -> None:
    panel = a_year(range(100, 100 + days))
    done = estimate(panel, [UsagePoint("P1", "UTC")], ladder=Ladder(longest_days=longest))
    assert int(done.panel.missing.sum()) == (0 if filled else days * 24)
    words = f"nothing was read for {days} days: a silence of more than {longest} days is not estimated"
    silence = Interval(panel.start + timedelta(days=100), panel.start + timedelta(days=100 + days))
    told = [] if filled else [("V10_silence", silence, Severity.FAIL, words)]
    assert [(each.code, each.period, each.severity, each.message) for each in done.findings] == told


def test_an_outage_whose_end_was_not_heard_of_counts_where_no_energy_flowed_alone() -> None:
    """Off at noon of the first day, its end lost; off and on again on the third: what was measured between stays."""
    values = np.tile(np.arange(100.0, 124.0), 20)[None]
    values[0, [12, 13, 14, 40, 66, 67]] = np.nan
    dark = {"P0": [Interval(MONDAY + 12 * HOUR, MONDAY + 68 * HOUR)]}
    panel = a_panel(values)
    done = estimate(panel, [], outages=dark).panel.values[0]
    assert done[[12, 13, 14, 66, 67]].tolist() == [0.0] * 5
    assert done[40] == 116.0  # a gap of an hour between two readings
    rejected = panel.with_values(
        panel.values, np.where(np.isnan(values), q.MISSING, q.Status.REJECTED).astype(np.uint8)
    )
    assert np.nansum(estimate(rejected, [], outages=dark).panel.values[0, 12:68]) == 0


def test_a_silence_within_an_outage_is_zero_and_registers_do_not_close_a_longer_one() -> None:
    """What a register counted over a silence must not end in the one hour that is missing beside it."""
    panel = a_year(range(100, 200))
    panel.values[0, 50 * 24] = np.nan
    dark = {"P1": [Interval(panel.start + timedelta(days=100), panel.start + timedelta(days=200))]}
    assert np.nansum(estimate(panel, [], outages=dark).panel.values[0, 100 * 24 : 200 * 24]) == 0
    assert not estimate(panel, [], outages=dark).panel.missing.any()
    ends = (panel.start, 0.0), (panel.end, 365 * 24 * 400.0)
    reads = {"P1": [RegisterReading("P1", at, value) for at, value in ends]}
    done = estimate(panel, [UsagePoint("P1", "UTC", capacity_kw=17.0)], registers=reads)
    assert done.panel.values[0, 50 * 24] == 400
    assert int(done.panel.missing.sum()) == 100 * 24
