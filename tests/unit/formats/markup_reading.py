"""Reading markup formats in tests: files of the shared data, and what a reader makes of bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gridwright.formats.registry import find_reader
from gridwright.formats.source import ReadOptions

if TYPE_CHECKING:
    from gridwright.domain.readings import Readings
    from gridwright.domain.verdict import Reject

Key = tuple[str, str, int, int]


@dataclass(frozen=True)
class Read:
    """What came of a file: series, rejects and counts of all its pieces, zones, evidence."""

    format: str
    series: tuple[Readings, ...]
    rejects: tuple[Reject, ...]
    rejected: int
    records: int
    zones: dict[str, str]
    told: dict[str, str]
    notes: tuple[str, ...]

    @property
    def values(self) -> dict[Key, float]:
        """Value in counts by usage point, reading type, interval and instant."""
        return {
            (s.points[point], s.reading_type.code, s.interval_s, at): value
            for s in self.series
            for point, at, value in zip(s.point.tolist(), s.at.tolist(), s.value.tolist(), strict=True)
        }


def read(data: bytes, options: ReadOptions | None = None, chunk_bytes: int = 0) -> Read:
    """Read a file with whichever reader is surest of it."""
    options, view = options or ReadOptions(), memoryview(data)
    reader: Any = find_reader(data[: 1 << 16], "file", options)
    if chunk_bytes:
        reader = type(reader)(chunk_bytes=chunk_bytes)
    dialect = reader.inspect(view, "file", options)
    pieces = [reader.decode(view, chunk, dialect) for chunk in reader.chunks(view, dialect)]
    return Read(
        reader.name,
        tuple(series for piece in pieces for series in piece.series),
        tuple(reject for piece in pieces for reject in piece.rejects),
        sum(piece.rejected for piece in pieces),
        sum(piece.records for piece in pieces),
        {point: zone for piece in pieces for point, zone in piece.zones.items()},
        {one.what: one.value for one in dialect.evidence},
        tuple(dict.fromkeys(note for piece in pieces for note in piece.notes)),
    )
