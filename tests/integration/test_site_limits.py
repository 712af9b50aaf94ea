"""What a site's own rules take for the power of a connection that nobody told limits what registers derive (V32)."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import pytest

from gridwright.api.ingest.json import decode_json
from gridwright.api.ingest.meaning import Said
from gridwright.app import Platform
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.formats.source import ReadOptions
from gridwright.jobs.files.ingest_file import ingest_file
from gridwright.jobs.meters.exchange_meter import MeterExchange
from gridwright.jobs.meters.preview_exchange import preview_exchange
from gridwright.settings import load_settings
from gridwright.store import Store
from tests.integration.store.test_rollovers import Place

HOUR = timedelta(hours=1)
START = datetime(2026, 11, 20, tzinfo=UTC)
NOW = START + timedelta(days=3)
RULES = """
version = "1"

[[group]]
name = "homes"
extends = "residential"
customer_class = "residential"
capacity_kw = {kw}
"""
READS = {0: 100.0, 1: 104.0, 2: 124.0, 3: 128.0}  # 4, 20 and 4 kWh in an hour each


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site whose homes carry 15 kW where nobody has told more."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vee.toml").write_text(RULES.format(kw=15))
    (tmp_path / "gridwright.toml").write_text('[vee]\nrules = "vee.toml"\n')
    return tmp_path


def opened() -> Platform:
    return Platform(load_settings(None).settings, clock=lambda: NOW)


def hours(store: Store, name: str) -> list[float | None]:
    period = Interval(START, START + 3 * HOUR)
    values = store.readings.load(ME, name, period, interval=HOUR).values[0].tolist()
    return [None if np.isnan(value) else value / 1000 for value in values]


def post(store: Store, name: str, reads: dict[int, float]) -> None:
    for hour, kwh in reads.items():
        record = {"usage_point": name, "at": (START + hour * HOUR).isoformat(), "register_kwh": kwh}
        Place(store).post(decode_json(msgspec.json.encode([record]), Said(), NOW))


def bring(store: Store, folder: Path, name: str, reads: dict[int, float]) -> None:
    rows = [f"{name},{START + hour * HOUR:%Y-%m-%dT%H:%M:%SZ},{kwh}" for hour, kwh in reads.items()]
    path = folder / f"{name}.csv"
    path.write_text("\n".join(["meter_id,time,meter_reading_kwh", *rows, ""]))
    ingest_file(store, ME, path, ReadOptions(kind="cumulative"), known_at=NOW)


def test_posts_ask_it(folder: Path) -> None:
    platform = opened()
    store = platform.store
    store.registry.save_points(ME, [UsagePoint("A"), UsagePoint("B", capacity_kw=30.0)])
    for name in "AB":
        post(store, name, READS)
    assert (hours(store, "A"), hours(store, "B")) == ([4.0, None, 4.0], [4.0, 20.0, 4.0])
    platform.close()


@pytest.mark.parametrize("known", [True, False])
def test_files_ask_it(folder: Path, *, known: bool) -> None:
    platform = opened()
    if known:
        platform.store.registry.save_points(ME, [UsagePoint("A")])
    bring(platform.store, folder, "A", READS)
    assert hours(platform.store, "A") == [4.0, None, 4.0]
    platform.close()


def test_a_usage_point_that_a_file_brings_has_the_site_s_capacity(folder: Path) -> None:
    (folder / "gridwright.toml").write_text("[site]\ncapacity_kw = 15\n")
    platform = opened()
    rows = [f"A,{START + hour * HOUR:%Y-%m-%dT%H:%M:%SZ},{kwh}" for hour, kwh in READS.items()]
    (folder / "a.csv").write_text("\n".join(["meter_id,time,meter_reading_kwh", *rows, ""]))
    platform.import_file(folder / "a.csv", ReadOptions(kind="cumulative"))
    assert hours(platform.store, "A") == [4.0, None, 4.0]
    platform.close()


def test_without_rules_of_its_own_a_site_has_the_packaged_limit(folder: Path) -> None:
    (folder / "gridwright.toml").unlink()
    platform = opened()
    platform.store.registry.save_points(ME, [UsagePoint("A")])
    post(platform.store, "A", READS)
    assert hours(platform.store, "A") == [4.0, 20.0, 4.0]
    platform.close()


def test_a_file_of_rules_that_breaks_keeps_no_reading_out(folder: Path) -> None:
    platform = opened()
    platform.store.registry.save_points(ME, [UsagePoint(name) for name in "ABC"])
    for name, text, told in (
        ("A", RULES.format(kw=15), [4.0, None, 4.0]),
        ("B", "[[group]", [4.0, None, 4.0]),  # the last rules hold
        ("C", RULES.format(kw=25), [4.0, 20.0, 4.0]),
    ):
        (folder / "vee.toml").write_text(text)
        os.utime(folder / "vee.toml", ns=(ord(name), ord(name)))
        post(platform.store, name, READS)
        assert hours(platform.store, name) == told
    platform.close()


def test_an_exchange_asks_it(folder: Path) -> None:
    platform = opened()
    store = platform.store
    store.registry.save_points(ME, [UsagePoint("A")])
    store.registry.save_meter(ME, Meter("M-1", dials=6, lsb_wh=1000))
    store.registry.save_installation(ME, install("A", "M-1", START - HOUR))
    post(store, "A", {0: 100.0})
    order = MeterExchange("A", Meter("M-2"), START + HOUR, final_kwh=Decimal(120), opening_kwh=Decimal(0))
    assert any("more than 15 kW" in each for each in preview_exchange(store, ME, order, now=NOW).doubts)
    platform.close()
