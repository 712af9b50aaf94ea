"""A day is judged by the year before it, though only some weeks of its readings are loaded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.calendar import day_number
from gridwright.domain.day_totals import DayTotals
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.jobs.cascade import make_final
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.load.load_history import history_of, load_history, looked_back
from gridwright.store import open_store
from gridwright.vee import packaged

START = datetime(2025, 3, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def days_of(first: int, number: int) -> Panel:
    hours = np.arange(first * 24, (first + number) * 24)
    wave = 400 + 150 * np.sin(2 * np.pi * hours / 24) + 20 * np.sin(hours * 1.7)
    return Panel(("UP-1",), START + DAY * first, HOUR, np.rint(wave)[None])


@pytest.mark.parametrize(("remembers", "found"), [(True, {"V18_spike"}), (False, set())])
def test_a_spike_of_today_is_told_from_the_stored_days(
    remembers: bool, found: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not remembers:
        monkeypatch.setattr(make_final, "load_history", lambda *_, **__: {})
    with open_store("sqlite://") as store:
        store.registry.save_points(LOCAL_OWNER, [UsagePoint("UP-1")])
        store.readings.save(LOCAL_OWNER, days_of(0, 120), known_at=START + DAY * 120)
        correct(store, LOCAL_OWNER, SiteDefaults(), now=START + DAY * 120)
        today = days_of(120, 1)
        today.values[0, 9] = 3_000
        store.readings.save(LOCAL_OWNER, today, known_at=START + DAY * 121)
        correct(store, LOCAL_OWNER, SiteDefaults(), now=START + DAY * 121)
        assert {finding.code for finding in store.findings.load(LOCAL_OWNER)} == found
        past = load_history(store, LOCAL_OWNER, ["UP-1"], START + DAY * 120, [DELIVERED_ENERGY])[DELIVERED_ENERGY]
        assert np.isfinite(past.peak).sum() == 121


def test_what_was_estimated_or_lost_is_told() -> None:
    totals = DayTotals(
        ("P",),
        20_000,
        total=np.array([[0, 5, 7, 0]]),
        peak=np.array([[0, 2, 3, 0]]),
        peak_slot=np.array([[-1, 3, 4, -1]]),
        intervals=np.array([[0, 24, 24, 24]]),
        measured=np.array([[0, 20, 20, 0]]),
        estimated=np.array([[0, 4, 0, 0]]),
        edited=np.zeros((1, 4), np.int64),
    )
    past = history_of(totals)
    assert np.isnan(past.total[0]).tolist() == [True, False, True, True]
    assert np.isnan(past.peak[0]).tolist() == [True, False, False, True]
    assert past.estimated[0].tolist() == [0, 4, 4, 24]


@pytest.mark.parametrize("homes", [1, 12])
def test_a_year_in_outline_says_what_the_whole_of_it_says(homes: int) -> None:
    """Totals and peaks of the year; how intervals came about as far as rules look, or a meter was silent all along."""
    draw = np.random.default_rng(homes)
    names = tuple(f"UP-{number}" for number in range(homes))
    estimated, edited = draw.integers(0, 3, (2, homes, 400)) * draw.integers(0, 2, (homes, 400))
    missing = 24 * (draw.random((homes, 400)) < 0.1)
    intervals = np.where(draw.random((homes, 400)) < 0.1, 0, 24)
    estimated[0], intervals[0] = 2, 24
    total = draw.integers(24, 999, (homes, 400))
    measured = np.maximum(intervals - estimated - edited - missing, 0)
    last = day_number(START.date())
    totals = DayTotals(names, last - 400, total, total // 9, total * 0, intervals, measured, estimated, edited)
    with open_store("sqlite://") as store:
        store.registry.save_points(LOCAL_OWNER, [UsagePoint(name) for name in names])
        store.day_totals.save(LOCAL_OWNER, totals, known_at=START)
        found = load_history(store, LOCAL_OWNER, names, START, [DELIVERED_ENERGY])[DELIVERED_ENERGY]
        days = range(found.first_day, found.first_day + found.days)
        whole = history_of(store.day_totals.load(LOCAL_OWNER, names, days))
    near = looked_back(packaged())
    assert 28 < near < found.days == 367
    np.testing.assert_array_equal(found.total, whole.total)
    np.testing.assert_array_equal(found.peak, whole.peak)
    silent = whole.estimated[:, -near] > 0
    assert silent.any()
    assert silent.all() == (homes == 1)
    for part in ("intervals", "estimated"):
        np.testing.assert_array_equal(getattr(found, part)[:, -near:], getattr(whole, part)[:, -near:])
        np.testing.assert_array_equal(getattr(found, part)[silent], getattr(whole, part)[silent])


def test_a_transformers_factor_belongs_to_the_register_and_not_to_the_intervals() -> None:
    """Behind a transformer of 40 a register counts a fortieth: both agree, and nothing is rejected."""
    with open_store("sqlite://") as store:
        store.registry.save_points(LOCAL_OWNER, [UsagePoint("UP-1", customer_class="commercial")])
        store.registry.save_meter(LOCAL_OWNER, Meter("M1"))
        store.registry.save_installation(LOCAL_OWNER, install("UP-1", "M1", START - DAY, Decimal(40)))
        panel = days_of(0, 10).with_values(days_of(0, 10).values * 40)
        counted = np.concatenate([[0.0], np.cumsum(panel.values[0])])[::24] // 40
        reads = [RegisterReading("UP-1", START + DAY * day, float(value), "M1") for day, value in enumerate(counted)]
        store.registers.save(LOCAL_OWNER, reads, known_at=START + DAY * 10)
        store.readings.save(LOCAL_OWNER, panel, known_at=START + DAY * 10)
        correct(store, LOCAL_OWNER, SiteDefaults(), now=START + DAY * 10)
        assert "V30_sum" not in {finding.code for finding in store.findings.load(LOCAL_OWNER)}
