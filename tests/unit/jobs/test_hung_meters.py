"""A file that names an installed meter: its readings are those of the usage points where it hung, each by its time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY, DELIVERED_REGISTER
from gridwright.domain.usage_point import FOREVER, Installation, Meter, UsagePoint
from gridwright.formats import registry
from gridwright.formats.registry import writer_named
from gridwright.formats.source import ReadOptions
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.files import decode_ahead
from gridwright.jobs.files.import_trusted import import_trusted
from gridwright.jobs.files.ingest_file import Imported, ingest_file
from gridwright.store import Store, open_store
from tests.unit.jobs.test_ingest_file import SmallPieces

NOW = datetime(2025, 6, 1, tzinfo=UTC)
START = datetime(2025, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = Interval(START, START + 24 * HOUR)
VALUES = np.arange(1.0, 25.0)  # kWh of each hour
FORMATS = ("csv", "wide-csv", "parquet", "cmep", "mscons", "green-button", "cim-xml", "nem12")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """M1 hung at A until ten o'clock, nowhere for two hours, and hangs at B since."""
    with open_store(tmp_path / "store.db") as opened:
        opened.registry.save_points(ME, [UsagePoint("A"), UsagePoint("B")])
        opened.registry.save_meter(ME, Meter("M1"))
        hang(opened, "A", Interval(START - 24 * HOUR, START + 10 * HOUR))
        hang(opened, "B", Interval(START + 12 * HOUR, FOREVER), Decimal(40))
        yield opened


def hang(store: Store, point: str, period: Interval, multiplier: Decimal = Decimal(1), meter: str = "M1") -> None:
    store.registry.save_installation(ME, Installation(point, meter, period, multiplier))


def hours(*names: str) -> list[str]:
    return [
        f"{name},{START + hour * HOUR:%Y-%m-%dT%H:%M}Z,{VALUES[hour]:g}"
        for name in names
        for hour in range(VALUES.size)
    ]


def rows(path: Path, lines: list[str], header: str = "meter,start,kwh") -> Path:
    path.write_text("\n".join([header, *lines, ""]))
    return path


def run(store: Store, path: Path, **more: object) -> Imported:
    return ingest_file(store, ME, path, known_at=NOW, **more)  # type: ignore[arg-type]


def total(store: Store, point: str) -> float:
    return float(store.readings.load(ME, point, DAY).total_kwh()[0])


@pytest.mark.parametrize("name", FORMATS)
def test_its_readings_go_to_where_it_hung(store: Store, tmp_path: Path, name: str) -> None:
    """Of 1, 2, 3 … kWh an hour ten are of A (55 kWh), two wait (11 and 12), twelve are of B (13 to 24: 222 kWh)."""
    panel = Panel(("M1",), START, HOUR, (VALUES * 1000)[np.newaxis])
    path = tmp_path / f"m.{name}"
    zone = "Etc/GMT-10" if name == "nem12" else "UTC"
    path.write_bytes(b"".join(writer_named(name).write([panel], [], {"M1": UsagePoint("M1", zone)})))
    options = ReadOptions(zone="UTC") if name == "wide-csv" else None
    done = ingest_file(store, ME, path, options, known_at=NOW)
    assert (done.intake.accepted, done.intake.rejected, done.new) == (22, 0, 22)
    kinds = {each.reading_type for each in store.readings.extents(ME, ["A", "B"])}
    assert len(kinds) == 1
    at_a, at_b = (store.readings.load(ME, each, DAY, reading_type=next(iter(kinds))) for each in "AB")
    assert np.nansum(at_a.kwh) == 55.0
    assert np.nansum(at_b.kwh) == 222.0
    assert np.isnan(at_a.values[0, 10:]).all()
    assert np.isnan(at_b.values[0, :12]).all()
    assert [each.value for each in store.quarantine.readings(ME, "M1")] == [11000.0, 12000.0]
    assert [point.id for point in store.registry.points(ME)] == ["A", "B"]
    assert any("2 readings of meter M1, of when it hung nowhere: in quarantine" in note for note in done.intake.notes)
    assert any("are named by their serial numbers" in note for note in done.intake.notes)
    assert done.points == ("A", "B")


def test_a_second_time_and_a_dry_run_change_nothing(store: Store, tmp_path: Path) -> None:
    path = rows(tmp_path / "m.csv", hours("M1"))
    tried = run(store, path, dry_run=True)
    assert (tried.new, store.quarantine.meters(ME), store.readings.extents(ME, ["A", "B"])) == (22, [], [])
    assert any("2 readings of meter M1, of when" in note for note in tried.intake.notes)
    assert run(store, path).new == 22
    again = run(store, path)
    assert (again.new, again.changed, again.same) == (0, 0, 22)
    assert len(store.quarantine.readings(ME, "M1")) == 2


def test_what_it_and_the_usage_point_are_sent_for_counts_once(store: Store, tmp_path: Path) -> None:
    done = run(store, rows(tmp_path / "m.csv", hours("A", "M1")))
    assert (done.intake.repeated, done.new) == (10, 24 + 12)
    assert (total(store, "A"), total(store, "B")) == (300.0, 222.0)


@pytest.mark.parametrize("ahead", [False, True])
def test_pieces_of_any_size_are_placed_alike(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, ahead: bool
) -> None:
    if ahead:
        monkeypatch.setattr(decode_ahead, "LEAST_BYTES", 0)
        monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr(registry, "READERS", (SmallPieces(150),))
    done = run(store, rows(tmp_path / "m.csv", hours("M1", "C")))
    assert done.new == 22 + 24
    assert (total(store, "A"), total(store, "B"), total(store, "C")) == (55.0, 222.0, 300.0)
    assert any("2 readings of meter M1, of when" in note for note in done.intake.notes)


def test_an_import_that_judges_places_them_too(store: Store, tmp_path: Path) -> None:
    path = rows(tmp_path / "m.csv", hours("M1"))
    done = import_trusted(store, ME, path, site=SiteDefaults(), known_at=NOW, not_after=NOW)
    assert done.imported.new == 22
    assert (total(store, "A"), total(store, "B")) == (55.0, 222.0)
    assert [point.id for point in store.registry.points(ME)] == ["A", "B"]


def test_its_register_reads_are_the_meters_with_its_factor(store: Store, tmp_path: Path) -> None:
    """At A the register counts once, up to the read at which it goes, at B forty times; the read between them waits."""
    reads = {8: 10.0, 9: 10.5, 10: 11.0, 11: 11.0, 12: 11.0, 13: 11.5, 14: 12.5}
    lines = [f"M1,{START + hour * HOUR:%Y-%m-%dT%H:%M}Z,{kwh:g}" for hour, kwh in reads.items()]
    path = rows(tmp_path / "m.csv", lines, "meter,time,register_kwh")
    ingest_file(store, ME, path, ReadOptions(kind="cumulative"), known_at=NOW)
    stored = {point: store.registers.load(ME, point, DAY, DELIVERED_REGISTER) for point in "AB"}
    assert [read.value / 1000 for read in stored["A"]] == [10.0, 10.5, 11.0]
    assert [read.value / 1000 for read in stored["B"]] == [11.0, 11.5, 12.5]
    assert {read.end_device for reads in stored.values() for read in reads} == {"M1"}
    assert total(store, "A") == 1.0
    assert total(store, "B") == 20.0 + 40.0
    assert [(each.at, each.value) for each in store.quarantine.readings(ME, "M1")] == [(START + 11 * HOUR, 11_000.0)]


def test_a_usage_point_of_that_name_is_meant_first(store: Store, tmp_path: Path) -> None:
    store.registry.save_points(ME, [UsagePoint("M1")])
    done = run(store, rows(tmp_path / "m.csv", hours("M1")))
    assert total(store, "M1") == 300.0
    assert store.readings.extents(ME, ["A", "B"]) == []
    said = "M1 is a usage point, and a meter of that name hung at A: the readings are those of usage point M1"
    assert any(note.startswith(said) for note in done.intake.notes)


def test_a_meter_named_like_its_usage_point_needs_no_word(store: Store, tmp_path: Path) -> None:
    store.registry.save_points(ME, [UsagePoint("C")])
    store.registry.save_meter(ME, Meter("C"))
    hang(store, "C", Interval(START, FOREVER), meter="C")
    done = run(store, rows(tmp_path / "m.csv", hours("C")))
    assert (total(store, "C"), done.intake.notes) == (300.0, ())


def test_what_cannot_be_does_not_wait(store: Store, tmp_path: Path) -> None:
    lines = ["M1,1999-05-01T10:00Z,1", "M1,2031-05-01T10:00Z,1", "M1,2025-03-01T10:00Z,", *hours("A")]
    done = run(store, rows(tmp_path / "m.csv", lines), not_after=NOW)
    reasons = sorted(reject.reason for reject in done.intake.rejects)
    assert len(reasons) == done.intake.rejected == 2
    assert "before the year 2000" in reasons[0] + reasons[1]
    assert store.quarantine.meters(ME) == []


def test_a_full_quarantine_refuses_by_name(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gridwright.store.quarantine.LIMIT", 1)
    done = run(store, rows(tmp_path / "m.csv", hours("M1")))
    assert len(store.quarantine.readings(ME, "M1")) == 1
    (refused,) = done.intake.rejects
    assert "the quarantine is full" in refused.reason
    assert "M1" in refused.record


def test_what_waits_already_needs_no_room_and_the_rest_is_refused(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same again took the place of what came behind it, and was refused by a full quarantine in which it waits."""
    monkeypatch.setattr("gridwright.store.quarantine.LIMIT", 1)
    run(store, rows(tmp_path / "one.csv", hours("M1")[:11]))
    done = run(store, rows(tmp_path / "both.csv", hours("M1")))
    (refused,) = done.intake.rejects
    assert ("the quarantine is full" in refused.reason, "11:00" in refused.record) == (True, True)
    assert any("1 reading of meter M1, of when it hung nowhere: in quarantine" in note for note in done.intake.notes)


def test_what_somebody_let_go_is_not_said_to_wait(store: Store, tmp_path: Path) -> None:
    run(store, rows(tmp_path / "m.csv", hours("M1")[:11]))
    store.quarantine.drop(ME, "M1", reason="a test of the meter")
    done = run(store, rows(tmp_path / "again.csv", hours("M1")))
    (refused,) = done.intake.rejects
    assert ("let go" in refused.reason, done.intake.rejected) == (True, 1)
    assert [each.at for each in store.quarantine.readings(ME, "M1")] == [START + 11 * HOUR]
    assert any("1 reading of meter M1, of when it hung nowhere: in quarantine" in note for note in done.intake.notes)


def test_what_names_both_says_itself_where_it_belongs(store: Store, tmp_path: Path) -> None:
    """A NEM13 read names NMI and meter serial: the NMI counts, also where it is no usage point yet."""
    record = "250,NMI1,11,1,11,11,M1,E,006342.8,20241005093055,A,,,007654.9,20250107100333,E64,,,1312.1,kWh,20250407,"
    path = tmp_path / "m.csv"
    path.write_text(f"100,NEM13,202501101030,MDA1,Ret1\n{record}\n900\n")
    assert run(store, path).points == ("NMI1",)


def test_intervals_are_one_series_whichever_kind_of_name(store: Store, tmp_path: Path) -> None:
    run(store, rows(tmp_path / "m.csv", hours("M1")))
    assert {each.reading_type for each in store.readings.extents(ME, ["A", "B"])} == {DELIVERED_ENERGY}
