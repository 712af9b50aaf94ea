"""The same energy under two names of its channel is stored, and billed, once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.formats.registry import writer_named
from gridwright.jobs.files.export_readings import Wanted, plan_export
from gridwright.jobs.files.ingest_file import Imported, ingest_file
from gridwright.store import Store, open_store

NOW = datetime(2025, 6, 1, tzinfo=UTC)
START = datetime(2025, 3, 1, 14, tzinfo=UTC)  # midnight of market time
WEEK = Interval(START, START + timedelta(days=7))
SLOTS = 480
BESIDE = (
    "H-1: readings without a channel stand beside those of channel E1 and channel E2, "
    "and a bill takes one of the two for each interval"
)


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store("sqlite://") as opened:
        yield opened


def stamps(count: int = SLOTS) -> list[str]:
    return [(START + timedelta(minutes=15 * slot)).isoformat() for slot in range(count)]


def plain(path: Path, *points: str) -> Path:
    """Write five days of energy that name no channel."""
    rows = [f"{point},{at},0.{slot % 7 + 1}" for point in points for slot, at in enumerate(stamps())]
    path.write_text("\n".join(["usage_point,start,kwh", *rows]))
    return path


def market(path: Path, *channels: tuple[str, str], value: str = "0.5") -> Path:
    """Write a day of NEM12 for each (NMI, suffix)."""
    blocks = [
        f"200,{point},{suffix},{suffix},{suffix},N1,M1,kWh,15,\n300,20250302,{','.join([value] * 96)},A,,,,\n"
        for point, suffix in channels
    ]
    path.write_text(f"100,NEM12,202504010000,MDP1,RET1\n{''.join(blocks)}900\n")
    return path


def registers(path: Path, *points: str) -> Path:
    rows = [f"{point},{at},{1000 + slot}.5" for point in points for slot, at in enumerate(stamps(96))]
    path.write_text("\n".join(["usage_point,time,register kwh", *rows]))
    return path


def run(store: Store, path: Path) -> Imported:
    return ingest_file(store, LOCAL_OWNER, path, known_at=NOW)


def exported(store: Store, path: Path) -> Path:
    plan = plan_export(store, LOCAL_OWNER, writer_named("nem12"), Wanted())
    path.write_bytes(b"".join(plan.pieces()))
    return path


def series(store: Store, point: str) -> set[str]:
    return {extent.reading_type.channel for extent in store.readings.extents(LOCAL_OWNER, [point])}


def kwh(store: Store, point: str, channel: str = "") -> float:
    kind = replace(DELIVERED_ENERGY, channel=channel)
    return float(store.readings.load(LOCAL_OWNER, point, WEEK, reading_type=kind).total_kwh().sum())


def test_our_own_nem12_comes_home(store: Store, tmp_path: Path) -> None:
    run(store, plain(tmp_path / "h.csv", "H-1", "H-2"))
    before = kwh(store, "H-1")
    again = run(store, exported(store, tmp_path / "out.csv"))
    assert again.new == 0
    assert series(store, "H-1") == {""}
    assert kwh(store, "H-1") == before
    assert not any("joined" in note or "beside" in note for note in again.intake.notes)


def test_what_names_no_channel_joins_the_only_one(store: Store, tmp_path: Path) -> None:
    run(store, market(tmp_path / "m.csv", ("H-1", "E1"), ("H-1", "B1")))
    again = run(store, plain(tmp_path / "h.csv", "H-1", "H-3"))
    assert (series(store, "H-1"), series(store, "H-3")) == ({"E1", "B1"}, {""})
    assert any("H-1: no channel joined the readings of channel E1" in note for note in again.intake.notes)


def test_channels_that_come_together_stay_what_they_are(store: Store, tmp_path: Path) -> None:
    run(store, plain(tmp_path / "h.csv", "H-1"))
    both = run(store, market(tmp_path / "m.csv", ("H-1", "E1"), ("H-1", "E2")))
    assert [note for note in both.intake.notes if "H-1" in note] == [BESIDE]
    assert series(store, "H-1") == {"", "E1", "E2"}


def test_a_dry_run_tells_what_an_import_would(store: Store, tmp_path: Path) -> None:
    run(store, plain(tmp_path / "h.csv", "H-1", "H-2"))
    before = store.readings.load(LOCAL_OWNER, "H-1", WEEK)
    files = [
        market(tmp_path / "one.csv", ("H-1", "E1")),
        market(tmp_path / "two.csv", ("H-2", "E1"), ("H-2", "E2")),
        market(tmp_path / "new.csv", ("H-9", "E1")),
    ]
    for path in files:
        dry = ingest_file(store, LOCAL_OWNER, path, known_at=NOW, dry_run=True)
        assert (series(store, "H-1"), series(store, "H-2")) == ({""}, {""})
        assert [point.id for point in store.registry.points(LOCAL_OWNER)] == ["H-1", "H-2"]
        assert (store.readings.load(LOCAL_OWNER, "H-1", WEEK).values == before.values)[~before.missing].all()
        assert path.name != "one.csv" or "H-1: channel E1 joined the readings of no channel, to count once" in (
            dry.intake.notes
        )
    for path in files:
        dry = ingest_file(store, LOCAL_OWNER, path, known_at=NOW, dry_run=True)
        real = run(store, path)
        assert replace(dry, dry_run=False) == real
        again = ingest_file(store, LOCAL_OWNER, path, known_at=NOW, dry_run=True)
        assert again.already
        assert (again.new, again.changed) == (0, 0)


def test_what_may_be_billed_twice_is_told(store: Store, tmp_path: Path) -> None:
    run(store, market(tmp_path / "m.csv", ("H-1", "E1"), ("H-1", "E2")))
    again = run(store, plain(tmp_path / "h.csv", "H-1"))
    assert series(store, "H-1") == {"", "E1", "E2"}
    assert BESIDE in again.intake.notes


def test_what_was_stored_twice_before_is_told_at_the_next_import(store: Store, tmp_path: Path) -> None:
    run(store, market(tmp_path / "m.csv", ("H-1", "E1")))
    panel = store.readings.load(LOCAL_OWNER, "H-1", WEEK, reading_type=replace(DELIVERED_ENERGY, channel="E1"))
    store.readings.save(LOCAL_OWNER, replace(panel, reading_type=DELIVERED_ENERGY), known_at=NOW)
    again = run(store, market(tmp_path / "n.csv", ("H-1", "E1"), value="0.75"))
    assert BESIDE.replace(" and channel E2", "") in again.intake.notes


def test_registers_come_home_too(store: Store, tmp_path: Path) -> None:
    run(store, registers(tmp_path / "r.csv", "R-1"))
    again = run(store, exported(store, tmp_path / "out.csv"))
    assert again.new == 0
    assert {kind.channel for kind in store.registers.kinds(LOCAL_OWNER, "R-1")} == {""}
    assert series(store, "R-1") == {""}
