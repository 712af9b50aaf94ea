"""Parquet: typed columns of the same roles, row groups as pieces."""

from __future__ import annotations

import io
from contextlib import suppress
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet as pq

from gridwright.domain.errors import GridwrightError, UnreadableFile
from gridwright.domain.reading_type import Accumulation, Quantity
from gridwright.formats.layout import Layout
from gridwright.formats.parquet import ParquetReader, _head
from gridwright.formats.registry import find_reader
from gridwright.formats.source import Decoded, ReadOptions

READER = ParquetReader()
HALF_HOURS = np.datetime64("2021-01-01", "us") + np.arange(96) * np.timedelta64(30, "m")


def written(columns: dict[str, Any], **options: Any) -> bytes:  # noqa: ANN401 - whatever pyarrow takes
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, **options)
    return sink.getvalue()


def read(data: bytes, **options: Any) -> list[Decoded]:  # noqa: ANN401 - any option
    view = memoryview(data)
    dialect = READER.inspect(view, "m.parquet", ReadOptions(**options))
    return [READER.decode(view, chunk, dialect) for chunk in READER.chunks(view, dialect)]


@pytest.mark.parametrize(
    ("values", "counts"),
    [
        (pa.array(np.arange(96) / 1000), np.arange(96)),
        (pa.array((np.arange(96) / 1000).astype(np.float32)), np.arange(96)),
        (pa.array([Decimal(step) / 1000 for step in range(96)], pa.decimal128(9, 3)), np.arange(96)),
        (pa.array([f"0.{step:03d}" for step in range(96)]), np.arange(96)),
        (pa.array(np.arange(96), pa.int32()), np.arange(96) * 1000),
    ],
)
def test_types_of_values(values: pa.Array, counts: Any) -> None:  # noqa: ANN401 - an array
    (piece,) = read(written({"meter": ["A"] * 96, "time": HALF_HOURS, "kwh": values}), kind="interval")
    np.testing.assert_array_equal(piece.series[0].value, counts)


@pytest.mark.parametrize(
    "stamps",
    [
        pa.array(HALF_HOURS),
        pa.array(HALF_HOURS.astype("datetime64[ns]")),
        pa.array(HALF_HOURS.astype("datetime64[s]")).cast(pa.timestamp("s", "UTC")),
        pa.array(HALF_HOURS.astype("datetime64[s]").astype(np.int64)),
        pa.array([str(moment) for moment in HALF_HOURS.astype("datetime64[s]")]),
    ],
)
def test_types_of_stamps(stamps: pa.Array) -> None:
    (piece,) = read(written({"time": stamps, "kwh": np.ones(96)}))
    np.testing.assert_array_equal(piece.series[0].at, HALF_HOURS.astype("datetime64[s]").astype(np.int64))
    assert piece.series[0].points == ("m",)


def test_date_and_hour_columns() -> None:
    dates = pa.array(np.repeat(np.array(["2021-01-01", "2021-01-02"], "datetime64[D]"), 24))
    (piece,) = read(written({"date": dates, "hour": list(range(1, 25)) * 2, "demand_mw": np.arange(48.0)}))
    assert piece.series[0].reading_type.quantity is Quantity.POWER
    np.testing.assert_array_equal(np.diff(piece.series[0].at), 3600)
    assert piece.series[0].at[0] == np.datetime64("2021-01-01", "s").astype(int)


def test_points_of_dictionary_type_and_row_groups() -> None:
    points = pa.array(["A", "B"] * 96).dictionary_encode()
    data = written({"meter_id": points, "time": np.repeat(HALF_HOURS, 2), "kwh": np.ones(192)}, row_group_size=50)
    pieces = read(data)
    assert [piece.records for piece in pieces] == [50, 50, 50, 42]
    assert [int(piece.series[0].line[0]) for piece in pieces] == [1, 51, 101, 151]
    assert pieces[1].series[0].points == ("A", "B")


def test_resuming_after_a_group() -> None:
    data = memoryview(written({"time": HALF_HOURS, "kwh": np.ones(96)}, row_group_size=40))
    dialect = READER.inspect(data, "m.parquet", ReadOptions())
    chunks = list(READER.chunks(data, dialect))
    assert list(READER.chunks(data, dialect, after=chunks[0].end)) == chunks[1:]


def test_nulls_infinities_and_zero_columns() -> None:
    values = [1.0, None, float("inf"), float("nan"), *[2.0] * 92]
    (piece,) = read(written({"time": HALF_HOURS, "import_kwh": values, "export_kwh": np.zeros(96)}))
    (series,) = piece.series
    assert series.size == 95
    assert np.isnan(series.value).sum() == 2
    assert [(reject.line, reject.value) for reject in piece.rejects] == [(3, "inf")]
    assert "export_kwh" in piece.notes[0]


def test_registers() -> None:
    (piece,) = read(written({"time": HALF_HOURS, "reading_kwh": np.cumsum(np.ones(96))}))
    assert piece.series[0].reading_type.accumulation is Accumulation.CUMULATIVE


GOOD = written({"meter": ["A"] * 96, "time": HALF_HOURS, "kwh": np.arange(96) / 1000})


@pytest.mark.parametrize("data", [GOOD[:-20], GOOD[:100], b"PAR1", b"PAR1" * 5, written({"time": [], "kwh": []})])
def test_broken_files_say_why(data: bytes) -> None:
    with pytest.raises(UnreadableFile) as caught:
        read(data)
    assert caught.value.where == "m.parquet"
    assert caught.value.remedy


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
@settings(max_examples=150)
def test_a_damaged_byte_raises_nothing_unexpected(place: int, change: int) -> None:
    damaged = bytearray(GOOD)
    damaged[place] ^= change
    with suppress(GridwrightError):
        read(bytes(damaged))


def test_the_registry_finds_parquet() -> None:
    assert find_reader(GOOD[:1000], "anything.bin", ReadOptions()).name == "parquet"


@pytest.mark.parametrize("cells", [30, 100, 10**6])
def test_a_large_row_group_is_read_in_parts(cells: int) -> None:
    """Whatever the parts are, and whether they are read in order or not, the readings are the same."""
    meters = [f"M{row // 96}" for row in range(96 * 5)]
    times, kwh = np.tile(HALF_HOURS, 5), np.arange(96 * 5) / 1000
    data = memoryview(written({"meter": meters, "time": times, "kwh": kwh}, row_group_size=200))
    reader = ParquetReader(part_cells=cells)
    dialect = reader.inspect(data, "m.parquet", ReadOptions(kind="interval"))
    chunks = list(reader.chunks(data, dialect))
    assert len(chunks) == {30: 3 * 20 - 12, 100: 15, 10**6: 3}[cells]
    assert all(one.end == other.start or other.start > one.end for one, other in pairwise(chunks))
    assert list(reader.chunks(data, dialect, chunks[2].start)) == chunks[2:]
    for order in (chunks, chunks[::-1], chunks[1::2] + chunks[::2]):
        pieces = {chunk.start: reader.decode(data, chunk, dialect) for chunk in order}
        whole = [pieces[chunk.start].series[0] for chunk in chunks]
        assert np.concatenate([part.value for part in whole]).tolist() == list(range(96 * 5))
        assert np.concatenate([part.line for part in whole]).tolist() == list(range(1, 96 * 5 + 1))
        named = [part.points[point] for part in whole for point in part.point.tolist()]
        assert named == meters


def test_the_sample_of_a_wide_file_is_bounded_by_its_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def head(file: pq.ParquetFile, group: int, layout: Layout, rows: int) -> pa.Table:
        asked.append(rows)
        return _head(file, group, layout, rows)

    monkeypatch.setattr("gridwright.formats.parquet._head", head)
    monkeypatch.setattr("gridwright.formats.parquet.SAMPLE_CELLS", 24 * 1000)
    names = [f"UP{number}" for number in range(2_000)]
    hours = {f"{hour:02d}:00": [1.5] * len(names) for hour in range(24)}
    (decoded,) = read(written({"meter_id": names, "date": ["2025-03-03"] * len(names), **hours}))
    assert asked == [24 * 1000 // 26]
    assert sum(part.size for part in decoded.series) == len(names) * 24


@pytest.mark.parametrize(("zone", "told"), [("Europe/Malta", "Europe/Malta"), ("UTC", "UTC"), ("+02:00", "UTC")])
def test_stamps_that_name_their_zone_tell_it(zone: str, told: str) -> None:
    at = pa.array(range(1_740_000_000 // 900 * 900, 1_740_000_000 // 900 * 900 + 96 * 900, 900), pa.int64())
    data = memoryview(written({"time": at.cast(pa.timestamp("s", zone)), "kwh": [0.25] * 96}))
    for options, expected in ((ReadOptions(), told), (ReadOptions(zone="Asia/Tokyo"), "Asia/Tokyo")):
        dialect = ParquetReader().inspect(data, "x.parquet", options)
        assert dialect.layout.clock.zone == expected
        assert [each.value for each in dialect.evidence if each.what == "zone"] == [expected]
