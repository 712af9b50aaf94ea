"""Day-blocks between the database and a Parquet table: values in counts as lists, and back to the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from gridwright.domain import quality as q
from gridwright.domain.errors import StoreCorrupt
from gridwright.domain.interval import DAY_S
from gridwright.store.days.checksum import COUNTS, KNOWN, QUALITY, Numbers, Sums, a_row, mix, of_rows
from gridwright.store.days.known import Instants, pack_stored, unpack_each
from gridwright.store.days.pack import DTYPE, NOTHING, Values, pack_quality, unpack_counts, unpack_quality

SCHEMA = pa.schema(
    [
        pa.field("usage_point", pa.string(), nullable=False),
        pa.field("reading_type", pa.string(), nullable=False),
        pa.field("image", pa.string(), nullable=False),
        pa.field("day", pa.date32(), nullable=False),
        pa.field("phase_s", pa.int32(), nullable=False),
        pa.field("interval_s", pa.int32(), nullable=False),
        pa.field("width", pa.int8(), nullable=False),
        pa.field("values", pa.list_(pa.int64()), nullable=False),
        pa.field("quality", pa.list_(pa.uint8()), nullable=False),
        pa.field("known_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("revision", pa.int32(), nullable=False),
        # When each slot became known; empty where all did at known_at.
        pa.field("known", pa.list_(pa.timestamp("us", tz="UTC")), nullable=True),
        pa.field("additions", pa.int32(), nullable=False),
    ]
)


class StoredBlock(NamedTuple):
    """A row of `block` or `block_version`, as it stands in the database."""

    usage_point: int
    phase_s: int
    width: int
    slots: int
    quality_all: int | None
    quality: bytes | None
    counts: bytes
    known_at_us: int
    revision: int
    known: bytes | None
    additions: int


def taken_back(row: StoredBlock) -> int:
    """Return how many readings of a row were taken back."""
    if row.quality is None:
        return row.slots if row.quality_all == q.TAKEN_BACK else 0
    return bytes(row.quality).count(q.TAKEN_BACK)


def decode(row: StoredBlock, day: int) -> tuple[Values, npt.NDArray[np.uint8], Instants]:
    """Return values, qualities, and when each slot became known, of one row."""
    values = unpack_counts([row.counts], [row.width], row.slots)[0]
    quality = unpack_quality([row.quality_all], [row.quality], row.slots)[0]
    return values, quality, unpack_each([row.known], [row.known_at_us], row.slots, day)[0]


def checksums_of(rows: Sequence[StoredBlock], kind: int, day: int) -> Sums:
    """Return the checksum that the content of each row says, of rows of one reading type and day."""
    if not rows:
        return np.zeros(0, np.uint64)
    points, phase_s, widths, slots, quality_all, quality, counts, known_at_us, _, known, _ = zip(*rows, strict=True)
    alike = [a_row(column) for column in (phase_s, slots, widths, quality_all)]
    each = np.array(known_at_us, np.int64), np.array(points, np.int64)
    columns = of_rows(known, KNOWN) + of_rows(quality, QUALITY) + of_rows(counts, COUNTS)
    sums: Sums = mix(Numbers._make((kind, day, *alike, *each))) + columns
    return sums


class Kind(NamedTuple):
    """Which series: the key in the database, the reading type's code, and the image."""

    key: int
    code: str
    image: str


@dataclass(slots=True)
class Tally:
    """What went into a file: rows, readings, their exact sum, the revisions, and a checksum of every byte of them."""

    blocks: int = 0
    readings: int = 0
    total: int = 0
    revisions: int = 0
    _digest: Any = field(default_factory=hashlib.sha256)

    def add(self, day: int, names: Sequence[str], rows: Sequence[StoredBlock]) -> None:
        """Count the rows of a day, in the order of the file."""
        self.blocks += len(rows)
        self.revisions += sum(row.revision + row.additions for row in rows)
        for at, width, slots in _groups(rows):
            values, known = _values(rows, at, width, slots)
            self.readings += int(known.sum())
            self.total += _exact_sum(values[known])
        head = [(name, *row[1:5], *row[7:]) for name, row in zip(names, rows, strict=True)]
        self._digest.update(repr((day, head)).encode())
        self._digest.update(b"".join(row.counts for row in rows))
        self._digest.update(b"".join(row.quality for row in rows if row.quality is not None))

    @property
    def checksum(self) -> str:
        """SHA-256 of the content, whatever the file looks like."""
        return str(self._digest.hexdigest())


def _exact_sum(values: npt.NDArray[np.int64]) -> int:
    """Return a sum that cannot overflow: the halves of each number are summed apart."""
    low = int((values & 0xFFFFFFFF).sum())
    return (int((values >> 32).sum()) << 32) + low


def _groups(rows: Sequence[StoredBlock]) -> Iterator[tuple[npt.NDArray[np.intp], int, int]]:
    """Yield the places of rows that are laid out alike, with width and slots."""
    shapes = np.array([row.width * (1 << 20) + row.slots for row in rows], np.int64)
    for shape in np.unique(shapes).tolist():
        yield np.flatnonzero(shapes == shape), shape >> 20, shape & 0xFFFFF


def _values(
    rows: Sequence[StoredBlock], at: npt.NDArray[np.intp], width: int, slots: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return int64[n, slots] and where there is a value."""
    joined = b"".join(rows[row].counts for row in at.tolist())
    if width not in DTYPE or len(joined) != at.size * slots * width:
        raise StoreCorrupt(
            f"a block of {slots} slots of {width} bytes has another length",
            remedy="gridwright verify names the rows; bring the database back from a backup",
        )
    packed = np.frombuffer(joined, DTYPE[width]).reshape(-1, slots).astype(np.int64)
    return packed, packed != NOTHING[width]


def readings_of(rows: Sequence[StoredBlock]) -> npt.NDArray[np.int64]:
    """Return how many slots of each row have a value."""
    found = np.zeros(len(rows), np.int64)
    for at, width, slots in _groups(rows):
        found[at] = np.count_nonzero(_values(rows, at, width, slots)[1], axis=1)
    return found


def to_table(kind: Kind, day: int, names: Sequence[str], rows: Sequence[StoredBlock]) -> pa.Table:
    """Return rows of one day as a table of `SCHEMA`."""
    slots = np.array([row.slots for row in rows], np.int64)
    ends = np.concatenate(([0], np.cumsum(slots)))
    values, known = np.zeros(ends[-1], np.int64), np.zeros(ends[-1], np.bool_)
    quality = np.zeros(ends[-1], np.uint8)
    for at, width, count in _groups(rows):
        places = (ends[at][:, None] + np.arange(count)).ravel()
        some, there = _values(rows, at, width, count)
        values[places], known[places] = some.ravel(), there.ravel()
        each = [rows[row] for row in at.tolist()]
        quality[places] = unpack_quality([r.quality_all for r in each], [r.quality for r in each], count).ravel()
    n, offsets = len(rows), pa.array(ends, pa.int32())
    columns = [
        pa.array(names, pa.string()),
        pa.array([kind.code] * n, pa.string()),
        pa.array([kind.image] * n, pa.string()),
        pa.array(np.full(n, day, np.int32), pa.int32()).cast(pa.date32()),
        pa.array([row.phase_s for row in rows], pa.int32()),
        pa.array(DAY_S // slots, pa.int32()),
        pa.array([row.width for row in rows], pa.int8()),
        pa.ListArray.from_arrays(offsets, pa.array(values, mask=~known)),
        pa.ListArray.from_arrays(offsets, pa.array(quality)),
        pa.array([row.known_at_us for row in rows], pa.int64()).cast(pa.timestamp("us", tz="UTC")),
        pa.array([row.revision for row in rows], pa.int32()),
        _known_column(rows, day),
        pa.array([row.additions for row in rows], pa.int32()),
    ]
    return pa.table(columns, schema=SCHEMA)


def _known_column(rows: Sequence[StoredBlock], day: int) -> pa.ListArray:
    """Return when each slot became known, in microseconds; null for a row that does not tell."""
    some = [row for row in rows if row.known is not None]
    lengths = [row.slots if row.known is not None else 0 for row in rows]
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    parts = [unpack_each([row.known], [0], row.slots, day)[0] for row in some]
    values = pa.array(np.concatenate(parts) if parts else np.zeros(0, np.int64), pa.int64())
    absent = pa.array([row.known is None for row in rows], pa.bool_())
    return pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()), values.cast(pa.timestamp("us", tz="UTC")), mask=absent
    )


def _known_bytes(table: pa.Table) -> list[bytes | None]:
    """Return the column as the database holds it."""
    day, found = int(table["day"].cast(pa.int32())[0].as_py()) if table.num_rows else 0, []
    column = _one(table["known"])
    absent, offsets = np.asarray(column.is_null()), np.asarray(column.offsets)
    instants = np.asarray(column.values.cast(pa.int64()))
    for row in range(table.num_rows):
        each = None if absent[row] else instants[None, offsets[row] : offsets[row + 1]]
        found.append(None if each is None else pack_stored(each, day))
    return found


def to_blocks(table: pa.Table, keys: Mapping[str, int]) -> tuple[list[str], list[StoredBlock]]:
    """Return the usage points and rows of a table, byte for byte as they were in the database; -1 = a point unknown."""
    table = table.combine_chunks()
    names = table["usage_point"].to_pylist()
    slots = DAY_S // table["interval_s"].to_numpy()
    widths, ends = table["width"].to_numpy(), np.concatenate(([0], np.cumsum(slots)))
    flat = _one(table["values"]).flatten()
    known = ~np.asarray(flat.is_null())
    values = np.asarray(flat.fill_null(0))
    quality = np.asarray(_one(table["quality"]).flatten())
    counts: list[bytes] = [b""] * len(names)
    shared: list[int | None] = [None] * len(names)
    single: list[bytes | None] = [None] * len(names)
    shapes = widths.astype(np.int64) * (1 << 20) + slots
    for shape in np.unique(shapes).tolist():
        at = np.flatnonzero(shapes == shape)
        width, count = shape >> 20, shape & 0xFFFFF
        places = ends[at][:, None] + np.arange(count)
        packed = np.where(known[places], values[places], NOTHING[width]).astype(DTYPE[width])
        every, mixed = pack_quality(quality[places])
        for row, content, all_same, each in zip(at.tolist(), packed, every, mixed, strict=True):
            counts[row], shared[row], single[row] = content.tobytes(), all_same, each
    columns = (
        [keys.get(name, -1) for name in names],
        table["phase_s"].to_pylist(),
        widths.tolist(),
        slots.tolist(),
        shared,
        single,
        counts,
        table["known_at"].cast(pa.int64()).to_pylist(),
        table["revision"].to_pylist(),
        _known_bytes(table),
        table["additions"].to_pylist(),
    )
    return names, [StoredBlock(*row) for row in zip(*columns, strict=True)]


def _one(column: pa.ChunkedArray) -> pa.ListArray:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def by_day(tables: Iterator[pa.Table]) -> Iterator[tuple[int, pa.Table]]:
    """Yield the rows of each day together, from tables in order of day."""
    held: pa.Table | None = None
    for table in tables:
        held = table if held is None else pa.concat_tables([held, table])
        days = held["day"].cast(pa.int32()).to_numpy()
        starts = np.concatenate(([0], np.flatnonzero(np.diff(days)) + 1)) if days.size else np.zeros(0, np.intp)
        for start, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
            yield int(days[start]), held.slice(start, end - start)
        held = held.slice(int(starts[-1])) if starts.size else None
    if held is not None and held.num_rows:
        yield int(held["day"].cast(pa.int32())[0].as_py()), held


Progress = Callable[[int], None]
