"""Rows of day-blocks in bulk: read and added; each dialect's own way stands behind one function."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.store.days.checksum import COUNTS, QUALITY, STORED, Numbers, Sums, a_row, mix, of_rows, stored
from gridwright.store.days.known import LONG, SHORT
from gridwright.store.days.pack import PackedRows, Values, unpack_counts, unpack_quality
from gridwright.store.session import Unit

INSERT = (
    "INSERT INTO block (reading_type, day, usage_point, phase_s, width, slots, quality_all, quality, counts, "
    "known_at_us, revision, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
# The same of rows of one width and quality: what they share is said once, the rest is cut out of what is joined.
INSERT_ALIKE = (
    "INSERT INTO block (reading_type, day, usage_point, phase_s, width, slots, quality_all, quality, counts, "
    "known_at_us, revision, checksum) SELECT ?1, ?2, value, ?3, ?4, ?5, ?6, substr(?7, 1 + key * ?5, ?5), "
    "substr(?8, 1 + key * ?4 * ?5, ?4 * ?5), ?9, 1, substr(?10, 1 + key * 8, 8) FROM json_each(?11)"
)
COPY = (
    "COPY block (reading_type, day, usage_point, phase_s, width, slots, quality_all, quality, counts, known_at_us, "
    "revision, checksum) FROM STDIN (FORMAT BINARY)"
)
COPY_TYPES = ("int4", "int4", "int8", "int4", "int2", "int4", "int2", "bytea", "bytea", "int8", "int4", "bytea")
# The four small columns travel as one number: a column costs more to fetch than the bytes of a day.
SHAPE = "phase_s * 4294967296 + slots * 8192 + width * 512 + COALESCE(quality_all, 256)"
# The bytes a slot of `known`, none, five or eight, in the two bits that the slots leave.
IMAGE_SHAPE = (
    f"{SHAPE} + CASE WHEN known IS NULL THEN 0 WHEN LENGTH(known) = slots * 5 THEN 1073741824 ELSE 2147483648 END"
)
DAY = "SELECT usage_point, {shape}, quality, counts FROM block WHERE reading_type = ? AND day = ? AND {which}"
IMAGES = (
    "SELECT usage_point, {shape}, quality, counts, known_at_us, revision, known, checksum FROM block "
    "WHERE reading_type = ? AND day = ? AND {which}"
)
VERSIONS = (
    "SELECT usage_point, {shape}, quality, counts, known_at_us, revision, known FROM block_version "
    "WHERE reading_type = ? AND day = ? AND {which}"
)
DAYS_OF_ONE = (
    "SELECT day, {shape}, quality, counts FROM block "
    "WHERE reading_type = ? AND usage_point = ? AND day IN ({days}) ORDER BY day"
)
# PostgreSQL's planner would rather read the index of all meters; the lateral join makes it look up each day.
DAYS_OF_ONE_POSTGRES = (
    "SELECT days.day, found.shape, found.quality, found.counts FROM unnest(ARRAY[{days}]::integer[]) AS days (day) "
    "CROSS JOIN LATERAL (SELECT {shape} AS shape, quality, counts FROM block "
    "WHERE reading_type = ? AND usage_point = ? AND block.day = days.day OFFSET 0) AS found ORDER BY 1"
)
LOCK = "SELECT id FROM usage_point WHERE id IN ({marks}) ORDER BY id {update}"
PACKET = 1000
JOINED_BYTES = 16 << 20
FEW = 500
# As many rows for each that is wanted are read in passing.
DENSE = 2


@dataclass(frozen=True, slots=True)
class Shape:
    """How a row is laid out; `quality_all` is None when it has a byte per slot, `known` the bytes a slot of that."""

    phase_s: int
    slots: int
    width: int
    quality_all: int | None
    known: int = 0

    @property
    def grid(self) -> tuple[int, int]:
        """Slots a day, and the phase."""
        return self.slots, self.phase_s


@lru_cache(maxsize=4096)
def shape_of(number: int) -> Shape:
    """Take apart what `SHAPE` put together."""
    shared, known = number & 511, (0, SHORT, LONG)[(number >> 30) & 3]
    slots, width = (number >> 13) & 0x1FFFF, (number >> 9) & 15
    return Shape(number >> 32, slots, width, shared if shared < 256 else None, known)  # noqa: PLR2004


@dataclass(frozen=True, slots=True, eq=False)
class BlockRows:
    """Stored rows in columns; `key` is the usage point in the rows of a day, the day in the rows of a usage point.

    `known_at_us`, `revision` and `known` are there when images were asked for, `checksum` when current ones were.
    """

    key: npt.NDArray[np.int64]
    shape: Sequence[int]
    quality: Sequence[bytes | None]
    counts: Sequence[bytes]
    known_at_us: Sequence[int] = ()
    revision: Sequence[int] = ()
    known: Sequence[bytes | None] = ()
    checksum: Sequence[bytes | None] = ()

    @property
    def grids(self) -> set[tuple[int, int]]:
        """The (slots a day, phase) that occur."""
        return {shape_of(number).grid for number in set(self.shape)}

    def values(self, slots: int) -> Values:
        """Return float64[n, slots]."""
        return unpack_counts(self.counts, self._widths(), slots)

    def _widths(self) -> list[int]:
        numbers = set(self.shape)
        widths = {shape_of(number).width for number in numbers}
        same = len(widths) == 1
        return [widths.pop()] * len(self.shape) if same else [shape_of(number).width for number in self.shape]

    def qualities(self, slots: int) -> q.Qualities:
        """Return uint8[n, slots]."""
        return unpack_quality([shape_of(number).quality_all for number in self.shape], self.quality, slots)

    def take(self, rows: Sequence[int]) -> BlockRows:
        """Return some of the rows."""
        if len(rows) == len(self.shape) and list(rows) == list(range(len(rows))):
            return self
        columns = (self.shape, self.quality, self.counts, self.known_at_us, self.revision, self.known, self.checksum)
        picked: list[Any] = [[column[row] for row in rows] if column else () for column in columns]
        return BlockRows(self.key[np.asarray(rows, np.intp)], *picked)


def to_rows(fetched: list[tuple[Any, ...]]) -> BlockRows | None:
    """Turn fetched rows into columns; None when there is none."""
    if not fetched:
        return None
    key, *columns = zip(*fetched, strict=True)
    return BlockRows(np.array(key, np.int64), *columns)


def read_day(unit: Unit, kind: int, day: int, keys: npt.NDArray[np.int64]) -> BlockRows | None:
    """Return the rows of one reading type and day, in order of usage point: at least those of `keys` (sorted)."""
    return to_rows(_fetch_day(unit, DAY, kind, day, keys))


def read_images(unit: Unit, kind: int, day: int, keys: npt.NDArray[np.int64]) -> BlockRows | None:
    """Return the same with `known_at_us`, `revision`, `known` and `checksum`."""
    return to_rows(_fetch_day(unit, IMAGES, kind, day, keys))


def read_versions(unit: Unit, kind: int, day: int, keys: npt.NDArray[np.int64]) -> BlockRows | None:
    """Return the earlier images of a day: at least those of `keys` (sorted)."""
    return to_rows(_fetch_day(unit, VERSIONS, kind, day, keys))


def _fetch_day(unit: Unit, sql: str, kind: int, day: int, keys: npt.NDArray[np.int64]) -> list[tuple[Any, ...]]:
    shape = SHAPE if sql is DAY else IMAGE_SHAPE
    which, bounds = which_points(keys)
    return unit.fetch(sql.format(shape=shape, which=f"{which} ORDER BY usage_point"), (kind, day, *bounds))


def which_points(keys: npt.NDArray[np.int64]) -> tuple[str, list[int]]:
    """Return a condition that at least `keys` (ascending) meet, and what stands for its question marks.

    Where they lie close together, all that lie between them cost less than a look-up each.
    """
    if keys.size > FEW or keys[-1] - keys[0] < DENSE * keys.size:
        return "usage_point BETWEEN ? AND ?", [int(keys[0]), int(keys[-1])]
    return f"usage_point IN ({marks(keys.size)})", keys.tolist()


def marks(count: int) -> str:
    """Return so many placeholders."""
    return ", ".join(["?"] * count)


def read_point(unit: Unit, kind: int, point: int, days: range) -> BlockRows | None:
    """Return the rows of one usage point on `days`, in order of day: a look-up by primary key each."""
    fetched: list[tuple[Any, ...]] = []
    for at in range(0, len(days), PACKET):
        part = days[at : at + PACKET]
        if unit.dialect == "postgresql":
            sql = DAYS_OF_ONE_POSTGRES.format(shape=SHAPE, days=marks(len(part)))
            fetched += unit.fetch(sql, (*part, kind, point))
        else:
            sql = DAYS_OF_ONE.format(shape=SHAPE, days=marks(len(part)))
            fetched += unit.fetch(sql, (kind, point, *part))
    return to_rows(fetched)


@dataclass(frozen=True, slots=True, eq=False)
class NewRows:
    """Rows to write for one reading type and day."""

    kind: int
    day: int
    phase_s: int
    slots: int
    known_at_us: int
    points: Sequence[int]
    packed: PackedRows

    def tuples(self) -> Iterator[tuple[Any, ...]]:
        """Yield the rows in the order of the INSERT's columns."""
        packed = self.packed
        return zip(  # the constants repeat without end, so the lengths differ on purpose
            repeat(self.kind),
            repeat(self.day),
            self.points,
            repeat(self.phase_s),
            packed.widths,
            repeat(self.slots),
            packed.quality_all,
            packed.quality,
            packed.counts,
            repeat(self.known_at_us),
            repeat(1),
            stored(self._checksums()),
            strict=False,
        )

    def alike(self) -> Iterator[tuple[Any, ...]]:
        """Yield what `INSERT_ALIKE` asks for, of rows of one width and quality, some megabytes at a time."""
        packed, sums = self.packed, self._checksums().astype(STORED, copy=False)
        kinds = list(zip(packed.widths, packed.quality_all, strict=True))
        for kind in dict.fromkeys(kinds):
            rows = [row for row, one in enumerate(kinds) if one == kind]
            some = max(1, JOINED_BYTES // (self.slots * kind[0]))
            for at in range(0, len(rows), some):
                yield self._joined(kind, rows[at : at + some], sums)

    def _joined(self, kind: tuple[int, int | None], rows: Sequence[int], sums: Sums) -> tuple[Any, ...]:
        width, shared = kind
        points, quality, counts = self.points, self.packed.quality, self.packed.counts
        each = b"".join(quality[row] or b"" for row in rows) if shared is None else None
        joined = b"".join([counts[row] for row in rows])
        keys = json.dumps([points[row] for row in rows])
        head = (self.kind, self.day, self.phase_s, width, self.slots, shared)
        return *head, each, joined, self.known_at_us, sums[rows].tobytes(), keys

    def _checksums(self) -> Sums:
        packed = self.packed
        numbers = Numbers(
            self.kind,
            self.day,
            self.phase_s,
            self.slots,
            a_row(packed.widths),
            a_row(packed.quality_all),
            self.known_at_us,
            np.array(self.points, np.int64),
        )
        sums: Sums = mix(numbers) + of_rows(packed.quality, QUALITY) + of_rows(packed.counts, COUNTS)
        return sums


def add(unit: Unit, rows: NewRows) -> None:
    """Add rows that do not exist yet, in bulk."""
    with unit.cursor() as cursor:
        if unit.dialect == "postgresql":
            with cursor.copy(COPY) as copy:
                copy.set_types(COPY_TYPES)
                for row in rows.tuples():
                    copy.write_row(row)
        elif unit.dialect == "sqlite":
            cursor.executemany(INSERT_ALIKE, rows.alike())
        else:
            in_packets(cursor, unit.placed(INSERT), rows.tuples())


def in_packets(cursor: Any, sql: str, rows: Iterator[tuple[Any, ...]]) -> None:  # noqa: ANN401 - PyMySQL's cursor
    """Run a statement for some rows at a time: MariaDB and MySQL take no longer ones."""
    while packet := list(islice(rows, PACKET)):
        cursor.executemany(sql, packet)


def lock_points(unit: Unit, points: Sequence[int]) -> None:
    """Let one writer at a time work on a usage point, until its transaction ends; SQLite has one writer anyway."""
    if unit.dialect == "sqlite":
        return
    update = "FOR NO KEY UPDATE" if unit.dialect == "postgresql" else "FOR UPDATE"
    free = sorted(set(points) - unit.held)
    for at in range(0, len(free), PACKET):
        part = free[at : at + PACKET]
        unit.fetch(LOCK.format(marks=marks(len(part)), update=update), part)
    unit.held.update(free)
