"""What comes next: the fan, how good such forecasts have been, and the linear model's coefficients."""

from __future__ import annotations

import math
import re
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from gridwright.documents.charts.chart import Chart
from gridwright.documents.charts.fan import fan_chart
from gridwright.documents.charts.scale import fixed, number
from gridwright.documents.report_data import Accuracy, PointResult
from gridwright.documents.report_text import counted, local, share
from gridwright.documents.report_views import ForecastView, Rows
from gridwright.domain import quality as q
from gridwright.domain.forecast import Forecast, Scores

Values = npt.NDArray[np.float64]
PAST = timedelta(hours=72)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
BASELINE = "seasonal_naive_24"
NAMES = {
    "seasonal_naive_24": "the same as a day ago",
    "seasonal_naive_168": "the same as a week ago",
    "hist_quantile_28d": "the last 28 days, by time of day",
    "ar": "linear model, least squares",
}
SHORT = {
    "seasonal_naive_24": "a day ago",
    "seasonal_naive_168": "a week ago",
    "hist_quantile_28d": "28 days",
    "ar": "linear",
}
FIXED_TERMS = {"last_value": "last known value", "last_day_mean": "mean of the last known day", "intercept": "b"}
EMPTY = "There is no forecast for this usage point: bring at least one day of readings, better eight weeks."


def forecast_view(result: PointResult) -> ForecastView:
    """Show the forecast of one usage point, and its record."""
    forecast, accuracy = result.forecast, result.accuracy
    fan = _fan(result, forecast) if forecast is not None else None
    notes = forecast.notes if forecast is not None else ()
    return ForecastView(
        fan=fan,
        facts=_facts(result, forecast) if forecast is not None else (),
        scores_text=_scores_text(accuracy) if accuracy is not None else "",
        scores=_scores(accuracy) if accuracy is not None else None,
        coefficients=_coefficients(forecast) if forecast is not None else None,
        notes=tuple(dict.fromkeys((*notes, *(accuracy.notes if accuracy is not None else ())))),
        empty="" if fan is not None else EMPTY,
    )


def day_ahead_kwh(forecast: Forecast | None) -> float | None:
    """Return the energy expected in the first 24 hours; None without a forecast that reaches so far."""
    if forecast is None or forecast.interval * forecast.steps < DAY:
        return None
    ahead = float(forecast.kwh(forecast.mean[0, : DAY // forecast.interval]).sum())
    return ahead if math.isfinite(ahead) else None


def model_name(model: str) -> str:
    """Return a model's name in words; one we do not know keeps its own."""
    return NAMES.get(model, model)


def short_name(model: str) -> str:
    """Return a model's name for a narrow column."""
    return SHORT.get(model, model)


def _facts(result: PointResult, forecast: Forecast) -> tuple[str, ...]:
    zone = result.usage_point.tz
    text = f"Made by the model “{model_name(forecast.models[0])}” from what was known at {_at(result, forecast)}."
    ahead = day_ahead_kwh(forecast)
    if ahead is None:
        return (text,)
    return (text, f"From {local(forecast.start, zone)} on, 24 hours are expected to use {number(ahead)} kWh.")


def _at(result: PointResult, forecast: Forecast) -> str:
    return local(forecast.known_until, result.usage_point.tz)


def _fan(result: PointResult, forecast: Forecast) -> Chart | None:
    quantiles = forecast.kw(forecast.quantiles[0])
    if not np.isfinite(quantiles).any():
        return None
    measured, estimated = _past_kw(result, forecast)
    return fan_chart(
        forecast.start, forecast.interval, measured, quantiles, result.usage_point.tz, estimated_kw=estimated
    )


def _past_kw(result: PointResult, forecast: Forecast) -> tuple[Values, Values]:
    """Return measured and estimated power up to the start of the forecast, NaN where it is the other or unknown."""
    panel, slots = result.trusted, PAST // result.trusted.interval
    end = (forecast.start - panel.start) // panel.interval
    at = np.arange(end - slots, end)
    inside = (at >= 0) & (at < panel.slots)
    past, is_measured = np.full(slots, np.nan), np.zeros(slots, np.bool_)
    past[inside] = panel.kw[0, at[inside]]
    is_measured[inside] = q.has_status(panel.quality[0, at[inside]], (*q.MEASURED, q.Status.EDITED, q.Status.DERIVED))
    return np.where(is_measured, past, np.nan), np.where(is_measured, np.nan, past)


def _scores_text(accuracy: Accuracy) -> str:
    own = accuracy.own
    if own is None or not math.isfinite(own.mase):
        return "The readings are too few to tell how good such forecasts are."
    hours = round(accuracy.horizon / HOUR)
    text = (
        f"Forecast again for {hours} hours from each of the last {counted(accuracy.origins, 'midnight')}, the model "
        f"in use was {_against(own, accuracy.by_model.get(BASELINE), accuracy.served)}"
    )
    covered = f"; {share(own.coverage_80, 1)} of the values fell into its 80% range" if own.coverage_80 >= 0 else ""
    return f"{text}{covered}."


def _against(own: Scores, baseline: Scores | None, served: str) -> str:
    if baseline is None or not baseline.mase > 0:
        return f"off by {own.mase:.2f} times the error of repeating yesterday (MASE)"
    if served == BASELINE:
        return f"that repetition itself (MASE {own.mase:.2f})"
    better = 1 - own.mase / baseline.mase
    figures = f"MASE {own.mase:.2f} against {baseline.mase:.2f}"
    if abs(better) < 0.005:  # noqa: PLR2004 - less than half a percent
        return f"as good as repeating yesterday ({figures})"
    return f"{abs(better):.0%} {'better' if better > 0 else 'worse'} than repeating yesterday ({figures})"


def _scores(accuracy: Accuracy) -> Rows | None:
    rows = tuple(
        (
            _titled(model, accuracy.served),
            *(fixed(value, 3) for value in (scores.mase, scores.wape, scores.wql)),
            share(scores.coverage_80, 1),
        )
        for model, scores in accuracy.by_model.items()
        if math.isfinite(scores.mase)
    )
    note = "MASE: mean absolute error over that of repeating yesterday within the history; below 1 is better than it. "
    note += (
        "WAPE: absolute error over energy. Weighted quantile loss: the whole fan's error over energy; lower is better."
    )
    header = ("model", "MASE", "WAPE", "weighted quantile loss", "in the 80% range")
    return Rows(header, rows, numbers=True, note=note) if rows else None


def _titled(model: str, served: str) -> str:
    name = f"{NAMES[model]} ({model})" if model in NAMES else model
    return f"{name}, in use" if model == served else name


def _coefficients(forecast: Forecast) -> Rows | None:
    rows = tuple(
        (term_name(name), _coefficient(forecast, name, float(values[0])))
        for name, values in forecast.coefficients.items()
        if math.isfinite(values[0])
    )
    return Rows(("x", "coefficient"), rows, numbers=True) if rows else None


def _coefficient(forecast: Forecast, name: str, value: float) -> str:
    if not name.endswith("intercept"):
        return f"{value:+.4f}"
    return f"{float(forecast.kwh(np.array(value))):+.4f} kWh"


def term_name(name: str) -> str:
    """Write a coefficient's name in words, such as `day_2_lag_3d`: the same time of day, 3 days before."""
    prefix = re.match(r"day_(\d+)_", name)
    term = name[prefix.end() :] if prefix else name
    lag = re.fullmatch(r"lag_(\d+)d", term)
    words = f"same time, {counted(int(lag[1]), 'day')} before" if lag else FIXED_TERMS.get(term, term)
    return f"day {prefix[1]} ahead: {words}" if prefix else words
