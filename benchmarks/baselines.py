"""Baselines on real homes: placebo events, of which nobody was told, show by how much each rule is off."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.harness import Row, main, timed
from gridwright.demand_response import BASELINES, BaselineRule, measure
from gridwright.domain.calendar import date_of, day_number, local_to_utc
from gridwright.domain.interval import Interval, epoch_s, local_midnight, zone_of
from gridwright.domain.panel import Panel

SHARED = Path(os.environ.get("GRIDWRIGHT_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
ZONE = "Australia/Sydney"
HALF_HOUR = timedelta(minutes=30)
FIRST, LAST = date(2012, 7, 2), date(2013, 6, 30)
EVENING = (timedelta(hours=16), timedelta(hours=20))
PEAKS, ORDINARY = 20, 40
LOOK_BACK = 50


@dataclass(frozen=True, slots=True)
class Score:
    """Baseline less actual over placebo events: bias and CVRMSE of all homes together, CVRMSE of single homes, in %."""

    bias: float
    cvrmse: float
    home_bias: float
    home_cvrmse: float


def homes(shared: Path = SHARED, least: float = 0.97) -> Panel:
    """Read the half-hourly homes of the Australian trial that lack little in the year looked at."""
    table = pq.read_table(
        shared / "sgsc_australia" / "sgsc_hh.parquet",
        columns=["customer_id", "reading_datetime", "general_supply_kwh"],
    )
    customer = table["customer_id"].to_numpy()
    stamps = pc.cast(table["reading_datetime"], "timestamp[s]").to_numpy().astype(np.int64)
    at, _, _ = local_to_utc(stamps, ZONE)
    start, end = local_midnight(FIRST, zone_of(ZONE)), local_midnight(LAST, zone_of(ZONE))
    slot = (at - epoch_s(start)) // 1800
    slots = Interval(start, end).slots(HALF_HOUR)
    names, row = np.unique(customer, return_inverse=True)
    values = np.full((names.size, slots), np.nan)
    inside = (slot >= 0) & (slot < slots)
    values[row[inside], slot[inside]] = np.rint(table["general_supply_kwh"].to_numpy()[inside] * 1000)
    kept = np.isfinite(values).mean(axis=1) >= least
    return Panel(tuple(f"UP-{name}" for name in names[kept]), start, HALF_HOUR, values[kept])


def evening(day: date) -> Interval:
    """Return the four hours of a placebo event."""
    midnight = local_midnight(day, zone_of(ZONE))
    return Interval(midnight + EVENING[0], midnight + EVENING[1])


def placebo_days(panel: Panel) -> tuple[list[date], list[date]]:
    """Return the working days of highest load in the evening, and ordinary ones drawn by lot."""
    calendar = panel.calendar(ZONE)
    hour = calendar.minute // 60
    wanted = np.flatnonzero((hour >= 16) & (hour < 20) & (calendar.weekday < 5))
    days, index = np.unique(calendar.day[wanted], return_inverse=True)
    load = np.bincount(index, np.nansum(panel.values[:, wanted], axis=0))
    late = np.flatnonzero(days >= day_number(FIRST) + LOOK_BACK)
    days, load = days[late], load[late]
    highest = days[np.argsort(-load)[:PEAKS]]
    ordinary = np.random.default_rng(7).choice(days, ORDINARY, replace=False)
    return [date_of(day) for day in sorted(highest)], [date_of(day) for day in sorted(ordinary)]


def score(panel: Panel, days: Sequence[date], rule: BaselineRule) -> Score:
    """Measure placebo events by a rule."""
    misses, actuals = [], []
    for day in days:
        done = measure(panel, evening(day), rule, zone=ZONE)
        known = np.asarray(np.isfinite(done.base_wh).all(axis=1))
        misses.append(np.where(known[:, None], done.base_wh - done.actual_wh, np.nan))
        actuals.append(np.where(known[:, None], done.actual_wh, np.nan))
    miss, actual = np.stack(misses), np.stack(actuals)
    together, total = np.nansum(miss, axis=1), np.nansum(actual, axis=1)
    per_home = np.sqrt(np.nanmean(miss.sum(axis=2) ** 2, axis=0)) / np.nanmean(actual.sum(axis=2), axis=0)
    home_bias = np.nansum(miss, axis=(0, 2)) / np.nansum(actual, axis=(0, 2))
    return Score(
        100 * float(together.sum() / total.sum()),
        100 * float(np.sqrt((together**2).mean()) / total.mean()),
        100 * float(np.median(home_bias)),
        100 * float(np.median(per_home)),
    )


def fleet(points: int, days: int = 50) -> Panel:
    """Simulate quarter-hours of many usage points."""
    rng = np.random.default_rng(3)
    values = np.rint(rng.gamma(1.5, 90, (points, 96 * days)))
    return Panel(tuple(f"UP-{row}" for row in range(points)), datetime(2025, 1, 6, tzinfo=UTC), HALF_HOUR / 2, values)


def rows(*, quick: bool) -> Iterator[Row]:
    """Measure the speed of an event's measurement, and every rule's miss where the real homes are at hand."""
    points = 500 if quick else 2_000
    panel = fleet(points)
    event = Interval(panel.end - timedelta(hours=7), panel.end - timedelta(hours=3))
    seconds = timed(lambda: measure(panel, event, BASELINES["10-of-10"], zone="UTC"), runs=3).cpu_s
    yield Row("baseline_usage_points_per_s", points / seconds, "points/s", ">= 2000")
    if not (SHARED / "sgsc_australia").is_dir():
        return
    real = homes()
    highest, ordinary = placebo_days(real)
    yield Row("placebo_homes", len(real.points), "homes")
    for name, rule in BASELINES.items():
        for kind, days in (("peak", highest), ("ordinary", ordinary)):
            found = score(real, days, rule)
            yield Row(f"{name}_{kind}_bias", found.bias, "%")
            yield Row(f"{name}_{kind}_cvrmse", found.cvrmse, "%")
            yield Row(f"{name}_{kind}_home_bias", found.home_bias, "%")
            yield Row(f"{name}_{kind}_home_cvrmse", found.home_cvrmse, "%")


if __name__ == "__main__":
    main(rows)
