"""The cascade: a late reading in a fleet becomes the draft of a credit note; a day of a fleet with a year before it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from benchmarks.harness import Row, main
from gridwright.billing import parse_rate_card
from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.day_totals import day_totals
from gridwright.domain.image import Image
from gridwright.domain.panel import Panel, Values, default_quality
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.billing.run_billing import BillOrder, run_billing
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.rerate import Pricing, rerate
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.store import Store, open_store

START = datetime(2025, 3, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
DAYS, YEAR, PER_DAY, RUNS = 31, 400, 96, 9
KNOWN = START + timedelta(days=DAYS + 1)
SITE = SiteDefaults()
CARD = parse_rate_card(
    """
[tariff]
id = "bench"
version = 1
currency = "EUR"
[[charges]]
id = "energy"
price = { rate = 0.30 }
[[taxes]]
code = "vat"
rate = 0.19
""",
    where="benchmarks.cascade",
)
GAP = slice(10 * PER_DAY, 11 * PER_DAY)


def rows(*, quick: bool) -> Iterator[Row]:
    """Build a fleet with a month of quarter-hours, then correct one home again and again."""
    meters = 5_000 if quick else 100_000
    with fleet() as store:
        totals_s = fill(store, meters)
        yield Row(f"day totals of {meters:,} meters, bulk", meters * DAYS / totals_s, "rows/s", ">= 1e5")
        walls, cpus, seen = [], [], 0
        prepare(store, f"UP-{meters // 2:06d}")
        for run in range(RUNS):
            wall, cpu, notes = late_reading(store, f"UP-{meters // 2:06d}", run)
            walls.append(wall)
            cpus.append(cpu)
            seen += notes
        if seen != RUNS:
            raise AssertionError(f"{seen} notes in {RUNS} runs")
        yield Row(f"late reading to draft note, fleet of {meters:,}", max(walls), "s, slowest", "<= 1")
        yield Row("the same, median", float(np.median(walls)), "s")
        yield Row("the same, processor", float(np.median(cpus)), "s")
    yield daily_feed(300 if quick else 1_000)


def daily_feed(meters: int) -> Row:
    """Feed a fleet with a year of history two days, and tell what the cascade over the second one takes."""
    with fleet() as store:
        fill(store, meters, YEAR)
        names = tuple(f"UP-{at:06d}" for at in range(meters))
        changed, cpu = 0, 0.0
        for day in (YEAR, YEAR + 1):
            panel = Panel(names, START + timedelta(days=day), QUARTER, used(np.random.default_rng(day), meters))
            now = panel.end + timedelta(hours=2)
            store.readings.save(LOCAL_OWNER, panel, known_at=now)
            begun, changed = time.process_time(), 0
            while store.dirty.ranges(LOCAL_OWNER, 1):
                changed += correct(store, LOCAL_OWNER, SITE, now=now).days
            cpu = time.process_time() - begun
        if changed != meters:
            raise AssertionError(f"{changed} day totals of {meters} meters")
    name = f"daily feed through the cascade, {meters:,} meters with {YEAR} days of history"
    return Row(name, cpu / meters * 100_000, "s CPU/100k")


@contextmanager
def fleet() -> Iterator[Store]:
    """Open an empty store in a file."""
    with tempfile.TemporaryDirectory(prefix="gridwright-") as folder, open_store(Path(folder) / "fleet.db") as store:
        yield store


def used(draw: np.random.Generator, meters: int) -> Values:
    """Return a day of every meter."""
    shape = 150 + 120 * np.sin(np.linspace(0, 2 * np.pi, PER_DAY)) ** 2
    return np.asarray(np.rint(draw.gamma(9, 1 / 9, (meters, PER_DAY)) * shape))


def fill(store: Store, meters: int, days: int = DAYS) -> float:
    """Save raw and final readings of every meter, and the day totals; return the seconds that the totals took."""
    names = tuple(f"UP-{at:06d}" for at in range(meters))
    store.registry.save_points(LOCAL_OWNER, [UsagePoint(name) for name in names])
    draw, totals_s = np.random.default_rng(4), 0.0
    for day in range(days):
        panel = Panel(names, START + timedelta(days=day), QUARTER, used(draw, meters))
        store.readings.save(LOCAL_OWNER, panel, known_at=KNOWN, settled=True)
        store.readings.save(LOCAL_OWNER, panel, known_at=KNOWN, image=Image.FINAL)
        totals = day_totals(panel, "UTC")
        begun = time.perf_counter()
        store.day_totals.save(LOCAL_OWNER, totals, known_at=KNOWN)
        totals_s += time.perf_counter() - begun
    return totals_s


def prepare(store: Store, name: str) -> None:
    """Bill and issue the month of one home."""
    run = run_billing(store, LOCAL_OWNER, BillOrder([name], "2025-03"), lambda _: CARD, SITE, now=KNOWN)
    for bill in run.bills:
        store.ledger.issue(LOCAL_OWNER, bill.id)


def late_reading(store: Store, name: str, run: int) -> tuple[float, float, int]:
    """Let a day arrive with other values; return the wall and processor seconds to the note, and how many notes."""
    now = KNOWN + timedelta(hours=run + 1)
    there = store.readings.load(LOCAL_OWNER, name, Panel((name,), START, QUARTER, np.zeros((1, DAYS * PER_DAY))).period)
    day = there.slice(GAP.start, GAP.stop)
    values = np.rint(day.values * (0.6 if run % 2 else 1.4) + run)
    late = day.with_values(values, default_quality(values))
    wall, cpu = time.perf_counter(), time.process_time()
    store.readings.save(LOCAL_OWNER, late, known_at=now)
    correct(store, LOCAL_OWNER, SITE, now=now)
    done = rerate(store, LOCAL_OWNER, Pricing(lambda _point, _card: CARD, SITE), now=now)
    return time.perf_counter() - wall, time.process_time() - cpu, len(done.corrections)


if __name__ == "__main__":
    main(rows)
