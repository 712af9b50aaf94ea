"""Rows of day-blocks in bulk: read, added, replaced; each dialect's own way stands behind one function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.store.pack import PackedRows, Values, unpack_counts, unpack_quality
from gridwright.store.session import Unit

INSERT = (
    "INSERT INTO block (reading_type, day, usage_point, phase_s, width, slots, quality_all, quality, counts, "
    "known_at_us, revision) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
COPY = (
    "COPY block (reading_type, day, usage_point, phase_s, width, slots, quality_all, quality, counts, known_at_us, "
    "revision) FROM STDIN (FORMAT BINARY)"
)
COPY_TYPES = ("int4", "int4", "int8", "int4", "int2", "int4", "int2", "bytea", "bytea", "int8", "int4")
REPLACE = (
    "UPDATE block SET phase_s = ?, width = ?, slots = ?, quality_all = ?, quality = ?, counts = ?, known_at_us = ?, "
    "revision = ? WHERE reading_type = ? AND day = ? AND usage_point = ?"
)
REPLACE_MANY_MYSQL = (
    f"{INSERT} ON DUPLICATE KEY UPDATE phase_s = VALUES(phase_s), width = VALUES(width), slots = VALUES(slots), "
    "quality_all = VALUES(quality_all), quality = VALUES(quality), counts = VALUES(counts), "
    "known_at_us = VALUES(known_at_us), revision = VALUES(revision)"
)
KEEP = (
    "INSERT INTO block_version (reading_type, day, usage_point, revision, phase_s, width, slots, quality_all, quality, "
    "counts, known_at_us) SELECT reading_type, day, usage_point, revision, phase_s, width, slots, quality_all, "
    "quality, counts, known_at_us FROM block WHERE reading_type = ? AND day = ? AND usage_point "
)
# All that is stored of a day from one usage point to another: where every row of it is going to be replaced.
KEEP, KEEP_ALL = f"{KEEP}= ?", f"{KEEP}BETWEEN ? AND ?"
# The four small columns travel as one number: a column costs more to fetch than the bytes of a day.
SHAPE = "phase_s * 4294967296 + slots * 8192 + width * 512 + COALESCE(quality_all, 256)"
DAY = "SELECT usage_point, {shape}, quality, counts FROM block WHERE reading_type = ? AND day = ? AND {which}"
IMAGES = (
    "SELECT usage_point, {shape}, quality, counts, known_at_us, revision FROM block "
    "WHERE reading_type = ? AND day = ? AND {which}"
)
MANY = "usage_point BETWEEN ? AND ? ORDER BY usage_point"
FEW_OF = "usage_point IN ({}) ORDER BY usage_point"
VERSIONS = (
    "SELECT usage_point, {shape}, quality, counts, known_at_us, revision FROM block_version "
    "WHERE reading_type = ? AND day = ? AND {which}"
)
KNOWN_BY = "known_at_us <= ? ORDER BY usage_point, revision"
OF_ONE = "usage_point = ? AND revision IN ({}) ORDER BY revision"
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
Writer = Callable[[Unit, "NewRows"], None]
PACKET = 1000
FEW = 500
KNOWN_AT, REVISION = 4, 5  # places in a fetched image


@dataclass(frozen=True, slots=True)
class Shape:
    """How a row is laid out; `quality_all` is None when it has a byte per slot."""

    phase_s: int
    slots: int
    width: int
    quality_all: int | None

    @property
    def grid(self) -> tuple[int, int]:
        """Slots a day, and the phase."""
        return self.slots, self.phase_s


@lru_cache(maxsize=4096)
def shape_of(number: int) -> Shape:
    """Take apart what `SHAPE` put together."""
    shared = number & 511
    return Shape(number >> 32, (number >> 13) & 0x7FFFF, (number >> 9) & 15, shared if shared < 256 else None)  # noqa: PLR2004


@dataclass(frozen=True, slots=True, eq=False)
class BlockRows:
    """Stored rows in columns; `key` is the usage point in the rows of a day, the day in the rows of a usage point.

    `known_at_us` and `revision` are there when images were asked for.
    """

    key: npt.NDArray[np.int64]
    shape: Sequence[int]
    quality: Sequence[bytes | None]
    counts: Sequence[bytes]
    known_at_us: Sequence[int] = ()
    revision: Sequence[int] = ()

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
        if len(rows) == len(self.shape):
            return self
        columns = (self.shape, self.quality, self.counts, self.known_at_us, self.revision)
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
    """Return the same with `known_at_us` and `revision`."""
    return to_rows(_fetch_day(unit, IMAGES, kind, day, keys))


def _fetch_day(unit: Unit, sql: str, kind: int, day: int, keys: npt.NDArray[np.int64]) -> list[tuple[Any, ...]]:
    if keys.size <= FEW:
        which = FEW_OF.format(marks(keys.size))
        return unit.fetch(sql.format(shape=SHAPE, which=which), (kind, day, *keys.tolist()))
    return unit.fetch(sql.format(shape=SHAPE, which=MANY), (kind, day, int(keys[0]), int(keys[-1])))


def marks(count: int) -> str:
    """Return so many placeholders."""
    return ", ".join(["?"] * count)


def read_day_as_of(unit: Unit, kind: int, day: int, keys: npt.NDArray[np.int64], as_of_us: int) -> BlockRows | None:
    """Return the rows as they were known at an instant: of each, the last image known by then."""
    current = _fetch_day(unit, IMAGES, kind, day, keys)
    known = {row[0]: row for row in current if row[KNOWN_AT] <= as_of_us}
    if len(known) < len(current):
        wanted = {row[0] for row in current} - known.keys()
        versions = VERSIONS.format(shape=SHAPE, which=KNOWN_BY)
        # In order of revision, so that of each usage point the last stays.
        known.update({row[0]: row for row in unit.fetch(versions, (kind, day, as_of_us)) if row[0] in wanted})
    return to_rows([known[key] for key in sorted(known)])


def read_history(unit: Unit, kind: int, day: int, point: int) -> BlockRows | None:
    """Return every image of one block, the oldest first and the current one last."""
    current = _fetch_day(unit, IMAGES, kind, day, np.array([point], np.int64))
    earlier: list[tuple[Any, ...]] = []
    last = max((row[REVISION] for row in current), default=0)
    for first in range(1, last, PACKET):
        numbers = range(first, min(first + PACKET, last))
        sql = VERSIONS.format(shape=SHAPE, which=OF_ONE.format(marks(len(numbers))))
        earlier += unit.fetch(sql, (kind, day, point, *numbers))
    return to_rows(earlier + current)


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
    known_at_us: Sequence[int] | int
    points: Sequence[int]
    packed: PackedRows
    revisions: Sequence[int] | int = 1

    def tuples(self) -> Iterator[tuple[Any, ...]]:
        """Yield the rows in the order of the INSERT's columns."""
        packed = self.packed
        known = repeat(self.known_at_us) if isinstance(self.known_at_us, int) else self.known_at_us
        revisions = repeat(self.revisions) if isinstance(self.revisions, int) else self.revisions
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
            known,
            revisions,
            strict=False,
        )


def add(unit: Unit, rows: NewRows) -> None:
    """Add rows that do not exist yet, in bulk."""
    with unit.cursor() as cursor:
        if unit.dialect == "postgresql":
            with cursor.copy(COPY) as copy:
                copy.set_types(COPY_TYPES)
                for row in rows.tuples():
                    copy.write_row(row)
        elif unit.dialect == "sqlite":
            cursor.executemany(INSERT, rows.tuples())
        else:
            _in_packets(cursor, unit.placed(INSERT), rows)


def replace(unit: Unit, rows: NewRows) -> None:
    """Move the stored images to the version table, then write the new ones."""
    unit.run_many(KEEP, [(rows.kind, rows.day, point) for point in rows.points])
    _overwrite(unit, rows)


def replace_all(unit: Unit, rows: NewRows) -> None:
    """Do the same where the rows are all that are stored from the first point to the last."""
    if unit.dialect != "sqlite":  # on a server another writer may have put a row in between
        replace(unit, rows)
        return
    unit.run_many(KEEP_ALL, [(rows.kind, rows.day, rows.points[0], rows.points[-1])])
    _overwrite(unit, rows)


def reads_all_between(keys: int) -> bool:
    """Tell whether reading a day for so many keys brings all that is stored between the first and the last."""
    return keys > FEW


def _overwrite(unit: Unit, rows: NewRows) -> None:
    with unit.cursor() as cursor:
        if unit.dialect == "mysql":
            _in_packets(cursor, unit.placed(REPLACE_MANY_MYSQL), rows)
        else:
            cursor.executemany(unit.placed(REPLACE), [(*row[3:], *row[:3]) for row in rows.tuples()])


def _in_packets(cursor: Any, sql: str, rows: NewRows) -> None:  # noqa: ANN401 - PyMySQL's cursor
    every = rows.tuples()
    while packet := list(islice(every, PACKET)):
        cursor.executemany(sql, packet)


def lock_points(unit: Unit, points: Sequence[int]) -> None:
    """Let one writer at a time work on a usage point; SQLite has one writer anyway."""
    if unit.dialect == "sqlite":
        return
    update = "FOR NO KEY UPDATE" if unit.dialect == "postgresql" else "FOR UPDATE"
    for at in range(0, len(points), PACKET):
        part = sorted(points)[at : at + PACKET]
        unit.fetch(LOCK.format(marks=marks(len(part)), update=update), part)
