"""The ladder, the served forecast and the backtest: who serves, what is said about it, and what is refused."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from gridwright.domain.errors import GridMismatch, InputError, TooLittleData, UsageError
from gridwright.domain.panel import Panel
from gridwright.forecast import HIST_QUANTILE_28D, LADDER, LEAST_SQUARES, SEASONAL_NAIVE_24, backtest, serve
from gridwright.forecast.history import history_of

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
START = datetime(2025, 2, 3, tzinfo=UTC)


def a_panel(days: float, points: int = 1, *, interval: timedelta = HOUR, seed: int = 5) -> Panel:
    rng = np.random.default_rng(seed)
    per_day = DAY // interval
    at = np.arange(int(days * per_day))
    shape = 400 + 300 * np.sin(2 * np.pi * at / per_day)
    values = np.rint(shape * rng.gamma(5, 0.2, (points, at.size)))
    return Panel(tuple(f"UP-{i}" for i in range(points)), START, interval, values)


@pytest.mark.parametrize(
    ("days", "model"),
    [(1, "seasonal_naive_24"), (2.5, "seasonal_naive_24"), (3, "hist_quantile_28d"), (8, "hist_quantile_28d")],
)
def test_a_short_history_is_served_by_a_lower_rung_that_says_why(days: float, model: str) -> None:
    forecast = serve(a_panel(days), 48 * HOUR, zone="UTC")
    assert forecast.models == (model,)
    assert np.isfinite(forecast.quantiles).all()
    notes = " | ".join(forecast.notes)
    assert f"{model} serves 1 of 1" in notes
    assert "fewer than 7 scored days" in notes


def test_the_missing_rung_says_what_it_needs() -> None:
    notes = serve(a_panel(20), 48 * HOUR, zone="UTC").notes
    assert any("ar needs 28 days of history" in note and "UP-0" in note for note in notes)


@pytest.mark.parametrize("days", [0, 0.5])
def test_less_than_a_day_is_too_little(days: float) -> None:
    with pytest.raises(TooLittleData, match="24 h of history"):
        serve(a_panel(days), 24 * HOUR, zone="UTC")


def test_the_good_points_are_kept_when_one_is_silent() -> None:
    panel = a_panel(60, 3)
    panel.values[1] = np.nan
    panel = Panel(panel.points, START, HOUR, panel.values)
    forecast = serve(panel, 48 * HOUR, zone="UTC")
    assert forecast.models[1] == "none"
    assert np.isnan(forecast.mean[1]).all()
    assert np.isfinite(forecast.quantiles[[0, 2]]).all()
    assert any("no forecast" in note and "UP-1" in note for note in forecast.notes)


def test_a_point_with_a_fifth_missing_is_served_below_least_squares() -> None:
    panel = a_panel(80, 2)
    panel.values[1, -24 * 7 :] = np.nan
    panel = Panel(panel.points, START, HOUR, panel.values)
    forecast = serve(panel, 48 * HOUR, zone="UTC", models=(SEASONAL_NAIVE_24, LEAST_SQUARES))
    assert forecast.models == ("ar", "seasonal_naive_24")
    assert np.isnan(forecast.coefficients["lag_1d"][1])


def test_coefficients_explain_the_forecast() -> None:
    """The mission's y = Σ aₖxₖ + b, recomputed from what is shown."""
    panel = a_panel(80)
    forecast = serve(panel, 24 * HOUR, zone="UTC", models=(SEASONAL_NAIVE_24, LEAST_SQUARES))
    days = panel.values[0, -7 * 24 :].reshape(7, 24)[::-1]
    a = {name: value[0] for name, value in forecast.coefficients.items()}
    y = sum(a[f"lag_{k + 1}d"] * days[k] for k in range(7)) + a["intercept"]
    y += a["last_value"] * days[0, -1] + a["last_day_mean"] * days[0].mean()
    np.testing.assert_allclose(forecast.mean[0], np.maximum(y, 0), rtol=1e-9)
    assert len(a) == 10


def test_least_squares_finds_a_known_law() -> None:
    """Values that are exactly 0.6 of yesterday + 0.3 of a week ago + 40 are continued exactly."""
    values = np.random.default_rng(2).uniform(100, 900, (1, 24 * 90))
    for day in range(7, 90):
        now = slice(24 * day, 24 * day + 24)
        values[:, now] = 0.6 * values[:, now.start - 24 : now.start] + 0.3 * values[:, now.start - 168 :][:, :24] + 40
    values += np.random.default_rng(3).normal(0, 1, values.shape)
    past = history_of(Panel(("UP",), START, HOUR, values[:, : 24 * 40]))
    mean = LEAST_SQUARES.fit(past, 24 * 40, 24).predict(past, 24 * 40, 24).mean
    np.testing.assert_allclose(mean, values[:, 24 * 40 : 24 * 41], rtol=0.03)


def test_no_point_is_served_worse_than_the_rung_below_on_the_scored_window() -> None:
    result = backtest(a_panel(90, 6), horizon=24 * HOUR, zone="UTC")
    for row, name in enumerate(result.served):
        losses = {model.name: result.per_point[model.name][row].wql for model in LADDER}
        below = list(losses)[: list(losses).index(name)]
        assert all(losses[name] <= 0.99 * losses[lower] for lower in below)
        assert not any(losses[model.name] < 0.99 * losses[name] for model in LADDER)


def test_a_backtest_has_an_origin_a_day_at_local_midnight() -> None:
    """Across the change to summer time on 2025-03-30 the origins move from 23:00 to 22:00 UTC."""
    result = backtest(a_panel(70), horizon=48 * HOUR, zone="Europe/Berlin")
    hours = [origin.hour for origin in result.origins]
    assert len(result.origins) == 28
    assert hours == sorted(hours, reverse=True)
    assert set(hours) == {22, 23}
    assert result.origins[-1] == datetime(2025, 4, 11, 22, tzinfo=UTC)


def test_seasonal_lags_are_24_elapsed_hours_on_the_day_clocks_change() -> None:
    """The origin is the midnight after the 23-hour day; step 0 repeats the value of 24 h before, 23:00 on the wall."""
    panel = a_panel(60)
    issue = (datetime(2025, 3, 30, 22, tzinfo=UTC) - START) // HOUR
    past = history_of(panel)
    mean = SEASONAL_NAIVE_24.fit(past, issue, 24).predict(past, issue, 24).mean
    np.testing.assert_array_equal(mean[0], panel.values[0, issue - 24 : issue])


def test_each_point_has_its_own_zone() -> None:
    panel = a_panel(70, 3)
    zones = ["Europe/Berlin", "America/New_York", "Europe/Berlin"]
    mixed = backtest(panel, horizon=24 * HOUR, zone=zones)
    for row, zone in enumerate(zones):
        alone = backtest(panel.rows([row]), horizon=24 * HOUR, zone=zone)
        assert mixed.per_point["hist_quantile_28d"][row] == alone.per_point["hist_quantile_28d"][0]
    assert serve(panel, 24 * HOUR, zone=zones).points == panel.points


def test_fewer_origins_than_wanted_are_said() -> None:
    result = backtest(a_panel(12), horizon=24 * HOUR, zone="UTC")
    assert len(result.origins) == 11
    assert any("11 origins instead of 28" in note for note in result.notes)


def test_flat_meters_are_counted_and_not_divided_by() -> None:
    panel = a_panel(60, 2)
    panel.values[1] = 0
    result = backtest(panel, horizon=24 * HOUR, zone="UTC")
    scores = result.per_point["ar"][1]
    assert np.isnan(scores.mase)
    assert scores.scored == 28 * 24
    assert np.isfinite(result.pooled["ar"].mase)
    assert any("flat" in note and "UP-1" in note for note in result.notes)


def test_a_clock_handed_in_tells_the_seconds() -> None:
    ticks: Iterator[int] = itertools.count()
    result = backtest(a_panel(60), horizon=24 * HOUR, zone="UTC", timer=lambda: float(next(ticks)))
    assert result.fit_s["ar"] == 1
    assert result.predict_s["ar"] == 28
    assert set(backtest(a_panel(60), horizon=24 * HOUR, zone="UTC").fit_s.values()) == {0.0}


@pytest.mark.parametrize("minutes", [5, 15, 30, 60, 24 * 60])
def test_any_interval_that_divides_a_day_is_forecast(minutes: int) -> None:
    forecast = serve(a_panel(40, interval=timedelta(minutes=minutes)), 2 * DAY, zone="UTC")
    assert forecast.mean.shape == (1, 2 * 24 * 60 // minutes)
    assert np.isfinite(forecast.quantiles).all()


def test_an_interval_that_does_not_divide_a_day_is_refused() -> None:
    with pytest.raises(GridMismatch, match="420 s"):
        serve(a_panel(5, interval=timedelta(minutes=7)), timedelta(minutes=70), zone="UTC")


@pytest.mark.parametrize("horizon", [timedelta(0), -HOUR, timedelta(minutes=90)])
def test_a_horizon_off_the_grid_is_refused(horizon: timedelta) -> None:
    with pytest.raises(UsageError, match="horizon"):
        backtest(a_panel(40), horizon=horizon, zone="UTC")


def test_what_cannot_be_asked_is_refused() -> None:
    panel = a_panel(40)
    with pytest.raises(UsageError, match="zones"):
        serve(panel, DAY, zone=["UTC", "UTC"])
    with pytest.raises(UsageError, match="is none"):
        serve(panel, DAY, zone="UTC", known_until=START + 20 * DAY, start=START + 19 * DAY)
    with pytest.raises(InputError, match="no time zone"):
        serve(panel, DAY, zone="UTC", known_until=datetime(2025, 3, 1))  # noqa: DTZ001 - the bad input
    with pytest.raises(InputError, match="Mars"):
        serve(panel, DAY, zone="Mars/Phobos")
    with pytest.raises(UsageError, match="needs a model"):
        backtest(panel, horizon=DAY, zone="UTC", models=())
    with pytest.raises(TooLittleData, match="midnight"):
        backtest(a_panel(1.5), horizon=DAY, zone="UTC")
    with pytest.raises(TooLittleData, match="no reading"):
        serve(panel, DAY, zone="UTC", known_until=START)
    with pytest.raises(TooLittleData, match="no usage point"):
        serve(panel.rows([]), DAY, zone="UTC")


def test_short_gaps_are_filled_by_a_line_and_long_ones_by_the_day_or_week_before() -> None:
    panel = a_panel(20)
    values = panel.values.copy()
    at = 24 * 15 + 10
    values[0, at : at + 2] = np.nan
    values[0, at + 24 : at + 29] = np.nan
    values[0, at + 26] = np.nan
    values[0, 26] = np.nan
    values[0, at + 48 : at + 60] = np.nan
    filled = history_of(panel.with_values(values, np.empty(0, np.uint8))).filled[0]
    left, right = values[0, at - 1], values[0, at + 2]
    np.testing.assert_allclose(filled[at : at + 2], [left + (right - left) / 3, left + 2 * (right - left) / 3])
    np.testing.assert_array_equal(filled[at + 24 : at + 29], filled[at : at + 5])
    np.testing.assert_array_equal(filled[at + 48 : at + 60], filled[at + 24 : at + 36])


@pytest.fixture
def london(shared_data: Path) -> Panel:
    """The 64 homes with less than 1 % of gaps, half-hourly, stamped in GMT."""
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(shared_data / "lcl_london" / "lcl_hh_2013.parquet")
    names, home = np.unique(table["LCLid"].to_numpy(zero_copy_only=False).astype(str), return_inverse=True)
    first = np.datetime64("2013-01-01", "s")
    slot = (table["tstp"].to_numpy().astype("datetime64[s]") - first).astype(np.int64) // 1800
    values = np.full((names.size, 304 * 48), np.nan)
    values[home, slot] = np.rint(1000 * table["kwh"].to_numpy().astype(np.float64))
    kept = np.flatnonzero(np.isnan(values).mean(axis=1) < 0.01)
    points = tuple(names[kept].tolist())
    return Panel(points, datetime(2013, 1, 1, tzinfo=UTC), timedelta(minutes=30), values[kept])


def test_london_homes_score_as_the_reference_measured(london: Panel) -> None:
    """Window 3 to 30 September 2013, day ahead: naive MASE .910, historic quantiles .705 with WQL .3722."""
    until_october = london.slice(0, 273 * 48)
    result = backtest(until_october, horizon=DAY, zone="UTC")
    assert len(london.points) == 64
    assert result.pooled["seasonal_naive_24"].mase == pytest.approx(0.910, rel=0.01)
    assert result.pooled["hist_quantile_28d"].mase == pytest.approx(0.705, rel=0.01)
    assert result.pooled["hist_quantile_28d"].wql == pytest.approx(0.3722, rel=0.01)
    assert result.pooled["ar"].wql < 0.98 * result.pooled["hist_quantile_28d"].wql


def test_wql_of_nothing_used_is_nan() -> None:
    panel = a_panel(40)
    panel.values[:] = 0
    result = backtest(panel, horizon=DAY, zone="UTC", models=[HIST_QUANTILE_28D])
    assert np.isnan(result.pooled["hist_quantile_28d"].wql)
    assert result.served == ("hist_quantile_28d",)
