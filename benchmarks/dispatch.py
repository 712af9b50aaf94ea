"""Dispatch: one site's plan, a week, a month in hindsight, a fleet of sites, and the battery what-if of a report."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np

from benchmarks.harness import Row, faster_than, main, timed
from gridwright.dispatch import HOME_BATTERY, battery_what_if, plan_site
from gridwright.dispatch.linear_program import Exclusive, build
from gridwright.dispatch.plan import stored_bounds
from gridwright.dispatch.site import Ends, Floats, Site, short_price
from gridwright.domain.panel import Panel
from gridwright.domain.plan import Battery
from gridwright.domain.rate import PriceTerms

START = datetime(2025, 3, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
DAY = 96
BATTERY = Battery(13.5, 5.0, 5.0, 0.95, 0.95)


def a_site(days: int, seed: int = 1) -> tuple[Floats, Floats, PriceTerms]:
    """Return load, PV and time-of-use prices of a home."""
    hour = (np.arange(days * DAY) / 4) % 24
    rng = np.random.default_rng(seed)
    load = 0.3 + rng.gamma(1.0, 0.5, hour.size) * (1 + (hour >= 17))
    pv = np.maximum(0.0, np.sin((hour - 6) / 12 * np.pi)) * 4 * rng.uniform(0.5, 1, hour.size)
    buy = np.where((hour >= 17) & (hour < 21), 0.45, np.where(hour < 6, 0.18, 0.30))
    return load, pv, PriceTerms(START, QUARTER, buy, np.full(hour.size, 0.08), "EUR")


def bare_build(load: Floats, pv: Floats, terms: PriceTerms) -> object:
    """Build the arrays alone, without the solver."""
    ends = Ends(0.0, 0.0, short_price(terms.buy, BATTERY))
    none = np.full(load.size, np.inf)
    site = Site(0.25, load, pv, terms.buy, terms.sell, none, none, BATTERY, ends)
    return build(site, Exclusive(), stored_bounds(site))


def plans(runs: int) -> Iterator[Row]:
    """Plan one site over growing horizons."""
    for days, goal in ((1, "<= 20"), (7, "<= 150"), (28, "")):
        load, pv, terms = a_site(days)
        taken = timed(lambda load=load, pv=pv, terms=terms: plan_site(load, terms, BATTERY, pv_kw=pv), runs=runs)  # type: ignore[misc]
        build_s = timed(lambda load=load, pv=pv, terms=terms: bare_build(load, pv, terms), runs=runs)  # type: ignore[misc]
        yield Row(f"site plan, {days} d x 15 min", taken.median_s * 1e3, "ms", goal)
        yield Row(f"  of it building the arrays, {days} d", build_s.median_s * 1e3, "ms")


def fleet(sites: int) -> Row:
    """Plan many independent sites, one after the other, on one core."""
    cases = [a_site(1, seed) for seed in range(sites)]
    taken = timed(lambda: [plan_site(load, terms, BATTERY, pv_kw=pv) for load, pv, terms in cases], runs=1)
    return Row("sites planned a second, 24 h x 15 min, one core", sites / taken.wall[0], "sites/s", ">= 80")


def what_if() -> Iterator[Row]:
    """Play 28 days again on a forecast and in hindsight, as the report does."""
    load, _, terms = a_site(36)
    panel = Panel(("UP-1",), START, QUARTER, np.rint(load * 250)[None, :])

    def ahead(moment: datetime) -> Floats:
        first = (moment - START) // QUARTER
        known: Floats = panel.kw[0, first - 7 * DAY : first].reshape(7, DAY).mean(axis=0)
        return known

    whole = timed(lambda: battery_what_if(panel, ahead, terms, "UTC", HOME_BATTERY), runs=3)
    found = battery_what_if(panel, ahead, terms, "UTC", HOME_BATTERY)
    hindsight = timed(lambda: plan_site(load[-28 * DAY :], a_site(28)[2], HOME_BATTERY), runs=3)
    yield Row(
        "battery what-if, 28 days",
        whole.median_s,
        "s",
        "<= 2",
        faster_than("hindsight alone", hindsight.median_s, whole.median_s),
    )
    yield Row("share of the saving with hindsight", found.share_of_perfect, "share")


def rows(*, quick: bool) -> Iterator[Row]:
    """Plan sites of a day, a week and a month, a fleet, and a report's what-if."""
    yield from plans(5 if quick else 21)
    yield fleet(50 if quick else 500)
    yield from what_if()


if __name__ == "__main__":
    main(rows)
