"""Replacing stored blocks: rows laid out alike in one piece, so that the database cuts it up and Python never does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.store.days.blocks import Shape, in_packets
from gridwright.store.days.checksum import SIZE, Sums
from gridwright.store.days.groups import Group
from gridwright.store.days.known import Instants, Mask, known_widths, pack_known
from gridwright.store.days.pack import NOTHING
from gridwright.store.session import Unit

Keys = npt.NDArray[np.int64]
MIXED = 256  # stands for "a quality byte a slot" where others have the byte that all slots share
# Of second-by-second values a piece would be gigabytes long; a statement of MariaDB is at most 16 MiB.
LONGEST = 4 << 20

KEEP = (
    "INSERT INTO block_version (reading_type, day, usage_point, revision, phase_s, width, slots, quality_all, quality, "
    "counts, known_at_us, known, additions, checksum) "
    "SELECT reading_type, day, usage_point, revision, phase_s, width, slots, quality_all, quality, "
    "counts, known_at_us, known, additions, checksum FROM block "
    "WHERE reading_type = ? AND day = ? AND usage_point BETWEEN ? AND ?"
)
RUN = (
    "UPDATE block SET width = ?, quality_all = ?, counts = substr(?, (usage_point - ?) * ? + 1, ?), "
    "quality = substr(?, (usage_point - ?) * ? + 1, ?), known = substr(?, (usage_point - ?) * ? + 1, ?), "
    "checksum = substr(?, (usage_point - ?) * ? + 1, ?), "
    "known_at_us = max(known_at_us, ?), revision = revision + ?, additions = additions + ? "
    "WHERE reading_type = ? AND day = ? AND usage_point BETWEEN ? AND ?"
)
# PostgreSQL takes every row at once, wherever the keys lie.
ALL_POSTGRES = (
    "UPDATE block SET width = ?, quality_all = ?, counts = substr(?::bytea, (new.at::integer - 1) * ? + 1, ?), "
    "quality = substr(?::bytea, (new.at::integer - 1) * ? + 1, ?), "
    "known = substr(?::bytea, (new.at::integer - 1) * ? + 1, ?), "
    "checksum = substr(?::bytea, (new.at::integer - 1) * ? + 1, ?), known_at_us = GREATEST(known_at_us, ?), "
    "revision = revision + ?, additions = additions + ? FROM unnest(?::bigint[]) WITH ORDINALITY AS new (point, at) "
    "WHERE reading_type = ? AND day = ? AND usage_point = new.point"
)
# A row that is there already is the rule; its old numbers grow by those of the new one.
EACH_MYSQL = (
    "INSERT INTO block (reading_type, day, usage_point, phase_s, slots, width, quality_all, counts, quality, known, "
    "checksum, known_at_us, revision, additions) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "ON DUPLICATE KEY UPDATE "
    "width = VALUES(width), quality_all = VALUES(quality_all), counts = VALUES(counts), quality = VALUES(quality), "
    "known = VALUES(known), checksum = VALUES(checksum), known_at_us = GREATEST(known_at_us, VALUES(known_at_us)), "
    "revision = revision + VALUES(revision), additions = additions + VALUES(additions)"
)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Content that replaces stored rows of one kind and day, laid out by `phase_s`.

    `keys` int64[n] ascending, `integers` [n, slots] of one width, `qualities` uint8[n, slots], `instants` int64[n,
    slots] when each slot became known, in microseconds, `known_at_us` the latest of them at least, `latest` int64[n]
    what each row has as its own after that. `wrong` uint64[n]: the bits in which the stored checksums were wrong.
    """

    kind: int
    day: int
    phase_s: int
    keys: Keys
    integers: npt.NDArray[Any]
    qualities: q.Qualities
    instants: Instants
    known_at_us: int
    latest: Keys
    wrong: Sums

    def pieces(self) -> Iterator[Piece]:
        """Yield the rows in pieces that are laid out alike."""
        width = self.integers.dtype.itemsize
        present = self.integers != NOTHING[width]
        first = self.qualities[:, :1]
        shared = np.where((self.qualities == first).all(axis=1), first[:, 0].astype(np.int64), MIXED)
        kinds = shared + known_widths(self.instants, present, self.day) * (MIXED * 2)
        for kind in np.unique(kinds).tolist():
            yield self._piece(np.flatnonzero(kinds == kind), kind, present)

    def _piece(self, at: npt.NDArray[np.intp], kind: int, present: Mask) -> Piece:
        every = at.size == self.keys.size
        rows: slice | npt.NDArray[np.intp] = slice(None) if every else at
        integers, known = self.integers[rows], kind // (MIXED * 2)
        shared = kind % (MIXED * 2)
        quality = self.qualities[rows].tobytes() if shared == MIXED else None
        shape = Shape(
            self.phase_s, integers.shape[1], integers.dtype.itemsize, None if shared == MIXED else shared, known
        )
        instants = pack_known(self.instants[rows], present[rows], self.day, known)
        group = Group(shape, self.keys[rows], integers.tobytes(), quality, instants, self.latest[rows])
        sums = group.checksums(self.kind, self.day) ^ self.wrong[rows]
        return Piece(self.kind, self.day, group, sums.tobytes())


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Rows laid out alike, and their checksums one after the other."""

    kind: int
    day: int
    group: Group
    checksum: bytes

    @property
    def shape(self) -> Shape:
        """How they are laid out."""
        return self.group.shape

    @property
    def keys(self) -> Keys:
        """The keys of their usage points."""
        return self.group.keys

    def columns(self, first: int, end: int) -> Iterator[tuple[bytes | None, int]]:
        """Yield counts, quality, known and checksum of rows [first, end), and the bytes a row of each."""
        for joined, size in (*self.group.columns(), (self.checksum, SIZE)):
            yield None if joined is None else joined[first * size : end * size], size


def runs(keys: Keys, longest: int) -> Iterator[tuple[int, int]]:
    """Yield [first, end) of the places where keys follow each other without a gap."""
    cuts = np.flatnonzero(np.diff(keys) != 1) + 1
    for start, end in zip([0, *cuts.tolist()], [*cuts.tolist(), keys.size], strict=True):
        for first in range(start, end, longest):
            yield first, min(first + longest, end)


def add_to(unit: Unit, rows: Rows) -> None:
    """Write rows in which slots were added and nothing was superseded."""
    _write(unit, rows, (0, 1))


def supersede(unit: Unit, rows: Rows) -> None:
    """Move the stored images to the version table, then write the new ones."""
    bounds = [(first, end - 1) for first, end in runs(rows.keys, rows.keys.size)]
    keys = rows.keys
    unit.run_many(KEEP, [(rows.kind, rows.day, int(keys[first]), int(keys[last])) for first, last in bounds])
    _write(unit, rows, (1, 0))


def _write(unit: Unit, rows: Rows, more: tuple[int, int]) -> None:
    for piece in rows.pieces():
        write = {"sqlite": _write_runs, "postgresql": _write_all, "mysql": _write_each}[unit.dialect]
        write(unit, piece, rows.known_at_us, more)


def _longest(piece: Piece) -> int:
    return max(LONGEST // (piece.shape.slots * (piece.shape.width + 1 + piece.shape.known)), 1)


def _write_runs(unit: Unit, piece: Piece, known_at_us: int, more: tuple[int, int]) -> None:
    statements = []
    for first, end in runs(piece.keys, _longest(piece)):
        low, high = int(piece.keys[first]), int(piece.keys[end - 1])
        values: list[Any] = [piece.shape.width, piece.shape.quality_all]
        for joined, size in piece.columns(first, end):
            values += [joined, low, size, size]
        statements.append((*values, known_at_us, *more, piece.kind, piece.day, low, high))
    unit.run_many(RUN, statements)


def _write_all(unit: Unit, piece: Piece, known_at_us: int, more: tuple[int, int]) -> None:
    longest = _longest(piece)
    for first in range(0, piece.keys.size, longest):
        keys = piece.keys[first : first + longest].tolist()
        values: list[Any] = [piece.shape.width, piece.shape.quality_all]
        for joined, size in piece.columns(first, first + len(keys)):
            values += [joined, size, size]
        unit.run_many(ALL_POSTGRES, [(*values, known_at_us, *more, keys, piece.kind, piece.day)])


def _write_each(unit: Unit, piece: Piece, known_at_us: int, more: tuple[int, int]) -> None:
    shape, n = piece.shape, piece.keys.size
    columns = [
        repeat(None, n) if joined is None else [joined[at : at + size] for at in range(0, n * size, size)]
        for joined, size in piece.columns(0, n)
    ]
    head = (repeat(value, n) for value in (shape.phase_s, shape.slots, shape.width, shape.quality_all))
    tail = (repeat(value, n) for value in (known_at_us, *more))
    keys = (repeat(piece.kind, n), repeat(piece.day, n), piece.keys.tolist())
    with unit.cursor() as cursor:
        in_packets(cursor, unit.placed(EACH_MYSQL), zip(*keys, *head, *columns, *tail, strict=True))
