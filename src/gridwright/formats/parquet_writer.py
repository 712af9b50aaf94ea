"""Writing Parquet: a row a reading in UTC, a row group for some hundred thousand of them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gridwright.domain.interval import epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.formats.keeps import Keeps
from gridwright.formats.writer import QUALITY_WORDS, WRITTEN_UNIT, every_channel, holds_everything, written_values

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_A_GROUP = 1 << 19


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Rows of one reading type: place of each in `points`, start and end in epoch seconds, value, quality byte."""

    points: Sequence[str]
    kind: ReadingType
    point: npt.NDArray[np.int32]
    start: npt.NDArray[np.int64]
    end: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    quality: npt.NDArray[np.uint8]


KEEPS = Keeps()


@dataclass(frozen=True, slots=True)
class ParquetWriter:
    """Writes Parquet with the columns of the long CSV; stamps carry the zone that all usage points share, else UTC."""

    name: str = "parquet"
    suffix: str = ".parquet"
    keeps: Keeps = KEEPS

    written_channel = every_channel
    why_not = holds_everything

    def write(
        self, panels: Sequence[Panel], registers: Sequence[RegisterReading], points: Mapping[str, UsagePoint]
    ) -> Iterator[bytes]:
        """Yield the file piece by piece, a row group at a time."""
        from pyarrow import parquet as pq

        zones = {point.zone for point in points.values()}
        schema, sink = _schema(zones.pop() if len(zones) == 1 else "UTC"), _Sink()
        with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
            for columns in (*map_panels(panels), *map_registers(registers)):
                for table in _tables(columns, schema):
                    writer.write_table(table)
                    yield sink.taken()
        yield sink.taken()


PARQUET_WRITER = ParquetWriter()


class _Sink(io.RawIOBase):
    """Keeps what is written until it is taken."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        """Tell that it can be written."""
        return True

    def write(self, data: object) -> int:
        """Keep a piece."""
        piece = bytes(data)  # type: ignore[call-overload]
        self._pieces.append(piece)
        self._size += len(piece)
        return len(piece)

    def tell(self) -> int:
        """Return how much was written in all."""
        return self._size

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        data, self._pieces = b"".join(self._pieces), []
        return data


def _schema(zone: str) -> pa.Schema:
    import pyarrow as pa

    words = pa.dictionary(pa.int32(), pa.string())
    stamp = pa.timestamp("s", zone)
    return pa.schema(
        [
            ("usage_point", words),
            ("reading_type", words),
            ("start", stamp),
            ("end", stamp),
            ("value", pa.float64()),
            ("unit", words),
            ("quality", words),
        ]
    )


def map_panels(panels: Sequence[Panel]) -> Iterator[Columns]:
    """Yield the intervals that have a value, as columns, some usage points at a time."""
    for panel in panels:
        step = max(1, ROWS_A_GROUP // max(panel.slots, 1))
        starts = epoch_s(panel.start) + panel.interval_s * np.arange(panel.slots, dtype=np.int64)
        for first in range(0, len(panel.points), step):
            values = panel.values[first : first + step]
            row, slot = np.nonzero(~np.isnan(values))
            yield Columns(
                panel.points[first : first + step],
                panel.reading_type,
                row.astype(np.int32),
                starts[slot],
                starts[slot] + panel.interval_s,
                values[row, slot],
                panel.quality[first : first + step][row, slot],
            )


def map_registers(registers: Sequence[RegisterReading]) -> Iterator[Columns]:
    """Yield register reads as columns; a read begins and ends at its instant."""
    for (point, kind), group in groupby(registers, key=lambda read: (read.usage_point, read.reading_type)):
        reads = list(group)
        at = np.array([epoch_s(read.at) for read in reads], np.int64)
        value = np.array([read.value for read in reads], np.float64)
        quality = np.array([read.quality for read in reads], np.uint8)
        yield Columns([point], kind, np.zeros(at.size, np.int32), at, at, value, quality)


def _tables(columns: Columns, schema: pa.Schema) -> Iterator[pa.Table]:
    import pyarrow as pa

    def words(codes: npt.NDArray[np.int32], known: Sequence[str]) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(list(known), pa.string()))

    for first in range(0, columns.point.size, ROWS_A_GROUP):
        rows = slice(first, first + ROWS_A_GROUP)
        one = np.zeros(columns.point[rows].size, np.int32)
        bytes_there, quality = np.unique(columns.quality[rows], return_inverse=True)
        stamp = schema.field("start").type
        yield pa.table(
            [
                words(columns.point[rows], columns.points),
                words(one, [columns.kind.code]),
                pa.array(columns.start[rows], pa.int64()).cast(stamp),
                pa.array(columns.end[rows], pa.int64()).cast(stamp),
                written_values(columns.kind, columns.value[rows]),
                words(one, [WRITTEN_UNIT[columns.kind.quantity]]),
                words(quality.astype(np.int32), [QUALITY_WORDS[byte] for byte in bytes_there.tolist()]),
            ],
            schema=schema,
        )
