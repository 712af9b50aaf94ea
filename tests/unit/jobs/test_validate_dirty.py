"""What changed is validated again: findings appear, and go when a correction takes their reason away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import VOLTAGE
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.trust_readings import SiteDefaults
from gridwright.jobs.validate_dirty import validate_dirty
from gridwright.store import Store, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUR = timedelta(hours=1)
START = datetime(2025, 3, 3, tzinfo=UTC)
DAYS = 56
NOW = START + timedelta(days=DAYS)
SITE = SiteDefaults()
POINTS = ("UP-1", "UP-2")


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store("sqlite://") as opened:
        opened.registry.save_points(LOCAL_OWNER, [UsagePoint(name, capacity_kw=17.0) for name in POINTS])
        opened.readings.save(LOCAL_OWNER, usual(), known_at=NOW)
        yield opened


def usual() -> Panel:
    hours = np.arange(24 * DAYS)
    wave = 400 + 150 * np.sin(2 * np.pi * hours / 24) + 20 * np.sin(hours * 1.7)
    return Panel(POINTS, START, HOUR, np.rint(np.vstack([wave, wave + 7])))


def one_value(wh: float) -> Panel:
    return Panel(("UP-1",), START + timedelta(days=50, hours=12), HOUR, np.array([[wh]]))


def codes(store: Store) -> set[tuple[str, str]]:
    return {(finding.usage_point, finding.code) for finding in store.findings.load(LOCAL_OWNER)}


def test_clean_readings_leave_no_finding_and_nothing_dirty(store: Store) -> None:
    done = validate_dirty(store, LOCAL_OWNER, SITE, now=NOW)
    assert (done.points, done.new) == (2, 0)
    assert store.dirty.ranges(LOCAL_OWNER) == []


def test_a_correction_takes_its_finding_away(store: Store) -> None:
    right = usual().row("UP-1").values[0, 50 * 24 + 12]
    store.readings.save(LOCAL_OWNER, one_value(-5000.0), known_at=NOW)
    assert validate_dirty(store, LOCAL_OWNER, SITE, now=NOW).new >= 1
    assert any(point == "UP-1" for point, _ in codes(store))
    store.readings.save(LOCAL_OWNER, one_value(right), known_at=NOW + HOUR)
    validate_dirty(store, LOCAL_OWNER, SITE, now=NOW + HOUR)
    assert codes(store) == set()


def test_the_second_run_does_nothing(store: Store) -> None:
    store.readings.save(LOCAL_OWNER, one_value(-5000.0), known_at=NOW)
    validate_dirty(store, LOCAL_OWNER, SITE, now=NOW)
    before = codes(store)
    again = validate_dirty(store, LOCAL_OWNER, SITE, now=NOW)
    assert (again.ranges, again.new) == (0, 0)
    assert codes(store) == before


def test_readings_that_have_no_rule_are_not_dirty_for_ever(store: Store) -> None:
    volts = Panel(("UP-1",), START, HOUR, np.full((1, 24), 2301.0), reading_type=VOLTAGE)
    store.readings.save(LOCAL_OWNER, volts, known_at=NOW)
    validate_dirty(store, LOCAL_OWNER, SITE, now=NOW)
    assert store.dirty.ranges(LOCAL_OWNER) == []


def test_a_silent_point_is_no_failure(store: Store) -> None:
    lonely = Panel(("UP-2",), START + timedelta(days=400), HOUR, np.array([[1.0]]))
    store.readings.save(LOCAL_OWNER, lonely, known_at=NOW)
    done = validate_dirty(store, LOCAL_OWNER, SITE, now=NOW + timedelta(days=500))
    assert done.ranges == 3
