from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridwright.domain.access import LOCAL_OWNER, Access, Role
from gridwright.domain.errors import AccessDenied, UsageError
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import DELIVERED_ENERGY, DELIVERED_REGISTER
from gridwright.domain.usage_point import UsagePoint
from gridwright.formats import registry
from gridwright.formats.csv_reader import CsvDialect, CsvReader
from gridwright.formats.csv_split import cut
from gridwright.formats.nem12 import Nem12Reader
from gridwright.formats.source import Chunk, ReadOptions
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.files.import_trusted import Judge
from gridwright.jobs.files.ingest_file import Imported, ingest_file
from gridwright.store import Store, open_store

NOW = datetime(2025, 6, 1, tzinfo=UTC)
E1 = replace(DELIVERED_ENERGY, channel="E1")
DAYS = [f"202501{day:02d}" for day in range(1, 11)]
JANUARY = Interval(datetime(2024, 12, 31, 14, tzinfo=UTC), datetime(2025, 1, 10, 14, tzinfo=UTC))


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store("sqlite://") as opened:
        yield opened


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "READERS", (Nem12Reader(chunk_bytes=3000), CsvReader()))


def days(*stamps: str, value: str = "1.5", quality: str = "A", slots: int = 48) -> list[str]:
    return [f"300,{stamp},{','.join([value] * slots)},{quality},,,20250201000000," for stamp in stamps]


def channel(point: str, minutes: int = 30) -> str:
    return f"200,{point},E1,E1,E1,N1,METER1,kWh,{minutes},"


def write(path: Path, *records: str) -> Path:
    path.write_text("\n".join(["100,NEM12,202501010000,MDP1,RET1", *records, "900", ""]))
    return path


def many(path: Path, points: int = 12) -> Path:
    blocks = (
        record for point in range(points) for record in (channel(f"NMI{point}"), *days(*DAYS, value=f"{point}.5"))
    )
    return write(path, *blocks)


def run(store: Store, path: Path, options: ReadOptions | None = None, **more: object) -> Imported:
    return ingest_file(store, LOCAL_OWNER, path, options, known_at=NOW, **more)  # type: ignore[arg-type]


def test_a_file_lands_in_the_store(store: Store, tmp_path: Path) -> None:
    done = run(store, many(tmp_path / "m.csv"))
    assert (done.new, done.changed, done.same, len(done.points)) == (12 * 480, 0, 0, 12)
    assert (done.intake.records, done.intake.accepted, done.intake.rejected) == (12 * 480, 12 * 480, 0)
    panel = store.readings.load(LOCAL_OWNER, "NMI3", JANUARY, reading_type=E1)
    assert panel.total_kwh().tolist() == [3.5 * 480]
    assert store.registry.point(LOCAL_OWNER, "NMI3").zone == "Australia/Brisbane"


def test_meters_of_other_years_are_all_stored(store: Store, tmp_path: Path) -> None:
    """One meter's only day lies years before those of the others, and another has a lone mistyped date."""
    lines = [
        f"FL-{m},2025-0{1 + d // 28}-{1 + d % 28:02d}T{h:02d}:00Z,1.5"
        for m in range(5)
        for d in range(56)
        for h in range(24)
    ]
    early = [f"NEW-1,2023-06-01T{h:02d}:00Z,0.5" for h in range(24)]
    wrong = ["FL-0,2015-01-01T00:00Z,1.5", "FL-1,1800-01-01T00:00Z,1.5", "FL-1,2025-06-01T00:10Z,1.5"]
    path = tmp_path / "fleet.csv"
    path.write_text("\n".join(["usage_point,start,kwh", *lines, *early, *wrong, ""]))
    done = run(store, path, not_after=NOW)
    taken = len(lines) + len(early)
    assert (done.new, done.intake.accepted, done.intake.rejected) == (taken, taken, 3)
    said = {reject.line - len(lines) - len(early): reject.reason for reject in done.intake.rejects}
    assert "nearly all others of its usage point" in said[2]
    assert "before the year 2000" in said[3]
    assert "in the future" in said[4]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["2015", "2020", "2025"]), st.integers(0, 60)), max_size=30)
)
def test_what_is_told_as_taken_is_stored(tmp_path: Path, odd: list[tuple[int, str, int]]) -> None:
    """Read = taken + rejected + repeated + conflicting + missing; new, changed and as before are the taken."""
    body = [f"NMI0,2020-02-{1 + at // 24:02d}T{at % 24:02d}:00Z,1.5" for at in range(240)]
    rows = [f"NMI{m},{year}-01-01T{at % 24:02d}:00Z,{'' if at > 50 else at // 24}" for m, year, at in odd]
    path = tmp_path / "m.csv"
    path.write_text("\n".join(["usage_point,start,kwh", *body, *rows, ""]))
    with open_store("sqlite://") as fresh:
        done = run(fresh, path, not_after=NOW)
    one = done.intake
    told = one.accepted + one.rejected + one.repeated + one.conflicting + one.missing
    assert (one.records, done.new + done.changed + done.same) == (told, one.accepted)


def test_the_same_again_is_read_once_more_and_says_so(store: Store, tmp_path: Path) -> None:
    path = many(tmp_path / "m.csv")
    first, again = run(store, path), run(store, path)
    assert (first.already, again.already, again.again) == (False, True, True)
    assert (again.new, again.changed, again.same) == (0, 0, first.new)
    assert again.intake.accepted == first.intake.accepted
    assert "read once more" in again.intake.notes[-1]


def test_where_only_new_content_is_wanted_the_same_does_nothing(store: Store, tmp_path: Path) -> None:
    path = many(tmp_path / "m.csv")
    first = run(store, path)
    again = ingest_file(store, LOCAL_OWNER, path, known_at=NOW, again=False)
    assert again.untouched
    assert (again.new, again.intake.accepted) == (first.new, first.intake.accepted)
    assert "nothing was done" in again.intake.notes[-1]


def test_the_right_file_after_a_wrong_one_puts_its_values_back(store: Store, tmp_path: Path) -> None:
    right, wrong = many(tmp_path / "right.csv"), many(tmp_path / "wrong.csv")
    wrong.write_text(wrong.read_text().replace("3.5", "4.5"))
    run(store, right)
    before = store.readings.load(LOCAL_OWNER, "NMI3", JANUARY, reading_type=E1)
    changed = run(store, wrong).changed
    assert changed == 480
    dry = ingest_file(store, LOCAL_OWNER, right, known_at=NOW, dry_run=True)
    back = run(store, right)
    assert (dry.changed, back.changed, back.same) == (changed, changed, 11 * 480)
    after = store.readings.load(LOCAL_OWNER, "NMI3", JANUARY, reading_type=E1)
    assert np.array_equal(after.values, before.values, equal_nan=True)


def test_read_once_more_and_killed_it_goes_on_where_it_was(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = many(tmp_path / "m.csv")
    run(store, path)
    calls: list[int] = []

    def stop(done: int, size: int) -> None:
        calls.append(done)
        if len(calls) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest_file(store, LOCAL_OWNER, path, known_at=NOW, progress=stop)
    rest = run(store, path)
    assert rest.resumed_at == calls[-1]
    assert (rest.already, rest.same) == (False, 12 * 480)


def test_the_same_readings_in_another_file_change_nothing(store: Store, tmp_path: Path) -> None:
    run(store, many(tmp_path / "m.csv"))
    other = many(tmp_path / "copy.csv")
    other.write_text(other.read_text().replace("RET1", "RET2"))
    done = run(store, other)
    assert (done.already, done.new, done.changed, done.same) == (False, 0, 0, 12 * 480)


def test_other_options_are_another_import(store: Store, tmp_path: Path) -> None:
    path = many(tmp_path / "m.csv")
    run(store, path)
    assert run(store, path, ReadOptions(zone="Australia/Sydney")).already is False


def test_a_dry_run_writes_nothing(store: Store, tmp_path: Path) -> None:
    path = many(tmp_path / "m.csv")
    rejects = tmp_path / "rejects.csv"
    done = run(store, path, dry_run=True, rejects_to=rejects)
    assert (done.dry_run, done.intake.accepted, done.new) == (True, 12 * 480, 12 * 480)
    assert store.registry.points(LOCAL_OWNER) == ()
    assert not rejects.exists()
    assert run(store, path).new == 12 * 480


def test_known_usage_points_keep_what_is_known_of_them(store: Store, tmp_path: Path) -> None:
    known = UsagePoint("NMI0", "Australia/Sydney", capacity_kw=12.0)
    store.registry.save_points(LOCAL_OWNER, [known])
    run(store, many(tmp_path / "m.csv", 1))
    assert store.registry.point(LOCAL_OWNER, "NMI0") == known


def test_rejects_are_written_with_line_reason_and_remedy(store: Store, tmp_path: Path) -> None:
    path = write(tmp_path / "m.csv", channel("NMI1"), *days("20250101", "20259901"), *days("20250102", value="=1+1"))
    target = tmp_path / "rejects.csv"
    done = run(store, path, rejects_to=target)
    assert done.rejects_file == target
    with target.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["line", "reason", "remedy", "value", "record"]
    assert (rows[0]["line"], rows[0]["reason"], rows[0]["value"]) == ("4", "date is not yyyymmdd", "20259901")
    assert rows[1]["value"] == "'=1+1"
    assert len(rows) == 1 + 48
    assert (done.intake.accepted, done.intake.rejected) == (48, 96)


def test_no_rejects_no_file(store: Store, tmp_path: Path) -> None:
    target = tmp_path / "rejects.csv"
    assert run(store, many(tmp_path / "m.csv", 2), rejects_to=target).rejects_file is None
    assert not target.exists()


def test_rejects_never_overwrite_the_source(store: Store, tmp_path: Path) -> None:
    path = many(tmp_path / "m.csv", 1)
    with pytest.raises(UsageError, match="overwrite"):
        run(store, path, rejects_to=path)
    with pytest.raises(UsageError, match="cannot be written"):
        run(store, write(tmp_path / "n.csv", channel("N"), *days("20259901")), rejects_to=tmp_path / "no" / "r.csv")


class Stopped(Exception):
    """The process is gone."""


def stop_after(chunks: int) -> object:
    seen = iter(range(1, 10_000))

    def report(done: int, total: int) -> None:
        if next(seen) == chunks:
            raise Stopped

    return report


@pytest.mark.parametrize("chunks", [1, 2, 5])
def test_an_interrupted_import_goes_on_where_it_stopped(store: Store, tmp_path: Path, chunks: int) -> None:
    broken = [*days("20250101", "20259901"), channel("LAST"), *days("20250101", "20259902")]
    path = many(tmp_path / "m.csv")
    path.write_text(path.read_text() + "\n".join([channel("WRONG"), *broken, ""]))
    target = tmp_path / "rejects.csv"
    with pytest.raises(Stopped):
        run(store, path, progress=stop_after(chunks), rejects_to=target)
    with target.open("a") as file:
        file.write("half a line that was never comm")
    done = run(store, path, rejects_to=target)
    assert done.resumed_at > 0
    assert (done.new, done.intake.accepted, done.intake.rejected) == (12 * 480 + 96, 12 * 480 + 96, 96)
    assert [line.split(",")[0] for line in target.read_text().splitlines()][1:] == ["137", "140"]
    whole = store.readings.load(LOCAL_OWNER, None, JANUARY, reading_type=E1)
    assert float(whole.total_kwh().sum()) == sum((point + 0.5) * 480 for point in range(12)) + 2 * 72


def test_what_does_not_fit_the_stored_grid_is_refused_alone(store: Store, tmp_path: Path) -> None:
    run(store, write(tmp_path / "half.csv", channel("NMI1"), *days("20250105")))
    both = (channel("NMI1", 15), *days(*DAYS, slots=96), channel("NMI2", 15), *days(*DAYS, slots=96))
    done = run(store, write(tmp_path / "quarter.csv", *both))
    # The civil day that is stored lies on two UTC days, whose other hours are added up to its half hours.
    assert done.intake.rejected == 96
    assert done.new == 2 * 960 - 2 * 96 + 48
    assert {reject.reason[:9] for reject in done.intake.rejects} == {"intervals"}
    lines = (tmp_path / "quarter.csv").read_text().splitlines()
    assert all(lines[reject.line - 1].startswith("300,2025010") for reject in done.intake.rejects)


@pytest.mark.parametrize("follow", [False, True])
def test_hours_that_begin_at_half_past_do_not_halve_for_ever(store: Store, tmp_path: Path, *, follow: bool) -> None:
    """One begins before midnight UTC and ends behind it: it is of the day in which it begins, and cut no further."""
    half = [(datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=30 * slot), "0.100") for slot in range(96 * 2)]
    hours = [(at, "0.250") for at, _ in half if at.minute]
    for name, rows in (("half.csv", half), ("late.csv", hours)):
        lines = (f"{point},{at.isoformat()},{kwh}" for point in ("H-1", "H-2") for at, kwh in rows)
        (tmp_path / name).write_text("\n".join(["usage_point,start,kwh", *lines, ""]))
    run(store, tmp_path / "half.csv")
    judge = {"follow": Judge(store, LOCAL_OWNER, SiteDefaults())} if follow else {}
    done = run(store, tmp_path / "late.csv", ReadOptions(interval_minutes=60), **judge)
    assert (done.new, done.changed, done.intake.rejected) == (0, 0, 2 * 96)
    assert all("do not fit the stored" in reject.reason for reject in done.intake.rejects)


class SmallPieces(CsvReader):
    """The CSV reader with pieces of another size."""

    def __init__(self, size: int) -> None:
        self.size = size

    def chunks(self, data: memoryview, dialect: CsvDialect, after: int = 0) -> Iterator[Chunk]:
        return cut(data, dialect.framing, after, size=self.size)


def registers(path: Path, *, order: int = 1) -> Path:
    """Write a cumulative counter every quarter of an hour for 20 days, with a reset and a hole."""
    start, rows, total = datetime(2025, 1, 1, tzinfo=UTC), [], 0.0
    for slot in range(20 * 96):
        total = 0.0 if slot == 1000 else total + (slot % 7) / 10
        if not 300 <= slot < 420:
            stamp = (start + timedelta(minutes=15 * slot)).strftime("%Y-%m-%d %H:%M")
            rows.append(f"{stamp},{total:.1f}")
    path.write_text("\n".join(["time,meter_reading_kwh", *rows[::order], ""]))
    return path


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("chunk_bytes", [1000, 7777, 1 << 20])
def test_registers_across_chunks_lose_and_double_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk_bytes: int, order: int
) -> None:
    monkeypatch.setattr(registry, "READERS", (SmallPieces(chunk_bytes),))
    path = registers(tmp_path / "counter.csv", order=order)
    done = run(store, path, ReadOptions(zone="UTC", kind="cumulative"))
    point = done.points[0]
    period = Interval(datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 1, 21, tzinfo=UTC))
    panel = store.readings.load(LOCAL_OWNER, point, period)
    expected = np.array([(slot % 7) * 100.0 for slot in range(1, 20 * 96)] + [np.nan])
    expected[299:420] = np.nan
    expected[999] = np.nan
    np.testing.assert_array_equal(panel.values[0], expected)
    reads = store.registers.load(LOCAL_OWNER, point, period, DELIVERED_REGISTER)
    assert len(reads) == 20 * 96 - 120


def test_what_was_sent_and_what_was_derived_are_counted_apart(store: Store, tmp_path: Path) -> None:
    """New, changed and as before add up to the reads that are taken, however many intervals lie between them."""
    path = registers(tmp_path / "counter.csv")
    done = run(store, path, ReadOptions(zone="UTC", kind="cumulative"))
    assert (done.intake.accepted, done.new, done.changed, done.same) == (1800, 1800, 0, 0)
    assert (done.derived.new, done.derived.changed, done.derived.same) == (1797, 0, 0)
    path.write_text(path.read_text() + "\n")
    again = run(store, path, ReadOptions(zone="UTC", kind="cumulative"))
    assert (again.new, again.changed, again.same, again.derived.same) == (0, 0, 1800, 1797)


def counted(path: Path, corrected: float = 0.0) -> Path:
    """Write a day of a register in steps of 0.1 kWh that counts 123 Wh a quarter-hour; one read may be corrected."""
    rows = [
        f"H-1,{(datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=15 * slot)).isoformat()},"
        f"{(1000 + 123 * slot) // 100 / 10 + (corrected if slot == 50 else 0):.1f}"
        for slot in range(97)
    ]
    path.write_text("\n".join(["usage_point,time,register kwh", *rows, ""]))
    return path


def profile(path: Path, slots: int = 96) -> Path:
    rows = [
        f"H-1,{(datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=15 * slot)).isoformat()},0.123"
        for slot in range(slots)
    ]
    path.write_text("\n".join(["usage_point,start,kwh", *rows, ""]))
    return path


@pytest.mark.parametrize("register_first", [False, True])
def test_measured_intervals_stay_beside_a_coarser_register(
    store: Store, tmp_path: Path, *, register_first: bool
) -> None:
    """In whatever order they come: the register fills what the profile lacks, and takes the place of none of it."""
    files = [profile(tmp_path / "p.csv", 48), counted(tmp_path / "r.csv")]
    kinds = {"p.csv": "interval", "r.csv": "cumulative"}
    _, done = [run(store, path, ReadOptions(kind=kinds[path.name])) for path in files[:: -1 if register_first else 1]]
    if not register_first:
        assert (done.derived.new, done.derived.changed) == (48, 0)
        assert any("left out where other intervals are stored" in note for note in done.intake.notes)
    day = Interval(datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 1, 2, tzinfo=UTC))
    values = store.readings.load(LOCAL_OWNER, "H-1", day).values[0]
    assert values[:48].tolist() == [123.0] * 48
    assert set(values[48:].tolist()) == {100.0, 200.0}
    assert len(store.registers.load(LOCAL_OWNER, "H-1", day, DELIVERED_REGISTER)) >= 96


def test_a_corrected_read_corrects_the_energy_that_was_derived_from_it(store: Store, tmp_path: Path) -> None:
    run(store, counted(tmp_path / "r.csv"), ReadOptions(kind="cumulative"))
    done = run(store, counted(tmp_path / "c.csv", corrected=0.1), ReadOptions(kind="cumulative"))
    assert (done.changed, done.derived.changed, done.derived.new) == (1, 2, 0)
    assert not any("left out" in note for note in done.intake.notes)


def test_who_may_not_write_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(AccessDenied):
        ingest_file(store, Access("eve", Role.VIEWER), many(tmp_path / "m.csv", 1), known_at=NOW)


def test_daily_registers_are_stored_and_alarm_nobody(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "daily.csv"
    rows = [f"R-1,2025-01-{day:02d}T00:00:00Z,{1000 + 7 * day}.5" for day in range(1, 29)]
    path.write_text("\n".join(["usage_point,time,register kwh", *rows]))
    done = run(store, path, ReadOptions(kind="cumulative"))
    assert (done.new, done.intake.accepted, done.registers, done.unkept) == (28, 28, 28, 0)
    assert [note for note in done.intake.notes if "not stored" in note] == []


def test_daily_intervals_that_are_not_kept_are_told_in_words(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "daily.csv"
    rows = [f"R-1,2025-01-{day:02d},{7 + day % 3}.5" for day in range(1, 29)]
    path.write_text("\n".join(["usage_point,date,kwh", *rows]))
    done = run(store, path, ReadOptions(zone="UTC"))
    (note,) = [note for note in done.intake.notes if "not stored" in note]
    assert note == (
        "not stored: R-1, readings of 1,440 min from 2025-01-01T00:00Z to 2025-01-29T00:00Z: "
        "intervals longer than an hour are not kept; register reads are, and --kind cumulative says so"
    )
    assert (done.new, done.unkept) == (0, 28)
    assert done.took_nothing
    assert "none of 28 readings is kept: not stored: R-1, readings of 1,440 min" in done.why_nothing.message
    assert "--kind cumulative" in done.why_nothing.remedy


def test_a_file_of_which_anything_is_kept_took_something(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "both.csv"
    days = [f"R-1,2025-01-{day:02d},{7 + day % 3}.5" for day in range(1, 29)]
    path.write_text("\n".join(["usage_point,date,kwh", *days]))
    quarters = [f"R-2,2025-01-01T0{slot // 4}:{slot % 4 * 15:02d}:00Z,0.5" for slot in range(12)]
    other = tmp_path / "quarters.csv"
    other.write_text("\n".join(["usage_point,time,kwh", *quarters]))
    both = tmp_path / "both.zip"
    with ZipFile(both, "w") as archive:
        archive.write(path, path.name)
        archive.write(other, other.name)
    done = run(store, both, ReadOptions(zone="UTC"))
    assert (done.new, done.unkept, done.took_nothing) == (12, 28, False)
