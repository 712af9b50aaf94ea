"""Laws of every model: ordered quantiles, equal treatment of meters, units that do not matter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright.domain.panel import Panel
from gridwright.forecast import LADDER, Model, Prediction
from gridwright.forecast.history import History, history_of
from gridwright.forecast.quantiles import sample_quantiles, symmetric_offsets

START = datetime(2025, 1, 6, tzinfo=UTC)
DAYS, STEPS = 45, 48
names = pytest.mark.parametrize("model", LADDER, ids=lambda model: model.name)


def values_of(seed: int, points: int = 5) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Draw homes with gaps, an empty one, and one that exports."""
    rng = np.random.default_rng(seed)
    values = np.rint(rng.gamma(0.7, 400, (points, 24 * DAYS)))
    values[rng.random(values.shape) < 0.05] = np.nan
    values[1] = 0
    values[2] -= 500
    return values


def past_of(values: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> History:
    points = tuple(f"UP-{i}" for i in range(len(values)))
    return history_of(Panel(points, START, timedelta(hours=1), values))


def predict(model: Model, values: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> Prediction:
    past = past_of(values)
    return model.fit(past, past.slots, STEPS).predict(past, past.slots, STEPS)


@names
@given(seed=st.integers(0, 10_000))
@settings(max_examples=10)
def test_quantiles_never_cross_and_stay_above_zero_unless_exporting(model: Model, seed: int) -> None:
    prediction = predict(model, values_of(seed))
    assert prediction.served.all()
    assert (np.diff(prediction.quantiles, axis=2) >= 0).all()
    kept = [0, 1, 3, 4]
    assert prediction.quantiles[kept].min() >= 0
    assert prediction.mean[kept].min() >= 0
    assert prediction.quantiles[2].min() < 0


@names
@given(seed=st.integers(0, 10_000), order=st.permutations(range(5)))
@settings(max_examples=8)
def test_the_order_of_meters_does_not_matter(model: Model, seed: int, order: list[int]) -> None:
    values = values_of(seed)
    whole, shuffled = predict(model, values), predict(model, values[order])
    np.testing.assert_allclose(shuffled.quantiles, whole.quantiles[order], rtol=1e-9, atol=1e-9)


@names
def test_a_batch_equals_its_meters_one_by_one(model: Model) -> None:
    values = values_of(3)
    whole = predict(model, values)
    single = [predict(model, values[i : i + 1]) for i in range(len(values))]
    np.testing.assert_allclose(np.concatenate([one.quantiles for one in single]), whole.quantiles, atol=1e-6)
    np.testing.assert_allclose(np.concatenate([one.mean for one in single]), whole.mean, atol=1e-6)


@names
@given(seed=st.integers(0, 10_000))
@settings(max_examples=8)
def test_a_finer_unit_scales_the_forecast(model: Model, seed: int) -> None:
    """Counts of a sixteenth of the size give sixteen times the numbers; a power of two rounds nothing."""
    values = values_of(seed)
    one, sixteen = predict(model, values), predict(model, values * 16)
    np.testing.assert_allclose(sixteen.quantiles, 16 * one.quantiles, rtol=1e-6, atol=1e-3)
    np.testing.assert_allclose(sixteen.mean, 16 * one.mean, rtol=1e-6, atol=1e-3)


@names
def test_an_empty_home_is_forecast_at_zero(model: Model) -> None:
    prediction = predict(model, np.zeros((1, 24 * DAYS)))
    assert prediction.quantiles.max() == 0
    assert prediction.mean.max() == 0


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40), st.integers(0, 5))
def test_sample_quantiles_are_numpys_without_the_gaps(values: list[float], gaps: int) -> None:
    sample = np.array([*values, *[np.nan] * gaps])
    expected = np.quantile(values, [0.1, 0.5, 0.9])
    np.testing.assert_allclose(sample_quantiles(sample, (0.1, 0.5, 0.9)), expected, rtol=1e-9, atol=1e-6)


def test_offsets_of_a_point_forecast_are_symmetric_with_the_point_in_the_middle() -> None:
    offsets = symmetric_offsets(np.array([[3.0, -1.0, np.nan, 2.0, 4.0, -5.0]]))[0]
    assert offsets[4] == 0
    np.testing.assert_allclose(offsets, -offsets[::-1])
    np.testing.assert_allclose(offsets[5:], [1.8, 2.6, 3.4, 4.2])
    assert not symmetric_offsets(np.full((1, 3), np.nan)).any()
