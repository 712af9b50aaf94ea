"""A few megabytes that unpack to gigabytes are refused in little memory, however they are packed."""

from __future__ import annotations

import gzip
import io
import random
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from gridwright.domain.errors import UnreadableFile
from gridwright.formats.container import unwrap
from gridwright.formats.parquet import ParquetReader
from gridwright.formats.source import ReadOptions
from gridwright.formats.unpacking import LARGE, View, most_from

MIB = 1 << 20
PEAK = 300 * MIB
NOISE = random.Random(7).randbytes(48 << 10)  # noqa: S311 - noise, no secret
ROWS = 300


def zeros(size: int = 16 * MIB) -> bytes:
    """Return a gzip member that unpacks to a thousand times its size."""
    return gzip.compress(bytes(size), 9)


def padded() -> bytes:
    """Return a gzip member whose ratio is just one that a text of zeros may have."""
    return gzip.compress(NOISE + bytes(16 * MIB), 9)


def readings() -> bytes:
    """Return a text of readings that packs to some fifth."""
    noise = random.Random(8)  # noqa: S311 - noise, no secret
    return "".join(f"P{row % 97},2025-01-01T00:00Z,{noise.random():.5f}\n" for row in range(200_000)).encode()


def zipped(members: Sequence[bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", method, compresslevel=9) as archive:
        for number, member in enumerate(members):
            archive.writestr(f"{number}.csv", member)
    return sink.getvalue()


def overlapping() -> bytes:
    """Return a zip of many members that are all the same packed bytes."""
    data = bytearray(zipped([NOISE * 20 + bytes(64 * MIB)]))
    directory = data.index(b"PK\1\2")
    entry, end = data[directory:-22], data[-22:]
    end[8:12] = (60).to_bytes(2, "little") * 2
    end[12:16] = (60 * len(entry)).to_bytes(4, "little")
    return bytes(data[:directory] + entry * 60 + end)


BOMBS: dict[str, Callable[[], bytes]] = {
    "gzip": lambda: zeros() * 300,
    "gzip that is hardly a bomb": lambda: padded() * 75,
    "gzip behind readings": lambda: gzip.compress(readings()) + zeros() * 300,
    "gzip in gzip": lambda: gzip.compress(zeros() * 300),
    "gzip in zip": lambda: zipped([zeros() * 300], zipfile.ZIP_STORED),
    "many gzips in zip": lambda: zipped([padded()] * 75, zipfile.ZIP_STORED),
    "zip of many": lambda: zipped([bytes(16 * MIB)] * 20),
    "zip whose members overlap": overlapping,
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_is_refused_in_little_memory(bomb: Callable[[], bytes]) -> None:
    data = bomb()
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableFile, match="unpacks to more than"):
            unwrap(memoryview(data), "bomb")
        assert tracemalloc.get_traced_memory()[1] < PEAK
    finally:
        tracemalloc.stop()


def test_what_readings_pack_to_is_unpacked_with_one_copy() -> None:
    text = readings() * 12
    data = gzip.compress(text, 1)
    tracemalloc.start()
    try:
        (content,) = unwrap(memoryview(data), "a.csv.gz")
        assert tracemalloc.get_traced_memory()[1] < 1.3 * len(text)
    finally:
        tracemalloc.stop()
    assert content.data == text


@pytest.mark.parametrize("word", [b"0", b"0.000"])
def test_a_file_of_zeros_alone_is_no_bomb(word: bytes) -> None:
    """A day of five minutes without energy packs to a 230th."""
    day = (b"," + word) * 288 + b",A,,,20240103120000,\n"
    text = b"".join(b"300,%d" % (20240101 + row % 30) + day for row in range(20_000))
    packed = zlib.compressobj(6, wbits=31)
    data = packed.compress(text) + packed.flush()
    (content,) = unwrap(memoryview(data), "a.csv.gz")
    assert content.data == text


@pytest.mark.parametrize(
    ("packed", "most"), [(1, 16 * MIB), (100_000, 300 * 100_000), (4 * MIB, LARGE), (100 * MIB, 4_000 * MIB)]
)
def test_how_much_a_container_may_unpack_to(packed: int, most: int) -> None:
    assert most_from(packed) == most


def test_a_view_is_read_as_a_file_is() -> None:
    view, file = View(memoryview(b"0123456789")), io.BytesIO(b"0123456789")
    for act in ((2, 0), (3, 1), (-4, 2), (99, 0)):
        assert view.seek(*act) == file.seek(*act)
        assert (view.read(3), view.tell()) == (file.read(3), file.tell())
    with pytest.raises(OSError, match="negative"):
        view.seek(-11, io.SEEK_END)


def columns(**more: Any) -> bytes:  # noqa: ANN401 - whatever pyarrow takes
    """Return a Parquet file of hours of one usage point, with columns of its own."""
    hours = np.datetime64("2025-01-01", "s") + np.arange(ROWS) * np.timedelta64(1, "h")
    sink = io.BytesIO()
    table = pa.table({"point": ["P1"] * ROWS, "time": hours, "kwh": np.ones(ROWS), **more})
    dictionary = "page" not in more
    pq.write_table(table, sink, compression="zstd", use_dictionary=dictionary, data_page_size=1 << 30)
    return sink.getvalue()


def read(data: bytes) -> int:
    view, reader = memoryview(data), ParquetReader()
    dialect = reader.inspect(view, "a.parquet", ReadOptions())
    return sum(reader.decode(view, chunk, dialect).records for chunk in reader.chunks(view, dialect))


LONG = "x" * MIB


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (columns(page=[LONG] * ROWS), "column page of row group 1 unpacks to"),
        (columns(point=[LONG] * ROWS), "the texts of a column are 314,572,800 bytes in 300 rows"),
    ],
    ids=["pages", "words"],
)
def test_a_parquet_file_of_long_texts_is_refused_unread(data: bytes, says: str) -> None:
    usual = pa.default_memory_pool()
    pa.set_memory_pool(counted := pa.proxy_memory_pool(usual))
    try:
        with pytest.raises(UnreadableFile, match=says):
            read(data)
    finally:
        pa.set_memory_pool(usual)
    assert (counted.max_memory() or 0) < 32 * MIB


def test_a_long_text_that_tells_nothing_takes_memory_once() -> None:
    data = columns(note=[LONG] * ROWS, notes=[[LONG]] * ROWS)
    tracemalloc.start()
    try:
        assert read(data) == ROWS
        assert tracemalloc.get_traced_memory()[1] < 32 * MIB
    finally:
        tracemalloc.stop()
