"""What is stored goes out in every format and comes back the same; what a format cannot hold is said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.errors import NotFound
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import (
    DELIVERED_ENERGY,
    POWER,
    RECEIVED_ENERGY,
    Accumulation,
    Flow,
    Quantity,
    ReadingType,
    reading_type,
)
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.formats.registry import writer_named
from gridwright.formats.source import ReadOptions
from gridwright.jobs.files import export_readings
from gridwright.jobs.files.export_readings import Export, Wanted, plan_export
from gridwright.jobs.files.ingest_file import ingest_file
from gridwright.store import Store, open_store

NOW = datetime(2025, 6, 1, tzinfo=UTC)
START = datetime(2025, 3, 29, 23, tzinfo=UTC)
WEEK = Interval(START, START + timedelta(days=7))
HOMES = tuple(f"H{number}" for number in range(7))


def a_panel(seed: int, kind: ReadingType = DELIVERED_ENERGY) -> Panel:
    random = np.random.default_rng(seed)
    values = random.integers(0, 3000, (len(HOMES), 7 * 96)).astype(float)
    values[random.random(values.shape) < 0.02] = np.nan
    quality = np.where(np.isnan(values), np.uint8(q.MISSING), np.uint8(q.ACTUAL)).astype(np.uint8)
    return Panel(HOMES, START, timedelta(minutes=15), values, quality, kind)


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store("sqlite://") as opened:
        opened.registry.save_points(LOCAL_OWNER, [UsagePoint(home, "Europe/Berlin") for home in HOMES])
        opened.registry.save_points(LOCAL_OWNER, [UsagePoint("H9", "Europe/Berlin")])
        for seed, kind in enumerate((DELIVERED_ENERGY, RECEIVED_ENERGY)):
            opened.readings.save(LOCAL_OWNER, a_panel(seed, kind), known_at=NOW)
        reads = [
            RegisterReading("H0", START + timedelta(days=day), 1000.0 * day, reading_type=DELIVERED_ENERGY.register())
            for day in range(3)
        ]
        opened.registers.save(LOCAL_OWNER, reads, known_at=NOW)
        yield opened


def exported(store: Store, name: str, wanted: Wanted | None = None) -> tuple[bytes, Export]:
    plan = plan_export(store, LOCAL_OWNER, writer_named(name), wanted or Wanted())
    return b"".join(plan.pieces()), plan


@pytest.mark.parametrize("name", ["nem12", "csv", "wide-csv", "parquet", "cmep", "mscons"])
def test_another_store_that_reads_the_export_holds_the_same(
    store: Store, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_readings, "CELLS", 3 * 7 * 96)  # three usage points at a time
    data, plan = exported(store, name)
    assert plan.readings == sum(int((~a_panel(seed).missing).sum()) for seed in (0, 1))
    path = tmp_path / f"export{writer_named(name).suffix}"
    path.write_bytes(data)
    with open_store("sqlite://") as other:
        options = ReadOptions(zone="Europe/Berlin") if name == "wide-csv" else ReadOptions()
        done = ingest_file(other, LOCAL_OWNER, path, options, known_at=NOW)
        assert done.intake.rejected == 0
        for seed, kind in ((0, DELIVERED_ENERGY), (1, RECEIVED_ENERGY)):
            back = other.readings.load(LOCAL_OWNER, list(HOMES), WEEK, reading_type=kind)
            np.testing.assert_array_equal(back.values, a_panel(seed).values)
            np.testing.assert_array_equal(back.quality, a_panel(seed).quality)
        kinds = other.registers.kinds(LOCAL_OWNER, "H0")
        assert plan.registers == (0 if name == "wide-csv" else 3)
        assert len(kinds) == (0 if name == "wide-csv" else 1)


def test_rows_for_each_quality_of_a_wide_file_contradict_nobody(store: Store, tmp_path: Path) -> None:
    qualities = np.where(np.arange(7 * 96) % 3, np.uint8(q.ACTUAL), np.uint8(q.Status.ESTIMATED)).astype(np.uint8)
    values = np.arange(7.0 * 96)[None]
    panel = Panel(("H0",), START, timedelta(minutes=15), values, qualities[None])
    with open_store("sqlite://") as mixed:
        mixed.registry.save_points(LOCAL_OWNER, [UsagePoint("H0", "Europe/Berlin")])
        mixed.readings.save(LOCAL_OWNER, panel, known_at=NOW)
        path = tmp_path / "wide.csv"
        path.write_bytes(exported(mixed, "wide-csv")[0])
    with open_store("sqlite://") as other:
        done = ingest_file(other, LOCAL_OWNER, path, ReadOptions(zone="Europe/Berlin"), known_at=NOW)
        assert (done.new, done.intake.conflicting, done.findings) == (7 * 96, 0, 0)
        back = other.readings.load(LOCAL_OWNER, "H0", panel.period)
        assert np.array_equal(back.values, values)
        assert np.array_equal(back.quality, panel.quality)


def test_points_period_and_type_narrow_an_export(store: Store) -> None:
    day = Interval(START, START + timedelta(days=1))
    wanted = Wanted(points=("H3",), period=day, kinds=(RECEIVED_ENERGY.code,), interval=timedelta(minutes=15))
    data, plan = exported(store, "csv", wanted)
    lines = data.decode().splitlines()[1:]
    assert len(lines) == plan.readings == int((~a_panel(1).missing[3, :96]).sum())
    assert all(line.startswith("H3,electricity/received/") for line in lines)
    assert lines[0].split(",")[2] == "2025-03-30T00:00:00+01:00"
    assert lines[-1].split(",")[3] == "2025-03-31T01:00:00+02:00"


def test_as_of_gives_what_was_known_then(store: Store) -> None:
    before, _ = exported(store, "csv")
    changed = a_panel(9)
    store.readings.save(LOCAL_OWNER, changed, known_at=NOW + timedelta(days=1))
    assert exported(store, "csv")[0] != before
    assert exported(store, "csv", Wanted(as_of=NOW))[0] == before


def test_nothing_to_export_says_why(store: Store) -> None:
    with pytest.raises(NotFound, match="nothing to export as csv"):
        exported(store, "csv", Wanted(period=Interval(NOW, NOW + timedelta(days=1))))
    with pytest.raises(NotFound, match="not registered"):
        exported(store, "csv", Wanted(points=("nobody",)))
    with pytest.raises(NotFound) as caught:
        exported(store, "csv", Wanted(points=("H1",), image=Image.FINAL))
    assert "--image raw" in caught.value.remedy


def test_the_final_image_is_exported_when_asked_for(store: Store) -> None:
    final = a_panel(5)
    store.readings.save(LOCAL_OWNER, final, known_at=NOW, image=Image.FINAL)
    data, _ = exported(store, "csv", Wanted(points=("H0",), kinds=(DELIVERED_ENERGY.code,), image=Image.FINAL))
    values = [float(line.split(",")[4]) for line in data.decode().splitlines()[1:] if "/delta/" in line]
    assert values == (final.values[0][~final.missing[0]] / 1000).tolist()


def test_what_a_format_cannot_hold_is_left_out_and_said(store: Store) -> None:
    power = replace(a_panel(3), reading_type=POWER)
    store.readings.save(LOCAL_OWNER, power, known_at=NOW)
    twin = replace(a_panel(4), reading_type=replace(DELIVERED_ENERGY, channel="heat_pump"))
    store.readings.save(LOCAL_OWNER, twin, known_at=NOW)
    _, plan = exported(store, "mscons", Wanted(points=("H0",)))
    said = " ".join(plan.left_out)
    assert "no OBIS code for net power" in said
    assert "cannot tell channel heat_pump from (none)" in said
    assert plan.readings == sum(int((~a_panel(seed).missing[0]).sum()) for seed in (0, 1))


@pytest.mark.parametrize(
    ("name", "seconds", "channel"), [("cim-xml", 720, "heat_pump"), ("mscons", 30, "heat_pump"), ("cmep", 30, "E2")]
)
def test_what_is_left_out_takes_no_name(store: Store, name: str, seconds: int, channel: str) -> None:
    """A series that is refused by its length keeps no other one out of the file that would look like it."""
    odd = Panel(("H9",), START, timedelta(seconds=seconds), np.ones((1, 960)))
    fits = Panel(
        ("H9",), START, timedelta(minutes=15), np.ones((1, 96)), reading_type=replace(DELIVERED_ENERGY, channel=channel)
    )
    for panel in (odd, fits):
        store.readings.save(LOCAL_OWNER, panel, known_at=NOW)
    _, plan = exported(store, name, Wanted(points=("H9",)))
    assert plan.readings == 96
    (told,) = plan.left_out
    assert "cannot tell" not in told
    assert f"{seconds} s" in told


def test_what_is_empty_takes_no_name(store: Store) -> None:
    """The first series has readings of other times of these days alone."""
    twin = replace(a_panel(4), reading_type=replace(DELIVERED_ENERGY, channel="heat_pump"))
    for panel in (a_panel(3).rows([0]).slice(0, 40), twin.rows([0]).slice(60, 100)):
        store.readings.save(LOCAL_OWNER, replace(panel, points=("H9",)), known_at=NOW)
    late = Interval(START + timedelta(hours=12), START + timedelta(days=1))
    _, plan = exported(store, "mscons", Wanted(points=("H9",), period=late))
    assert plan.left_out == []
    assert plan.readings > 0


SUFFIXES = [("", "E1"), ("E1", "E1"), ("E2", "E2"), ("T1", "EA"), ("1.8.2", "EB"), ("heat_pump", "ER"), ("B1", "EA")]


@pytest.mark.parametrize(("channel", "suffix"), SUFFIXES)
@pytest.mark.parametrize("beside", ["E2", "T3", "E9", "solar"])
def test_a_suffix_follows_from_the_name_of_its_channel_alone(
    store: Store, channel: str, suffix: str, beside: str
) -> None:
    """Whatever else a usage point has, and came first: the next file of the meter must say the same."""
    kinds = [replace(DELIVERED_ENERGY, channel=one) for one in dict.fromkeys((beside, channel))]
    for seed, kind in enumerate(kinds):
        store.readings.save(LOCAL_OWNER, replace(a_panel(seed, kind).rows([0]), points=("H9",)), known_at=NOW)
    for wanted in ((kinds[-1].code,), tuple(kind.code for kind in kinds)):
        data, plan = exported(store, "nem12", Wanted(points=("H9",), kinds=wanted))
        assert f"200,H9,{suffix}," in data.decode()
        assert plan.left_out == []


def test_no_channel_and_the_first_one_are_the_same_in_nem12(store: Store) -> None:
    """As E1 and E2 they would come back as two meters, and a bill would add them up."""
    twin = replace(a_panel(4), reading_type=replace(DELIVERED_ENERGY, channel="E1"))
    store.readings.save(LOCAL_OWNER, twin, known_at=NOW)
    data, plan = exported(store, "nem12", Wanted(points=("H1",)))
    assert plan.left_out == ["nem12 cannot tell channel E1 from (none): choose with --reading-type (H1)"]
    assert [line.split(",")[2] for line in data.decode().splitlines() if line.startswith("200,")] == ["E1", "B1"]


def saved_registers(store: Store, *channels: str) -> None:
    """Save two reads of a register of each channel, every one with numbers of its own, and none of the total."""
    reads = [
        RegisterReading("H1", START + timedelta(days=day), 5000.0 * (place + 1) + day, reading_type=kind)
        for place, kind in enumerate(replace(DELIVERED_ENERGY.register(), channel=channel) for channel in channels)
        for day in range(2)
    ]
    store.registers.save(LOCAL_OWNER, reads, known_at=NOW)


def registers_back(data: bytes, name: str, folder: Path) -> dict[str, list[float]]:
    """Import an export into an empty store; return the values of each register of H1 by its channel."""
    path = folder / f"export{writer_named(name).suffix}"
    path.write_bytes(data)
    with open_store("sqlite://") as other:
        done = ingest_file(other, LOCAL_OWNER, path, ReadOptions(), known_at=NOW)
        assert (done.intake.rejected, done.intake.repeated, done.intake.conflicting) == (0, 0, 0)
        kinds = other.registers.kinds(LOCAL_OWNER, "H1")
        period = Interval(START, START + timedelta(days=9))
        return {
            kind.channel: [read.value for read in other.registers.load(LOCAL_OWNER, "H1", period, kind)]
            for kind in kinds
        }


@pytest.mark.parametrize("name", ["nem12", "nem13", "csv", "parquet", "green-button"])
def test_registers_that_differ_in_their_channel_alone_go_out_apart(store: Store, name: str, tmp_path: Path) -> None:
    saved_registers(store, "E1", "E2")
    kinds = tuple(replace(DELIVERED_ENERGY.register(), channel=channel).code for channel in ("E1", "E2"))
    data, plan = exported(store, name, Wanted(points=("H1",), kinds=kinds))
    assert registers_back(data, name, tmp_path) == {"E1": [5000, 5001], "E2": [10000, 10001]}
    assert plan.registers == 4


@pytest.mark.parametrize("name", ["cmep", "cim-xml", "mscons"])
def test_of_registers_that_a_format_cannot_tell_apart_one_goes_out(store: Store, name: str, tmp_path: Path) -> None:
    """NEM13 has the registers 11 and 41 of one NMI: written under one name, each would be taken for the other."""
    saved_registers(store, "11", "41")
    data, plan = exported(store, name, Wanted(points=("H1",)))
    assert registers_back(data, name, tmp_path) == {"": [5000, 5001]}
    assert plan.registers == 2
    assert f"{name} cannot tell channel 41 from 11: choose with --reading-type (H1)" in plan.left_out


def test_the_register_that_goes_out_is_that_of_the_intervals(store: Store, tmp_path: Path) -> None:
    store.readings.save(LOCAL_OWNER, a_panel(2), known_at=NOW)
    saved_registers(store, "11", "")
    data, plan = exported(store, "cmep", Wanted(points=("H1",)))
    assert registers_back(data, "cmep", tmp_path) == {"": [10000, 10001]}
    assert "cmep cannot tell channel 11 from (none): choose with --reading-type (H1)" in plan.left_out


@pytest.mark.parametrize(("name", "channel"), [("mscons", "1.8.1"), ("cim-xml", "T1"), ("cim-xml", "AT2C3")])
def test_registers_of_tariffs_go_out_apart_where_the_code_tells_them(
    store: Store, name: str, channel: str, tmp_path: Path
) -> None:
    saved_registers(store, "", channel)
    data, _ = exported(store, name, Wanted(points=("H1",)))
    assert registers_back(data, name, tmp_path) == {"": [5000, 5001], channel: [10000, 10001]}


def test_registers_that_a_format_has_no_place_for_are_said(store: Store) -> None:
    _, plan = exported(store, "wide-csv")
    assert "a row a day holds no register reads (H0)" in plan.left_out


def test_many_usage_points_are_planned_and_loaded_together(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """No question to the database is asked a usage point: neither for series, nor for registers, nor for blocks."""
    asked: dict[str, int] = {"extents": 0, "load": 0, "load_several": 0}

    def counted(holder: object, name: str) -> None:
        own = getattr(holder, name)

        def ask(*given: object, **more: object) -> object:
            asked[name] += 1
            return own(*given, **more)

        monkeypatch.setattr(holder, name, ask)

    counted(store.readings, "extents")
    counted(store.readings, "load")
    counted(store.registers, "load_several")
    for name in ("series", "kinds"):
        for holder in (store.readings, store.registers):
            monkeypatch.setattr(holder, name, lambda *_: pytest.fail("asked a usage point"), raising=False)
    monkeypatch.setattr(store.registers, "load", lambda *_: pytest.fail("asked a usage point"))
    monkeypatch.setattr(export_readings, "TOGETHER", 4)
    text, plan = exported(store, "csv", Wanted(points=HOMES))
    assert text
    assert plan.registers == 3
    assert asked["extents"] == 2
    assert asked["load"] == 2
    assert asked["load_several"] % 2 == 0


def test_a_file_begins_and_ends_with_what_was_read(store: Store) -> None:
    """Days are loaded whole; what lies before the first value and behind the last one is no gap."""
    late = Panel(("H0",), START + timedelta(days=7, hours=5), timedelta(minutes=15), np.full((1, 8), 7.0))
    store.readings.save(LOCAL_OWNER, late, known_at=NOW)
    _, plan = exported(store, "csv", Wanted(points=("H0",), kinds=(DELIVERED_ENERGY.code,)))
    (panel,) = plan._panels()
    assert (panel.start, panel.end) == (START, late.end)
    within = Interval(START + timedelta(hours=30), START + timedelta(hours=40))
    _, plan = exported(store, "csv", Wanted(points=("H0",), kinds=(DELIVERED_ENERGY.code,), period=within))
    (panel,) = plan._panels()
    assert panel.period == within


NET = reading_type(Quantity.ENERGY, Flow.NET)
KINDS = [
    DELIVERED_ENERGY,
    *(replace(DELIVERED_ENERGY, channel=channel) for channel in ("E2", "L1", "solar")),
    RECEIVED_ENERGY,
    NET,
    replace(NET, channel="N2"),
    POWER,
    replace(POWER, channel="N1"),
    replace(POWER, flow=Flow.DELIVERED),
    reading_type(Quantity.REACTIVE_POWER, Flow.NET),
]


@given(kinds=st.lists(st.sampled_from(KINDS), min_size=1, unique=True), registers=st.booleans())
@settings(max_examples=12, deadline=None)
def test_our_own_nem12_changes_nothing_in_the_store_that_it_is_of(kinds: list[ReadingType], *, registers: bool) -> None:
    """Whatever shares a suffix there: a second series of the same energy would be billed on top of the first."""
    with TemporaryDirectory() as folder, open_store("sqlite://") as store:
        store.registry.save_points(LOCAL_OWNER, [UsagePoint(home, "Europe/Berlin") for home in HOMES])
        for seed, kind in enumerate(kinds):
            store.readings.save(LOCAL_OWNER, a_panel(seed, kind), known_at=NOW)
            if registers and kind.accumulation is Accumulation.DELTA:
                reads = [RegisterReading("H0", START, 1000.0 * seed, reading_type=kind.register())]
                store.registers.save(LOCAL_OWNER, reads, known_at=NOW)
        data, plan = exported(store, "nem12")
        assert not any("no unit" in why for why in plan.left_out)
        path = Path(folder) / "export.csv"
        path.write_bytes(data)
        before = store.readings.extents(LOCAL_OWNER, HOMES)
        done = ingest_file(store, LOCAL_OWNER, path, ReadOptions(), known_at=NOW + timedelta(days=1))
        assert store.readings.extents(LOCAL_OWNER, HOMES) == before
        assert (done.new, done.intake.rejected) == (0, 0)
