"""`gridwright forecast`: what will be used, and how good such forecasts have been."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridwright.cli.context import platform
from gridwright.cli.options import Json, Site, with_reading, with_site
from gridwright.cli.output import print_json, print_table, say
from gridwright.cli.source import File, Points, rows_of, usable
from gridwright.formats.source import ReadOptions

if TYPE_CHECKING:
    from gridwright.domain.forecast import BacktestResult, Forecast, Scores

app = typer.Typer(help="Forecast consumption, and test how good the forecasts are.", no_args_is_help=True)
Horizon = Annotated[str, typer.Option("--horizon", help="How far ahead: 48h, 2d.")]
SCORE_HEADER = ("usage point", "model", "MASE", "WAPE", "WQL", "80 % coverage")


@app.command(epilog="Example: gridwright forecast run town.csv --usage-point UP-1042 --horizon 48h --json")
@with_site
@with_reading
def run(
    *,
    file: File = None,
    points: Points = None,
    horizon: Horizon = "48h",
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw the first usage point's fan as SVG.")] = None,
    as_json: Json = False,
    reading: ReadOptions,
    site: Site,
) -> None:
    """Forecast from the end of the readings on: median, 10 % and 90 % of each interval."""
    from gridwright.app import PAST_SHOWN, Drawing, duration
    from gridwright.documents.drawing import forecast_svg
    from gridwright.domain.forecast import LEVELS
    from gridwright.domain.interval import Interval
    from gridwright.forecast import serve

    found: list[dict[str, Any]] = []
    for group in usable(platform(), file, points, reading, site):
        forecast = serve(group.trusted, duration(horizon), zone=group.zone)
        rows = rows_of(group, points)
        found += [forecast_json(forecast, row) for row in rows]
        if plot is not None and rows:
            one = group.trusted.rows(rows[:1])
            past = one.between(Interval(one.end - PAST_SHOWN, one.end))
            Drawing(forecast_svg(forecast.row(rows[0]), past, group.zone)).save(plot)
            say(f"Drawn: {plot}")
            plot = None
    if as_json:
        print_json({"forecasts": found, "levels": LEVELS})
        return
    print_table(
        ("usage point", "model", "start", "median kWh", "10 % kWh", "90 % kWh"),
        [
            (f["usage_point"], f["model"], step["start"], *(f"{step[k]:.3f}" for k in ("median", "low", "high")))
            for f in found
            for step in f["steps"]
        ],
    )


def forecast_json(forecast: Forecast, row: int) -> dict[str, Any]:
    """Return one usage point's forecast in kWh an interval."""
    quantiles, mean = forecast.kwh(forecast.quantiles[row]), forecast.kwh(forecast.mean[row])
    return {
        "usage_point": forecast.points[row],
        "model": forecast.models[row],
        "known_until": forecast.known_until,
        "interval_minutes": forecast.interval.total_seconds() / 60,
        "coefficients": {name: float(values[row]) for name, values in forecast.coefficients.items()},
        "notes": list(forecast.notes),
        "steps": [
            {
                "start": (forecast.start + forecast.interval * step).isoformat(),
                "mean": float(mean[step]),
                "median": float(quantiles[step, 4]),
                "low": float(quantiles[step, 0]),
                "high": float(quantiles[step, 8]),
                "quantiles": quantiles[step].tolist(),
            }
            for step in range(forecast.steps)
        ],
    }


@app.command(epilog="Example: gridwright forecast backtest town.csv --horizon 24h --origins 28 --json")
@with_site
@with_reading
def backtest(
    *,
    file: File = None,
    points: Points = None,
    horizon: Horizon = "24h",
    origins: Annotated[int, typer.Option("--origins", min=1, help="Local midnights to forecast from.")] = 28,
    as_json: Json = False,
    reading: ReadOptions,
    site: Site,
) -> None:
    """Forecast the last days again, each from its midnight, and measure how wrong every model was."""
    from gridwright.app import duration
    from gridwright.forecast import backtest_all

    groups = usable(platform(), file, points, reading, site)
    result = backtest_all(
        [group.trusted.rows(rows_of(group, points)) for group in groups],
        zones=[group.zone for group in groups],
        horizon=duration(horizon),
        origins=origins,
        timer=time.perf_counter,
    )
    if as_json:
        print_json(backtest_json(result, horizon))
        return
    for note in result.notes:
        say(note)
    print_table(SCORE_HEADER, score_rows(result))


def backtest_json(result: BacktestResult, horizon: str) -> dict[str, Any]:
    """Return scores per usage point and pooled, of the serving model and of every model, and the seconds spent."""
    return {
        "horizon": horizon,
        "origins": len(result.origins),
        "usage_points": [
            {
                "id": name,
                "model": result.served[row],
                **scores_json(result.per_point[result.served[row]][row]),
                "models": {model: scores_json(several[row]) for model, several in result.per_point.items()},
            }
            for row, name in enumerate(result.points)
        ],
        "pooled": {
            **scores_json(result.pooled_served),
            "models": {model: scores_json(scores) for model, scores in result.pooled.items()},
        },
        "fit_s": sum(result.fit_s.values()),
        "predict_s": sum(result.predict_s.values()),
        "fit_s_by_model": result.fit_s,
        "predict_s_by_model": result.predict_s,
        "notes": list(result.notes),
    }


def scores_json(scores: Scores) -> dict[str, Any]:
    """Return the metrics of forecasting reference 3.12."""
    return {
        "mase": scores.mase,
        "wape": scores.wape,
        "wql": scores.wql,
        "coverage_80": scores.coverage_80,
        "rmsse": scores.rmsse,
        "origins": scores.origins,
        "scored": scores.scored,
    }


def score_rows(result: BacktestResult) -> list[tuple[str, ...]]:
    """Return a line a usage point and model, the served model marked, then the pooled lines."""
    lines = []
    for row, name in enumerate(result.points):
        for model, several in result.per_point.items():
            mark = " *" if model == result.served[row] else ""
            lines.append((name, model + mark, *figures(several[row])))
    lines += [("all", model, *figures(scores)) for model, scores in result.pooled.items()]
    return [*lines, ("all", "as served", *figures(result.pooled_served))]


def figures(scores: Scores) -> tuple[str, ...]:
    """Write the four figures of a line."""
    return tuple(f"{value:.3f}" for value in (scores.mase, scores.wape, scores.wql, scores.coverage_80))
