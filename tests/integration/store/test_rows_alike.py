"""Rows that are laid together: of several widths and qualities, in any number of statements, each stays what it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.upkeep.verify_store import verify_store
from gridwright.store import Store
from gridwright.store.days import blocks

START, QUARTER = datetime(2025, 3, 1, tzinfo=UTC), timedelta(minutes=15)
KNOWN = datetime(2025, 4, 1, tzinfo=UTC)


def a_town() -> Panel:
    """Build a day of 60 usage points: whole, with holes, far too large for two bytes, and of mixed qualities."""
    rng = np.random.default_rng(5)
    values = rng.integers(0, 30_000, (60, 96)).astype(np.float64)
    quality = np.full(values.shape, q.RAW, np.uint8)
    values[::3, rng.integers(0, 96, 20)] = np.nan
    values[::7, 40] = 2.0**40
    quality[::4] = q.ACTUAL
    quality[::5, 10:20] = q.pack(q.Status.ESTIMATED, q.Method.LINEAR)
    quality[np.isnan(values)] = q.MISSING
    return Panel(tuple(f"UP{row:02d}" for row in range(60)), START, QUARTER, values, quality)


@pytest.mark.parametrize("size", [1, 1000, 1 << 20])
def test_rows_of_every_kind_stay_what_they_are(store: Store, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(blocks, "JOINED_BYTES", size)
    panel = a_town()
    store.readings.save(ME, panel, known_at=KNOWN, register=True)
    back = store.readings.load(ME, panel.points, panel.period)
    assert np.array_equal(back.values, panel.values, equal_nan=True)
    assert np.array_equal(back.quality, panel.quality)
    assert verify_store(store, ME).ok


def test_usage_points_of_which_nothing_is_known_keep_their_names(store: Store) -> None:
    names = ["plain", "with 'quotes\" and \\", "ünïcode \U0001f600", "2025", "null", "[1]"]
    points = [UsagePoint(name, "Europe/Berlin", capacity_kw=3.5) for name in names]
    assert store.registry.save_points(ME, points) == len(points)
    assert list(store.registry.points(ME, names)) == points
    assert store.readings.load(ME, names, Interval(START, START + QUARTER), interval=QUARTER).points == tuple(names)
