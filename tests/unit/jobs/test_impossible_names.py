"""A record under a name that no usage point can have costs that record, in every format, and registers nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.panel import Panel
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.formats.csv_split import cut
from gridwright.formats.registry import writer_named
from gridwright.jobs.files.ingest_file import Imported, ingest_file
from gridwright.jobs.files.read_file import read_file
from gridwright.store import Store, open_store

NOW = datetime(2025, 6, 1, tzinfo=UTC)
START = datetime(2025, 3, 1, tzinfo=UTC)
GOOD, BAD = "GOOD-1", "OTHER-2"
LONG, HUGE, BELL = "A" * 121, "A" * 200_000, "B\x1b[31mell"
TEXTS = ("csv", "wide-csv", "nem12", "cmep", "mscons", "green-button", "cim-xml")


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store("sqlite://") as opened:
        yield opened


def a_file(path: Path, name: str, bad: str) -> Path:
    """Write a day of a good usage point and one under a bad name."""
    values = np.arange(192, dtype=float).reshape(2, 96) + 1
    panel = Panel((GOOD, BAD), START, timedelta(minutes=15), values, np.full((2, 96), q.ACTUAL, np.uint8))
    points = {point: UsagePoint(point) for point in panel.points}
    text = b"".join(writer_named(name).write([panel], [], points))
    path.write_bytes(text.replace(BAD.encode(), bad.encode()))
    return path


def run(store: Store, path: Path, *, dry_run: bool = False) -> Imported:
    return ingest_file(store, LOCAL_OWNER, path, known_at=NOW, dry_run=dry_run)


def registered(store: Store) -> list[str]:
    return [point.id for point in store.registry.points(LOCAL_OWNER)]


@pytest.mark.parametrize("bad", [LONG, HUGE, BELL, ".."])
@pytest.mark.parametrize("name", TEXTS)
def test_the_record_is_refused_by_its_line_and_the_others_are_kept(
    store: Store, tmp_path: Path, name: str, bad: str
) -> None:
    path = a_file(tmp_path / f"file.{writer_named(name).suffix.lstrip('.')}", name, bad)
    tried = run(store, path, dry_run=True)
    done = run(store, path)
    assert (tried.intake.accepted, tried.intake.rejected) == (done.intake.accepted, done.intake.rejected)
    assert done.intake.accepted == done.new == 96
    assert done.intake.rejected > 0
    assert registered(store) == [GOOD] == list(done.points)
    told = done.intake.rejects[0]
    assert told.line > 1
    assert len(told.reason) < 400
    assert BELL not in told.reason
    if bad == LONG and name != "cim-xml":
        assert re.search("too long to name a usage point: 121 characters", told.reason)


def test_an_empty_name_and_a_refused_value_register_nothing(store: Store, tmp_path: Path) -> None:
    rows = [f"H-{i % 3},2025-03-01T{i // 12:02d}:{5 * (i % 12):02d}:00Z,0.{i % 10}5" for i in range(96)]
    late = ",2025-03-01T00:00:00Z,1", "NAN-1,2025-03-01T00:00:00Z,abc", "LATE-1,2095-03-01T00:00:00Z,1"
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(["usage_point,start,kwh", *rows, *late]))
    done = ingest_file(store, LOCAL_OWNER, path, known_at=NOW, not_after=NOW)
    assert (done.new, done.intake.rejected) == (96, 3)
    assert registered(store) == ["H-0", "H-1", "H-2"]
    assert {reject.line: reject.reason.partition(" (")[0] for reject in done.intake.rejects} == {
        98: "'' names no usage point",
        99: "'abc' in column kwh is no finite number",
        100: "stamp lies in the future",
    }


def test_a_usage_point_refused_in_one_piece_is_registered_by_the_next(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamps = [(START + timedelta(minutes=15 * i)).isoformat() for i in range(1000)]
    rows = [f"{'X' if i in {0, 900} else 'H'},{at},{'abc' if i == 0 else 1}" for i, at in enumerate(stamps)]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(["usage_point,start,kwh", *rows]))
    monkeypatch.setitem(cast("dict[str, int]", cut.__kwdefaults__), "size", 9000)
    assert (run(store, path).new, registered(store)) == (999, ["H", "X"])


def test_parquet_and_register_reads_too(store: Store, tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet as pq

    stamps = [START + timedelta(minutes=15 * slot) for slot in range(96)]
    table = {"usage_point": [GOOD] * 95 + [LONG], "start": stamps, "kwh": [0.25] * 96}
    pq.write_table(pa.table(table), tmp_path / "rows.parquet")
    done = run(store, tmp_path / "rows.parquet")
    assert (done.new, done.intake.rejected, done.intake.rejects[0].line) == (95, 1, 96)
    reads = [
        RegisterReading(point, START + timedelta(days=day), 1000.0 + day, device)
        for point, device in ((GOOD, "M-1"), ("REG-1", BAD))
        for day in range(3)
    ]
    points = {read.usage_point: UsagePoint(read.usage_point) for read in reads}
    text = b"".join(writer_named("nem13").write([], reads, points))
    (tmp_path / "reads.csv").write_bytes(text.replace(BAD.encode(), LONG.encode()))
    told = run(store, tmp_path / "reads.csv").intake.rejects[0].reason
    assert "is too long to name a meter: 121 characters" in told
    assert registered(store) == [GOOD]


def test_a_file_without_a_column_of_usage_points_whose_name_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / f"{'f' * 130}.csv"
    rows = [f"2025-03-01T{i // 4:02d}:{15 * (i % 4):02d}:00Z,1" for i in range(96)]
    path.write_text("\n".join(["start,kwh", *rows]))
    told = read_file(path).intake
    assert (told.accepted, told.rejected) == (0, 96)
    assert "--point ID" in told.rejects[0].remedy
