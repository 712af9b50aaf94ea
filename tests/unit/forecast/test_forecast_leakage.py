"""The leakage rules of the forecasting reference, 3.11: nothing after the issue may touch a forecast."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.panel import Panel
from gridwright.forecast import LADDER, Model, backtest, serve
from gridwright.forecast.history import history_of
from gridwright.forecast.rolling import rolling

HOUR = timedelta(hours=1)
START = datetime(2025, 1, 6, tzinfo=UTC)


def a_panel(days: int = 70, points: int = 3, *, gaps: float = 0.03, seed: int = 1) -> Panel:
    rng = np.random.default_rng(seed)
    at = np.arange(24 * days)
    shape = 300 + 200 * np.sin(2 * np.pi * at / 24) + 80 * (at // 24 % 7 >= 5)
    values = np.rint(shape * rng.gamma(4, 0.25, (points, at.size)))
    values[rng.random(values.shape) < gaps] = np.nan
    return Panel(tuple(f"UP-{i}" for i in range(points)), START, HOUR, values)


def poisoned(panel: Panel, slot: int) -> Panel:
    values = panel.values.copy()
    values[:, slot:] = 1e9
    return panel.with_values(values, np.where(np.arange(panel.slots) < slot, panel.quality, np.uint8(q.RAW)))


@pytest.mark.parametrize("model", LADDER, ids=lambda model: model.name)
@pytest.mark.parametrize("gap", [0, 1, 2, 30])
def test_what_comes_after_the_issue_changes_no_bit(model: Model, gap: int) -> None:
    issue = 24 * 60 + 5
    panel = a_panel()
    panel.values[:, issue - gap : issue + 1] = np.nan
    panel = Panel(panel.points, START, HOUR, panel.values)
    both = [history_of(panel), history_of(poisoned(panel, issue))]
    clean, dirty = (model.fit(past, issue, 48).predict(past, issue, 48) for past in both)
    assert clean.served.all()
    np.testing.assert_array_equal(clean.quantiles, dirty.quantiles)
    np.testing.assert_array_equal(clean.mean, dirty.mean)


def test_a_served_forecast_knows_nothing_later_than_known_until() -> None:
    panel, known = a_panel(), START + timedelta(days=63, hours=18)
    start = known + timedelta(hours=6)
    one, two = (
        serve(data, 48 * HOUR, zone="UTC", known_until=known, start=start)
        for data in (panel, poisoned(panel, 63 * 24 + 18))
    )
    np.testing.assert_array_equal(one.quantiles, two.quantiles)
    assert one.models == two.models
    assert (one.known_until, one.start, one.steps) == (known, start, 48)


def test_a_head_end_delay_moves_knowledge_before_the_origin() -> None:
    """A jump in the last six hours before each origin is seen without delay and not seen with it."""
    panel = a_panel(gaps=0)
    quiet = panel.values.copy()
    hours = np.arange(panel.slots) % 24 >= 18
    quiet[:, hours & (np.arange(panel.slots) >= 24 * 40)] = 0
    quieter = panel.with_values(quiet)
    first = history_of(panel), history_of(quieter)
    model = LADDER[-1]
    issue = 24 * 40 + 18
    seen = [model.fit(past, issue, 30).predict(past, issue, 30).after(6).mean for past in first]
    np.testing.assert_array_equal(seen[0], seen[1])
    on_time, late = (backtest(panel, horizon=24 * HOUR, zone="UTC", delay=delay) for delay in (0 * HOUR, 6 * HOUR))
    assert on_time.pooled["ar"].mase != late.pooled["ar"].mase
    assert on_time.origins == late.origins


def test_no_training_target_reaches_the_first_origin() -> None:
    """The model is frozen at the first origin: later readings move its inputs and never its coefficients."""
    panel, issue = a_panel(), 24 * 56
    fits = [LADDER[-1].fit(history_of(data), issue, 48) for data in (panel, poisoned(panel, issue))]
    for name, values in fits[0].coefficients.items():
        np.testing.assert_array_equal(values, fits[1].coefficients[name])


def test_estimates_are_neither_learnt_from_nor_scored() -> None:
    panel = a_panel(gaps=0)
    estimated = np.zeros(panel.values.shape, np.bool_)
    estimated[:, 100:110] = estimated[:, -30:-20] = True
    quality = np.where(estimated, np.uint8(q.pack(q.Status.ESTIMATED, q.Method.LIKE_DAY)), panel.quality)
    absurd = np.where(estimated, 1e9, panel.values)
    one, two = (
        backtest(panel.with_values(values, quality), horizon=24 * HOUR, zone="UTC") for values in (panel.values, absurd)
    )
    assert one.pooled == two.pooled
    assert one.pooled["ar"].scored == 28 * 24 * 3 - 10 * 3


def test_a_validated_estimate_is_learnt_from_but_not_scored() -> None:
    panel = a_panel(gaps=0)
    quality = panel.quality.copy()
    quality[:, -10:] = q.pack(q.Status.ESTIMATED_FINAL)
    final = panel.with_values(panel.values, quality)
    assert np.isfinite(history_of(final).trusted).all()
    assert backtest(final, horizon=24 * HOUR, zone="UTC").pooled["ar"].scored == 28 * 24 * 3 - 10 * 3


def test_each_forecast_of_a_rolling_series_knows_only_its_own_past() -> None:
    panel = a_panel()
    issued = rolling(panel, zone="UTC", horizon=24 * HOUR, days=5)
    assert [forecast.start for forecast in issued] == [START + timedelta(days=day) for day in range(65, 70)]
    for forecast in issued:
        slot = (forecast.start - START) // HOUR
        again = rolling(poisoned(panel, slot), zone="UTC", horizon=24 * HOUR, days=5)
        same = next(one for one in again if one.start == forecast.start)
        np.testing.assert_array_equal(same.quantiles, forecast.quantiles)
        assert same.models == forecast.models


def switching(days: int = 100) -> Panel:
    """One point whose weeks repeat until day 70, and whose days repeat from then on."""
    at = np.arange(24 * days)
    weekly, daily = (
        np.tile(np.random.default_rng(3).integers(0, 900, 168), days)[: at.size],
        400.0 + 300 * (at % 24 > 17),
    )
    return Panel(("UP-1",), START, HOUR, np.where(at < 24 * 70, weekly, daily)[None, :].astype(float))


def test_the_rung_is_chosen_before_the_days_it_is_scored_on() -> None:
    panel = a_panel(days=100)
    first = 24 * (100 - 28)
    clean = backtest(panel, horizon=24 * HOUR, zone="UTC")
    dirty = backtest(poisoned(panel, first), horizon=24 * HOUR, zone="UTC")
    assert clean.origins[0] == START + timedelta(days=72)
    assert clean.served == dirty.served
    # What would have won on the scored days themselves is not what was chosen on the weeks before them.
    honest = backtest(switching(), horizon=24 * HOUR, zone="UTC")
    best = min(honest.pooled, key=lambda model: honest.pooled[model].wql)
    assert honest.served[0] != best
    assert honest.pooled_served == honest.pooled[honest.served[0]]


@pytest.mark.parametrize("model", LADDER, ids=lambda model: model.name)
def test_scale_bins_and_weights_come_from_training_rows_alone(model: Model) -> None:
    panel, issue = a_panel(), 24 * 56
    clean, dirty = (model.fit(history_of(data), issue, 48) for data in (panel, poisoned(panel, issue)))
    for name, value in clean.coefficients.items():
        np.testing.assert_array_equal(value, dirty.coefficients[name])
    # Predicting from one and the same past shows every learnt number, not only those that have names.
    past = history_of(panel)
    np.testing.assert_array_equal(clean.predict(past, issue, 48).quantiles, dirty.predict(past, issue, 48).quantiles)
