"""The same readings as CSV and as Parquet, in pieces of any size: the same names, the same values, the same words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet as pq

from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.errors import AmbiguousInput
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.domain.usage_point import UsagePoint
from gridwright.formats import registry
from gridwright.formats.csv_reader import CsvReader
from gridwright.formats.parquet import ParquetReader
from gridwright.formats.registry import writer_named
from gridwright.formats.source import ReadOptions
from gridwright.jobs.files.ingest_file import Imported, ingest_file
from gridwright.store import Store, open_store
from tests.unit.jobs.test_ingest_file import SmallPieces

NOW = datetime(2025, 6, 1, tzinfo=UTC)
START = datetime(2025, 3, 1, tzinfo=UTC)
SLOTS = 30
CHANNELS = ("", "E1", "E2", "T1", "kitchen")
Series = tuple[str, str]  # usage point and channel
every_series = st.tuples(st.sampled_from(("H-1", "H-2")), st.sampled_from(CHANNELS))


def a_panel(series: Series, number: int) -> Panel:
    """Return quarter-hours of one series, every one with numbers of its own."""
    values = (1000.0 * (number + 1) + np.arange(SLOTS, dtype=np.float64))[np.newaxis]
    kind = replace(DELIVERED_ENERGY, channel=series[1])
    return Panel((series[0],), START, timedelta(minutes=15), values, reading_type=kind)


def written(name: str, several: Sequence[Series]) -> bytes:
    panels = [a_panel(series, number) for number, series in enumerate(several)]
    zones = {point: UsagePoint(point, "UTC") for point, _ in several}
    return b"".join(writer_named(name).write(panels, [], zones))


def in_groups(data: bytes, rows: int) -> bytes:
    """Write a Parquet file again with other row groups."""
    sink = pa.BufferOutputStream()
    pq.write_table(pq.read_table(pa.BufferReader(data)), sink, row_group_size=rows)
    return bytes(sink.getvalue())


def a_store(stored: Sequence[Series]) -> Store:
    store = open_store("sqlite://")
    store.registry.save_points(LOCAL_OWNER, [UsagePoint(point, "UTC") for point, _ in stored])
    for number, series in enumerate(stored):
        store.readings.save(LOCAL_OWNER, a_panel(series, 50 + number), known_at=NOW)
    return store


def told(done: Imported) -> tuple[object, ...]:
    """Return what an import says that does not depend on the format."""
    intake = done.intake
    counts = intake.records, intake.accepted, intake.rejected, intake.repeated, intake.conflicting
    return counts, (done.new, done.changed, done.same), sorted(done.points), sorted(intake.notes)


def held(store: Store) -> dict[Series, list[float]]:
    """Return the values of every series."""
    whole = Interval(START, START + timedelta(minutes=15) * SLOTS)
    found = {}
    for point in store.registry.points(LOCAL_OWNER):
        for one in store.readings.extents(LOCAL_OWNER, [point.id]):
            panel = store.readings.load(LOCAL_OWNER, point.id, whole, reading_type=one.reading_type)
            found[point.id, one.reading_type.channel] = panel.values[0].tolist()
    return found


def imported(stored: Sequence[Series], suffix: str, data: bytes, *, dry_run: bool = False) -> tuple[object, object]:
    with TemporaryDirectory() as folder, a_store(stored) as store:
        path = Path(folder) / f"readings{suffix}"
        path.write_bytes(data)
        done = ingest_file(store, LOCAL_OWNER, path, ReadOptions(zone="UTC"), known_at=NOW, dry_run=dry_run)
        return told(done), held(store)


@given(
    st.lists(every_series, max_size=3, unique=True),
    st.lists(every_series, min_size=1, max_size=5, unique=True),
    st.integers(7, 70),
)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_neither_format_nor_pieces_change_a_name(
    monkeypatch: pytest.MonkeyPatch, stored: list[Series], several: list[Series], rows: int
) -> None:
    monkeypatch.setattr(registry, "READERS", (CsvReader(), ParquetReader()))
    table, columns = written("csv", several), written("parquet", several)
    expected = imported(stored, ".csv", table)
    assert imported(stored, ".parquet", in_groups(columns, 1 << 20)) == expected
    assert imported(stored, ".parquet", in_groups(columns, rows)) == expected
    assert imported(stored, ".parquet", in_groups(columns, rows), dry_run=True)[0] == expected[0]
    monkeypatch.setattr(registry, "READERS", (SmallPieces(80 * rows), ParquetReader()))
    assert imported(stored, ".csv", table) == expected


def test_the_first_channel_of_two_joins_nothing_though_the_second_comes_later() -> None:
    """Each row group is a piece: the first one alone looks like a meter of one channel."""
    data = in_groups(written("parquet", [("H-1", "E1"), ("H-1", "E2")]), SLOTS)
    notes, series = imported([("H-1", "")], ".parquet", data)
    assert isinstance(series, dict)
    assert set(series) == {("H-1", ""), ("H-1", "E1"), ("H-1", "E2")}
    assert series["H-1", ""][0] == 51_000
    assert "stand beside those of channel E1 and channel E2" in str(notes)


def test_a_file_of_several_meters_that_nothing_tells_apart_is_refused_in_either_format(tmp_path: Path) -> None:
    """Their readings contradict each other, and nothing of the file may be stored."""
    at = [START + timedelta(minutes=15 * slot) for slot in range(720)]
    values = [(slot * 7 % 10) / 8 + meter for meter in (1, 2) for slot in range(720)]
    table = pa.table({"Blob": ["A 1"] * 720 + ["B 2"] * 720, "time": at * 2, "kWh": values})
    pq.write_table(table, tmp_path / "mixed.parquet")
    rows = [f"{blob},{start.isoformat()},{kwh}" for blob, start, kwh in zip(*table.to_pydict().values(), strict=True)]
    (tmp_path / "mixed.csv").write_text("\n".join(["Blob,time,kWh", *rows, ""]))
    for name in ("mixed.csv", "mixed.parquet"):
        with a_store([]) as store:
            with pytest.raises(AmbiguousInput, match="several usage points"):
                ingest_file(store, LOCAL_OWNER, tmp_path / name, known_at=NOW)
            assert held(store) == {}
