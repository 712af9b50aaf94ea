from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from gridwright.analytics import (
    Labels,
    analyse,
    base_load_kw,
    duration_curve,
    exceeded,
    fleet_summary,
    heat_map,
    load_profile,
    loads_of,
    peaks,
    quality_ribbon,
)
from gridwright.analytics.profile import column_quantiles
from gridwright.domain.errors import GridMismatch
from gridwright.domain.interval import parse_period, zone_of
from gridwright.domain.panel import Panel
from gridwright.domain.quality import Method, Status, pack
from gridwright.domain.reading_type import POWER, TEMPERATURE

BERLIN = zone_of("Europe/Berlin")


def panel(period: str, kw: float | np.ndarray[tuple[int], np.dtype[np.float64]] = 1.0, minutes: int = 60) -> Panel:
    span = parse_period(period, BERLIN)
    step = timedelta(minutes=minutes)
    return Panel(("UP-1",), span.start, step, np.full((1, span.slots(step)), kw) * 1000 * minutes / 60)


def test_heat_map_has_a_hole_in_spring_and_the_mean_of_two_passes_in_autumn() -> None:
    spring = heat_map(panel("2025-03-30", np.arange(23.0)), BERLIN)
    assert spring.first == date(2025, 3, 30)
    assert np.isnan(spring.kw[0, 2])
    assert spring.kw[0, [1, 3, 23]].tolist() == [1, 2, 22]
    autumn = heat_map(panel("2025-10-26", np.arange(25.0)), BERLIN)
    assert autumn.kw[0, [1, 2, 3, 23]].tolist() == [1, 2.5, 4, 24]


def test_typical_days_tell_weekdays_weekends_and_seasons_apart() -> None:
    days = panel("2025-02-24/2025-03-10")
    calendar = days.calendar(BERLIN)
    kw = np.where(calendar.weekday >= 5, 3.0, 1.0) + calendar.minute / 60
    profile = load_profile(heat_map(days.with_values(kw[None, :] * 1000), BERLIN))
    assert (profile.weekday.days, profile.weekend.days) == (10, 4)
    assert profile.weekday.mean.tolist() == (1 + np.arange(24)).tolist()
    assert profile.weekend.low.tolist() == (3 + np.arange(24)).tolist()
    assert profile.every_day.mean[0] == pytest.approx((10 * 1 + 4 * 3) / 14)
    assert list(profile.seasons) == ["Dec-Feb", "Mar-May"]


def test_quantiles_are_those_of_numpy_with_holes_left_out() -> None:
    values = np.random.default_rng(1).normal(size=(41, 7))
    values[3:20, 2] = np.nan
    values[:, 5] = np.nan
    levels = (0.1, 0.5, 0.9)
    got = column_quantiles(values, levels)
    for column in (0, 1, 2, 3, 4, 6):
        known = values[np.isfinite(values[:, column]), column]
        assert got[:, column] == pytest.approx(np.quantile(known, levels))
    assert np.isnan(got[:, 5]).all()


def test_base_load_ignores_an_outage_and_a_holiday() -> None:
    kw = np.tile(np.r_[np.full(10, 0.2), np.full(14, 2.0)], 15)
    kw[3] = 0.0  # an hour's outage
    kw[24:48] = 0.0  # a dead day
    kw[48:72] = np.nan  # an unknown day
    assert base_load_kw(panel("2025-01-01/2025-01-16", kw), BERLIN)[0] == pytest.approx(0.2)
    assert np.isnan(base_load_kw(panel("2025-01-01", np.nan), BERLIN)[0])


def test_duration_curve_falls_and_tells_how_long() -> None:
    kw = np.r_[np.full(6, 4.0), np.full(12, 1.0), np.full(4, 2.0), np.nan, np.nan]
    curve = duration_curve(panel("2025-01-01", kw))
    assert curve.tolist() == sorted(curve.tolist(), reverse=True)
    assert curve.size == 22
    assert exceeded(curve, [0.0, 0.2, 0.4, 1.0]).tolist() == [4, 4, 2, 1]
    assert np.isnan(exceeded(curve[:0], [0.5])).all()


def test_peaks_are_one_a_day() -> None:
    kw = np.ones(72)
    kw[[5, 6, 30, 60]] = [9, 8, 7, 10]
    found = peaks(panel("2025-01-01/2025-01-04", kw), BERLIN, count=3)
    assert [peak.kw for peak in found] == [10, 9, 7]
    assert found[0].at == datetime(2025, 1, 3, 11, tzinfo=UTC)
    assert peaks(panel("2025-01-01", np.nan), BERLIN) == ()
    assert peaks(panel("2025-01-01").slice(0, 0), BERLIN) == ()


def test_ribbon_counts_each_day_and_lists_what_was_not_measured() -> None:
    data = panel("2025-03-29/2025-03-31")
    quality = data.quality.copy()
    quality[0, 20:30] = pack(Status.ESTIMATED, Method.LIKE_DAY)
    quality[0, 30:31] = Status.REJECTED
    quality[0, 31:33] = Status.MISSING
    quality[0, 40] = Status.EDITED
    ribbon = quality_ribbon(data.with_values(data.values, quality), BERLIN)
    assert ribbon.expected.tolist() == [24, 23]
    assert ribbon.totals == {"measured": 33, "estimated": 10, "edited": 1, "missing": 2, "rejected": 1}
    assert [(run.name, run.slots) for run in ribbon.runs] == [
        ("estimated", 10),
        ("rejected", 1),
        ("missing", 2),
        ("edited", 1),
    ]
    assert ribbon.runs[0].period.start == datetime(2025, 3, 29, 19, tzinfo=UTC)
    assert ribbon.shares["estimated"].tolist() == [4 / 24, 6 / 23]
    assert sum(ribbon.shares.values()).tolist() == pytest.approx([1, 1])  # type: ignore[union-attr]


def test_the_analysis_holds_all_of_it() -> None:
    data = panel("2025-03-01/2025-04-01")
    labels = Labels(("peak", "off-peak"), (np.arange(data.slots) % 2).astype(np.int64))
    found = analyse(data, "Europe/Berlin", received=panel("2025-03-01/2025-04-01", 0.5), labels=labels)
    assert (found.total_kwh, found.known, found.mean_kw, found.peak_kw, found.load_factor) == (743, 1, 1, 1, 1)
    assert (found.base_kw, found.weekday_kwh) == (1, 24)
    assert found.weekend_kwh == pytest.approx((9 * 24 + 23) / 10)
    assert found.labels is not None
    assert found.labels.kwh.sum() == 743
    assert found.received is not None
    assert found.received.total_kwh == 371.5
    assert found.days.kwh.shape[1] == found.heat_map.kw.shape[0] == found.ribbon.expected.size == 31


def test_nothing_known_is_no_crash() -> None:
    found = analyse(panel("2025-03-01/2025-04-01", np.nan), BERLIN)
    assert (found.total_kwh, found.known, found.peaks, found.previous) == (0, 0, (), None)
    assert np.isnan([found.mean_kw, found.peak_kw, found.load_factor, found.base_kw, found.weekday_kwh]).all()
    assert found.ribbon.totals["missing"] == 743
    empty = analyse(panel("2025-03-01").slice(0, 0), BERLIN)
    assert empty.heat_map.kw.shape == (0, 24)


def test_power_is_analysed_as_its_energy_and_temperature_is_refused() -> None:
    energy = panel("2025-03-01/2025-03-03", np.arange(48.0))
    power = Panel(("UP-1",), energy.start, energy.interval, energy.values, reading_type=POWER)
    assert analyse(power, BERLIN).total_kwh == analyse(energy, BERLIN).total_kwh
    with pytest.raises(GridMismatch, match="temperature"):
        analyse(Panel(("UP-1",), energy.start, energy.interval, energy.values, reading_type=TEMPERATURE), BERLIN)


def test_one_usage_point_at_a_time() -> None:
    two = Panel(("UP-1", "UP-2"), datetime(2025, 1, 1, tzinfo=UTC), timedelta(hours=1), np.ones((2, 24)))
    with pytest.raises(GridMismatch, match="one usage point at a time"):
        analyse(two, BERLIN)


def test_the_fleet_says_what_each_says_alone() -> None:
    span = parse_period("2025-03-20/2025-04-05", BERLIN)
    values = np.random.default_rng(3).integers(0, 900, (300, span.slots(timedelta(minutes=15)))).astype(float)
    values[7, 100:400] = np.nan
    fleet = Panel(tuple(f"UP-{i}" for i in range(300)), span.start, timedelta(minutes=15), values)
    summary = fleet_summary(fleet, BERLIN)
    for row in (0, 7, 299):
        alone = analyse(fleet.rows([row]), BERLIN)
        assert summary.total_kwh[row] == alone.total_kwh
        assert summary.base_kw[row] == alone.base_kw
        assert summary.load_factor[row] == alone.load_factor
        assert summary.months.kwh[row].tolist() == alone.months.kwh[0].tolist()
    assert loads_of(fleet).peak_kw.shape == (300,)
