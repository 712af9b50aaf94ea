"""Forecasting: how fast every point of a fleet is fitted and forecast, and how much better than seasonal naive."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.harness import Peer, Row, main, timed
from gridwright.domain.panel import Panel
from gridwright.forecast import HIST_QUANTILE_28D, LEAST_SQUARES, Model, backtest, serve
from gridwright.forecast.history import history_of
from gridwright.forecast.origins import blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

START = datetime(2025, 1, 6, tzinfo=UTC)
DATA = Path(os.environ.get("GRIDWRIGHT_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")


def homes(points: int, days: int, interval: timedelta) -> Panel:
    """Draw homes with a daily rhythm and skewed noise, in watt-hours, 1 % of the values missing."""
    rng = np.random.default_rng(7)
    per_day = timedelta(days=1) // interval
    at = np.arange(days * per_day)
    rhythm = 500 + 300 * np.sin(2 * np.pi * at / per_day) + 60 * np.sin(2 * np.pi * at / (7 * per_day))
    values = np.rint(rhythm * rng.gamma(2, 0.5, (points, at.size)))
    values[rng.random(values.shape) < 0.01] = np.nan
    return Panel(tuple(f"UP-{i}" for i in range(points)), START, interval, values)


def fit_and_predict(model: Model, panel: Panel, steps: int) -> None:
    """Fit on all of the past and forecast, block after block, from readings to quantiles."""
    for block in blocks(panel, "UTC"):
        past = history_of(block.panel)
        model.fit(past, past.slots, steps).predict(past, past.slots, steps)


def london(until: datetime) -> Panel:
    """Load the 64 London homes with less than 1 % of gaps, half-hourly, up to `until`."""
    from pyarrow import parquet

    table = parquet.read_table(DATA / "lcl_london" / "lcl_hh_2013.parquet")
    names, home = np.unique(table["LCLid"].to_numpy(zero_copy_only=False).astype(str), return_inverse=True)
    first = datetime(2013, 1, 1, tzinfo=UTC)
    slot = (table["tstp"].to_numpy().astype("datetime64[s]") - np.datetime64("2013-01-01", "s")).astype(
        np.int64
    ) // 1800
    values = np.full((names.size, 304 * 48), np.nan)
    values[home, slot] = np.rint(1000 * table["kwh"].to_numpy().astype(np.float64))
    kept = np.flatnonzero(np.isnan(values).mean(axis=1) < 0.01)
    whole = Panel(tuple(names[kept].tolist()), first, timedelta(minutes=30), values[kept])
    return whole.slice(0, (until - first) // whole.interval)


def accuracy() -> Iterator[Row]:
    """Score the London homes day-ahead from 28 midnights, 3 to 30 September 2013."""
    result = backtest(london(datetime(2013, 10, 1, tzinfo=UTC)), horizon=timedelta(days=1), zone="UTC")
    naive = result.pooled["seasonal_naive_24"]
    for name in ("hist_quantile_28d", "ar"):
        mine = result.pooled[name]
        ratio = naive.mase / mine.mase
        peer = Peer("seasonal naive 24 h", naive.mase, ratio)
        yield Row(f"lcl_{name}_mase", mine.mase, "MASE", "<= 0.72", peer)
        yield Row(
            f"lcl_{name}_wql", mine.wql, "WQL", "<= 0.375", Peer("seasonal naive 24 h", naive.wql, naive.wql / mine.wql)
        )


def rows(*, quick: bool) -> Iterator[Row]:
    """Measure a fleet of hourly meters over 8 weeks, one 15-min meter over a year, and real homes' accuracy."""
    fleet = homes(2_000 if quick else 10_000, 56, timedelta(hours=1))
    share = 10_000 / len(fleet.points)
    for model, goal in ((LEAST_SQUARES, "<= 10"), (HIST_QUANTILE_28D, "<= 5")):
        timing = timed(partial(fit_and_predict, model, fleet, 48), runs=1 if quick else 2)
        yield Row(f"{model.name}_10k_fit_predict_s", timing.cpu_s * share, "CPU s", goal)
    meter, two_days = homes(1, 365, timedelta(minutes=15)), timedelta(days=2)
    tested = timed(lambda: backtest(meter, horizon=two_days, zone="Europe/Berlin", timer=time.perf_counter))
    yield Row("backtest_one_year_15min_s", tested.best_s, "s", "<= 1")
    served = timed(lambda: serve(meter, two_days, zone="Europe/Berlin"))
    yield Row("serve_one_year_15min_s", served.best_s, "s", "<= 1")
    if DATA.is_dir():
        yield from accuracy()


if __name__ == "__main__":
    main(rows)
