"""Analytics: the whole analysis of a year, and totals, base load and summary of a fleet."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np

from benchmarks.harness import Row, faster_than, main, timed
from gridwright.analytics import analyse, base_load_kw, by_month, fleet_summary
from gridwright.domain.interval import Interval, local_midnight, zone_of
from gridwright.domain.panel import Panel

ZONE = "Europe/Berlin"
QUARTER = timedelta(minutes=15)


def a_fleet(meters: int, first: date, last: date) -> Panel:
    """Return random readings of many meters."""
    zone = zone_of(ZONE)
    period = Interval(local_midnight(first, zone), local_midnight(last, zone))
    values = np.random.default_rng(7).integers(0, 900, (meters, period.slots(QUARTER))).astype(float)
    return Panel(tuple(f"UP-{i}" for i in range(meters)), period.start, QUARTER, values)


def rows(*, quick: bool) -> Iterator[Row]:
    """Analyse one year of one meter, and a month of many."""
    year = a_fleet(1, date(2024, 4, 1), date(2025, 4, 1))
    one = timed(lambda: analyse(year, ZONE), runs=5)
    yield Row("analysis of a year at 15 min", one.median_s, "s", "<= 0.2")
    meters = 1_000 if quick else 10_000
    month = a_fleet(meters, date(2025, 3, 1), date(2025, 4, 1))
    copy = timed(month.values.copy, runs=3)
    totals = timed(lambda: by_month(month, ZONE), runs=3)
    yield Row(
        "totals of a month",
        month.values.size / totals.best_s,
        "readings/s",
        ">= 5e7",
        faster_than("a plain copy of the values", copy.best_s, totals.best_s),
    )
    base = timed(lambda: base_load_kw(month, ZONE), runs=1 if quick else 2)
    yield Row("base load of a month", month.values.size / base.best_s, "readings/s", ">= 5e6")
    summary = timed(lambda: fleet_summary(month, ZONE), runs=1)
    yield Row("summary of a month, all figures", month.values.size / summary.best_s, "readings/s", ">= 5e6")


if __name__ == "__main__":
    main(rows)
