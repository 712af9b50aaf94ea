"""Many usage points together come to what each comes to by itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np

from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.calendar import day_number
from gridwright.domain.day_totals import FIELDS
from gridwright.domain.image import Image
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.store import Store, open_store

START = datetime(2025, 3, 3, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DAYS, EVERY = 90, 61
SITE = SiteDefaults()


def readings(seed: int) -> Panel:
    """Homes with gaps, days of silence, spikes and zeros; every third of them is fed."""
    draw = np.random.default_rng(seed)
    names = tuple(f"UP-{number:02d}" for number in range(EVERY))
    hours = np.arange((DAYS + 2) * 24)
    wave = 400 + 150 * np.sin(2 * np.pi * hours / 24)
    values = np.rint(wave * draw.gamma(30, 1 / 30, (EVERY, hours.size)))
    values[draw.random(values.shape) < 0.003] *= 30
    for row in range(EVERY):
        for gone in (np.nan, np.nan, 0.0):
            begin = draw.integers(0, hours.size)
            values[row, begin : begin + draw.integers(1, 60)] = gone
    return Panel(names, START, HOUR, values)


def fed(days: Panel, batches: Sequence[Sequence[str]]) -> list[object]:
    """Feed all but two days at once and those day by day, the cascade behind each; return what it made."""
    with open_store("sqlite://") as store:
        store.registry.save_points(LOCAL_OWNER, [UsagePoint(name) for name in days.points])
        mine = days.rows(np.arange(0, EVERY, 3))
        for first, last in ((0, DAYS), (DAYS, DAYS + 1), (DAYS + 1, DAYS + 2)):
            part = mine.slice(first * 24, last * 24)
            store.readings.save(LOCAL_OWNER, part, known_at=part.end + HOUR)
            for batch in batches:
                correct(store, LOCAL_OWNER, SITE, now=part.end + HOUR, points=batch)
        return told(store, mine.points)


def told(store: Store, names: Sequence[str]) -> list[object]:
    """Everything that the cascade makes."""
    whole = Panel(tuple(names), START - DAY, HOUR, np.zeros((len(names), (DAYS + 4) * 24)))
    final = store.readings.load(LOCAL_OWNER, names, whole.period, image=Image.FINAL)
    first = day_number(START.date())
    totals = store.day_totals.load(LOCAL_OWNER, names, range(first - 1, first + DAYS + 3))
    findings = [
        (each.usage_point, each.period, each.code, each.severity, each.message)
        for each in store.findings.load(LOCAL_OWNER, names)
    ]
    # In company a usage point's earlier days are looked at once more: what that changes may be queued sooner.
    waiting = sorted({each.usage_point for each in store.rerates.pending(LOCAL_OWNER, limit=10_000)})
    return [final.values, final.quality, *(getattr(totals, name) for name in FIELDS), sorted(findings), waiting]


def test_together_is_one_by_one() -> None:
    days = readings(1)
    names = days.points[::3]
    together, apart = (fed(days, batches) for batches in ([names], [[name] for name in names]))
    assert together[-2]
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_equal(one, other)
