"""Outlooks are issued beside what they rest on: forecasts, plans of batteries, the fleet's load."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gridwright.billing import example_card
from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.month import parse_month
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.outlook.refresh_outlooks import battery_of, refresh_outlooks
from gridwright.jobs.upkeep.archive_months import archive_months
from gridwright.store import Store, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUR = timedelta(hours=1)
START = datetime(2025, 3, 3, tzinfo=UTC)
DAYS = 42
NOW = START + timedelta(days=DAYS, hours=10)
BATTERY = {"battery_kwh": "8", "battery_kw": "4"}
SILENT = "UP-3"


@pytest.fixture
def store() -> Iterator[Store]:
    points = [UsagePoint("UP-1"), UsagePoint("UP-2", attributes=BATTERY), UsagePoint(SILENT)]
    hours = np.arange(24 * DAYS + 10)
    wave = np.rint(400 + 150 * np.sin(2 * np.pi * hours / 24) + 20 * np.sin(hours * 1.7))
    with open_store("sqlite://") as opened:
        opened.registry.save_points(LOCAL_OWNER, points)
        opened.readings.save(LOCAL_OWNER, Panel(("UP-1", "UP-2"), START, HOUR, np.vstack([wave, wave])), known_at=NOW)
        yield opened


def refresh(store: Store) -> tuple[int, int]:
    done = refresh_outlooks(store, LOCAL_OWNER, lambda _: example_card(), SiteDefaults(), now=NOW)
    return done.forecasts, done.plans


def test_forecasts_go_on_from_the_last_reading(store: Store) -> None:
    assert refresh(store) == (2, 1)
    found = store.outlooks.latest(LOCAL_OWNER, "forecast", "UP-1")
    assert found is not None
    assert found.body["start"] == NOW.isoformat()
    assert len(found.body["mean_kw"]) == 48
    assert all(low <= high for low, high in zip(found.body["lower_kw"], found.body["upper_kw"], strict=True))
    assert store.outlooks.latest(LOCAL_OWNER, "forecast", SILENT) is None


def test_a_plan_keeps_the_energy_of_the_battery(store: Store) -> None:
    refresh(store)
    found = store.outlooks.latest(LOCAL_OWNER, "plan", "UP-2")
    assert found is not None
    charge, discharge = np.array(found.body["charge_kw"]), np.array(found.body["discharge_kw"])
    moved = np.cumsum(charge * 0.95 - discharge / 0.95)
    assert np.allclose(np.array(found.body["stored_kwh"]), 4 + moved, atol=1e-2)


def test_outages_and_voltages_are_issued_without_a_network_too(store: Store) -> None:
    refresh(store)
    found = store.outlooks.latest(LOCAL_OWNER, "grid-events", "")
    assert found is not None
    assert (found.body["outages_total"], found.body["voltage"]["weeks_total"]) == (0, 0)


def test_the_fleet_is_the_sum_of_its_points_beside_the_midnight_forecast(store: Store) -> None:
    refresh(store)
    found = store.outlooks.latest(LOCAL_OWNER, "fleet", "")
    assert found is not None
    load, forecast = found.body["load_kw"], found.body["forecast_kw"]
    midnight = 24
    wave = np.rint(400 + 150 * np.sin(2 * np.pi * np.arange(24 * DAYS + 10) / 24) + 20 * np.sin(np.arange(1018) * 1.7))
    assert np.allclose(load[: midnight + 10], 2 * wave[-34:] / 1000, atol=1e-4)
    assert load[midnight + 10 :] == [None] * 38
    assert forecast[:midnight] == [None] * midnight
    assert None not in forecast[midnight:]


def test_history_that_is_archived_is_learned_from_and_a_lost_month_is_noted(store: Store, tmp_path: Path) -> None:
    def bodies() -> list[Any]:
        refresh(store)
        found = [store.outlooks.latest(LOCAL_OWNER, kind, "UP-2") for kind in ("forecast", "plan")]
        return [each.body for each in found if each is not None]

    here = bodies()
    store.dirty.clear(LOCAL_OWNER, store.dirty.ranges(LOCAL_OWNER))
    april = parse_month("2025-04")
    assert archive_months(store, LOCAL_OWNER, str(tmp_path / "away"), before=april, drop_before=april).dropped
    assert bodies() == here
    (tmp_path / "away").rename(tmp_path / "elsewhere")
    done = refresh_outlooks(store, LOCAL_OWNER, lambda _: example_card(), SiteDefaults(), now=NOW)
    assert done.forecasts == 2
    assert any("made without an archived month" in note and "2025-03" in note for note in done.notes)


def test_an_empty_store_is_no_failure() -> None:
    with open_store("sqlite://") as empty:
        assert refresh(empty) == (0, 0)


@pytest.mark.parametrize(
    "attributes",
    [{}, {"battery_kwh": "8"}, {"battery_kwh": "x", "battery_kw": "4"}, {"battery_kwh": "0", "battery_kw": "4"}],
)
def test_no_battery_without_both_figures(attributes: dict[str, str]) -> None:
    assert battery_of(attributes) is None
