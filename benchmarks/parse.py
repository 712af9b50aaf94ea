"""How fast meter files are read: bytes to readings with verdicts, detection included."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.harness import Peer, Row, main, timed
from gridwright.domain.panel import Panel
from gridwright.formats.csv_reader import CsvReader
from gridwright.formats.parquet import ParquetReader
from gridwright.formats.registry import reader_named, writer_named
from gridwright.formats.source import Reader, ReadOptions

if TYPE_CHECKING:
    import pyarrow as pa

START = datetime(2024, 1, 1, tzinfo=UTC)
HALF_HOURS = 48
HALF_HOUR = timedelta(minutes=30)


def rows(*, quick: bool) -> Iterator[Row]:
    """Read a year of half hours of some homes as long CSV, wide CSV and Parquet, each beside pyarrow alone."""
    homes, days = (40 if quick else 150), 365
    values = np.random.default_rng(3).integers(0, 3000, (homes, days * HALF_HOURS))
    for name, text in (("csv_long", long_csv(values)), ("csv_wide", wide_csv(values))):
        yield _measured(name, CsvReader(), text, values.size, partial(plain_csv, text))
    packed = parquet(values)
    yield _measured("parquet", ParquetReader(), packed, values.size, lambda: plain_parquet(packed))
    yield from _exchanged(values)


def _exchanged(values: np.ndarray[Any, Any]) -> Iterator[Row]:
    """Write the same readings in formats of the trade, and read each again; MSCONS a tenth of them, it is verbose."""
    panel = Panel(tuple(f"MAC{home:06d}" for home in range(len(values))), START, HALF_HOUR, values.astype(float))
    few = panel.rows(range(max(1, len(values) // 10)))
    for name, whole, goal in (("csv", panel, ">= 3e6"), ("cmep", panel, ">= 3e6"), ("mscons", few, ">= 2e5")):
        writer, count = writer_named(name), whole.values.size
        text = b"".join(writer.write([whole], [], {}))
        writing = timed(lambda writer=writer, whole=whole: sum(map(len, writer.write([whole], [], {}))))  # type: ignore[misc]
        reader: Reader[Any] = reader_named(name)
        reading = timed(lambda reader=reader, text=text: read(reader, text))  # type: ignore[misc]
        shown = "csv as exported" if name == "csv" else name
        yield Row(shown, count / reading.cpu_s, "readings/s", goal if name != "csv" else "")
        yield Row(f"{shown}, writing", count / writing.cpu_s, "readings/s")


def _measured(name: str, reader: Reader[Any], data: bytes, readings: int, peer: Callable[[], object]) -> Row:
    ours = timed(lambda: read(reader, data)).cpu_s
    theirs = timed(peer).cpu_s
    rate, other = readings / ours, readings / theirs
    return Row(name, rate, "readings/s", ">= 3e6", Peer("pyarrow alone", other, rate / other))


def read(reader: Reader[Any], data: bytes) -> int:
    """Read a whole file; return how many readings it has."""
    view = memoryview(data)
    dialect = reader.inspect(view, "bench", ReadOptions())
    decoded = (reader.decode(view, chunk, dialect) for chunk in reader.chunks(view, dialect))
    return sum(series.size for piece in decoded for series in piece.series)


def long_csv(values: np.ndarray[Any, Any]) -> bytes:
    """Write one row a reading: point, local time, kWh."""
    stamps = [f"{START + timedelta(minutes=30 * slot):%Y-%m-%d %H:%M:%S}" for slot in range(values.shape[1])]
    lines = [
        f"MAC{home:06d},{stamp},{value / 1000:.3f}\n"
        for home, row in enumerate(values.tolist())
        for stamp, value in zip(stamps, row, strict=True)
    ]
    return ("LCLid,tstp,energy(kWh/hh)\n" + "".join(lines)).encode()


def wide_csv(values: np.ndarray[Any, Any]) -> bytes:
    """Write one row a day with 48 columns."""
    names = ",".join(f"{slot // 2:02d}:{slot % 2 * 30:02d}" for slot in range(HALF_HOURS))
    lines = [
        f"MAC{home:06d},{START + timedelta(days=day):%d/%m/%Y},"
        + ",".join(f"{value / 1000:.3f}" for value in row)
        + "\n"
        for home, year in enumerate(values.reshape(len(values), -1, HALF_HOURS).tolist())
        for day, row in enumerate(year)
    ]
    return (f"meter,date,{names}\n" + "".join(lines)).encode()


def parquet(values: np.ndarray[Any, Any]) -> bytes:
    """Write a Parquet file of the long shape."""
    import pyarrow as pa
    from pyarrow import parquet as pq

    homes, slots = values.shape
    start = np.datetime64(START.replace(tzinfo=None), "us")
    stamps = np.tile(start + np.arange(slots) * np.timedelta64(30, "m"), homes)
    points = np.repeat([f"MAC{home:06d}" for home in range(homes)], slots)
    table = pa.table({"meter_id": points, "timestamp": stamps, "kwh": values.ravel() / 1000})
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=2**19)
    return sink.getvalue()


def plain_csv(text: bytes) -> pa.Table:
    """Read the CSV with pyarrow and nothing else, on one thread."""
    import pyarrow as pa
    from pyarrow import csv

    return csv.read_csv(pa.BufferReader(text), read_options=csv.ReadOptions(use_threads=False))


def plain_parquet(data: bytes) -> pa.Table:
    """Read the Parquet file with pyarrow and nothing else, on one thread."""
    import pyarrow as pa
    from pyarrow import parquet as pq

    return pq.read_table(pa.BufferReader(data), use_threads=False)


if __name__ == "__main__":
    main(rows)
