"""Status: figures that the database counts, the same as whoever counts what is stored by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from gridwright.api.routes.status import SHOWN, status_of
from gridwright.app import Platform
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.panel import Panel
from gridwright.domain.quarantine import QuarantinedReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.settings import Settings, StoreSettings
from gridwright.store.readings import Readings

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return Platform(Settings(store=StoreSettings(url=str(tmp_path / "status.db"))), clock=lambda: NOW)


def save(platform: Platform, names: tuple[str, ...], last: datetime) -> None:
    """Save a day of hours that ends at `last`."""
    platform.store.registry.save_points(ME, [UsagePoint(name) for name in names])
    panel = Panel(names, last - DAY, HOUR, np.ones((len(names), 24)))
    platform.store.readings.save(ME, panel, known_at=last)


def test_an_empty_store_has_no_newest_reading(platform: Platform) -> None:
    told = status_of(platform)
    assert (told.readings, told.newest_reading, told.lag_s, told.late, told.late_total) == (0, None, None, [], 0)


def test_who_is_late_is_listed_longest_first_and_counted_beyond_the_list(platform: Platform) -> None:
    slow = tuple(f"slow-{at:03}" for at in range(SHOWN + 1))
    save(platform, ("fresh",), NOW)
    save(platform, slow, NOW - timedelta(days=3))
    save(platform, ("gone",), NOW - timedelta(days=9))
    told = status_of(platform)
    assert (told.usage_points, told.readings) == (SHOWN + 3, 24 * (SHOWN + 3))
    assert (told.newest_reading, told.lag_s) == (NOW, 0.0)
    assert [each.usage_point for each in told.late] == ["gone", *slow[: SHOWN - 1]]
    assert [each.age_s for each in told.late[:2]] == [9 * 86400.0, 3 * 86400.0]
    assert told.late_total == SHOWN + 2
    # Noon of one day to noon of the next are two UTC days in one stretch.
    assert told.dirty_ranges == SHOWN + 3


def test_the_figures_are_counted_by_the_database(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row for each usage point would be made, joined and thrown away: 60 ms for ten thousand of them."""
    monkeypatch.delattr(Readings, "freshness")
    save(platform, ("fresh",), NOW)
    assert status_of(platform).readings == 24


def test_figures_that_are_counted_no_further_are_named(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridwright.api.routes.status.COUNTED", 2)
    for count, more in ((2, []), (3, ["quarantined_meters"])):
        platform.store.quarantine.save(ME, [QuarantinedReading(f"M-{count}", NOW, 1.0)], received=NOW)
        platform.store.quarantine.save(ME, [QuarantinedReading("M-9", NOW, 1.0)], received=NOW)
        told = status_of(platform)
        assert (told.quarantined_meters, told.more) == (2, more)
