"""A day that register reads alone told makes way for readings on another grid; one that was measured never does."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import GridMismatch
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.upkeep.verify_store import verify_store
from gridwright.store import Store
from tests.integration.store.test_rollovers import DAY, HOUR, NOW, START

QUARTER = HOUR / 4
WHOLE = Interval(START, START + DAY)
LATER = NOW + DAY


@pytest.fixture
def told(store: Store) -> Store:
    """Two usage points with a day of hours that their registers told."""
    store.registry.save_points(ME, [UsagePoint(name, capacity_kw=100.0) for name in "AB"])
    quality = np.full((2, 24), q.OF_REGISTER, np.uint8)
    store.readings.save(ME, Panel(("A", "B"), START, HOUR, np.full((2, 24), 400.0), quality), known_at=NOW)
    return store


def quarters(name: str, wh: float = 90.0, count: int = 96) -> Panel:
    return Panel((name,), START, QUARTER, np.full((1, count), wh))


def lengths(store: Store) -> dict[tuple[str, timedelta], int]:
    return {(name, each.interval): each.readings for name in "AB" for each in store.readings.series(ME, name)}


def test_a_measured_profile_takes_the_place_of_the_day(told: Store) -> None:
    correct(told, ME, SiteDefaults(), now=NOW)
    done = told.readings.save(ME, quarters("A"), known_at=LATER)
    assert (done.new, done.changed) == (96, 0)
    assert lengths(told) == {("A", QUARTER): 96, ("B", HOUR): 24}
    correct(told, ME, SiteDefaults(), now=LATER)
    final = told.readings.load(ME, "A", WHOLE, image=Image.FINAL)
    assert (final.interval, float(final.total_kwh()[0])) == (QUARTER, 8.64)
    before = told.readings.load(ME, "A", WHOLE, as_of=NOW)
    assert (before.interval, float(before.total_kwh()[0])) == (HOUR, 9.6)
    assert [each.first for each in verify_store(told, ME).checks if not each.ok] == []


def test_where_anything_was_measured_the_day_stays(told: Store) -> None:
    told.readings.save(ME, Panel(("A",), START, HOUR, np.array([[500.0]])), known_at=NOW)
    with pytest.raises(GridMismatch):
        told.readings.save(ME, quarters("A"), known_at=LATER)
    assert lengths(told) == {("A", HOUR): 24, ("B", HOUR): 24}


def test_other_days_of_the_series_stay(told: Store) -> None:
    """Of two days one makes way: its readings are counted no more, the others are."""
    quality = np.full((1, 24), q.OF_REGISTER, np.uint8)
    told.readings.save(ME, Panel(("A",), START + DAY, HOUR, np.full((1, 24), 400.0), quality), known_at=NOW)
    told.readings.save(ME, quarters("A"), known_at=LATER)
    assert lengths(told) == {("A", HOUR): 24, ("A", QUARTER): 96, ("B", HOUR): 24}
