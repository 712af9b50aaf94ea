"""Months out of the database and back: each day one transaction, compared with the file row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gridwright.domain.errors import Conflict, StoreCorrupt
from gridwright.store.archive import sql
from gridwright.store.archive.archive import ArchivePart
from gridwright.store.archive.file import LOST, Shelf
from gridwright.store.archive.ground import is_marked
from gridwright.store.archive.late import Late, lay_late
from gridwright.store.archive.rows import StoredBlock, by_day, decode, to_blocks
from gridwright.store.archive.writing import read_tally, require_whole
from gridwright.store.days import blocks
from gridwright.store.days.history import read_states
from gridwright.store.session import Unit


@dataclass(frozen=True, slots=True)
class FileDay:
    """A day out of the archive: its blocks with their names, and the earlier images of them."""

    day: int
    names: list[str]
    rows: list[StoredBlock]
    versions: list[StoredBlock]


def check_file(shelf: Shelf, part: ArchivePart) -> None:
    """Read the files of a part to their end: checksums, counts and sums as registered, or StoreCorrupt."""
    require_whole(shelf, part.name, part.sha256)
    footer = shelf.footer(part.name)
    tally = read_tally(shelf, part.name, {})
    registered = (part.blocks, part.readings, part.total, footer["checksum"])
    if (tally.blocks, tally.readings, tally.total, tally.checksum) != registered:
        raise StoreCorrupt("the archive file does not hold what it says", where=part.place, remedy=LOST)
    versions = footer["versions"]
    if versions is not None:
        require_whole(shelf, versions["name"], versions["sha256"])
        if read_tally(shelf, versions["name"], {}).checksum != versions["checksum"]:
            where = f"{shelf.address}/{versions['name']}"
            raise StoreCorrupt("the archive file does not hold what it says", where=where, remedy=LOST)


def file_days(shelf: Shelf, part: ArchivePart, keys: Mapping[str, int]) -> Iterator[FileDay]:
    """Yield the days of a part; a usage point that the database does not know is a Conflict."""
    versions = shelf.footer(part.name)["versions"]
    earlier = by_day(shelf.tables(versions["name"])) if versions else iter(())
    waiting = next(earlier, None)
    for day, table in by_day(shelf.tables(part.name)):
        names, rows = to_blocks(table, keys)
        unknown = next((name for name, row in zip(names, rows, strict=True) if row.usage_point < 0), None)
        if unknown is not None:
            raise Conflict(
                f"the archive holds readings of usage point {unknown}, which is not registered",
                where=part.place,
                remedy="add the usage point, or use the database that the archive belongs to",
            )
        old: list[StoredBlock] = []
        if waiting is not None and waiting[0] == day:
            old = to_blocks(waiting[1], keys)[1]
            waiting = next(earlier, None)
        yield FileDay(day, names, rows, old)


def drop_day(unit: Unit, part: ArchivePart, day: FileDay, codes: Mapping[int, str]) -> bool:
    """Delete a day that the file holds exactly, and return whether it did; one that is gone already is passed."""
    points = sql.points_of(day.rows)
    blocks.lock_points(unit, points)
    stored = sql.read_day(unit, sql.CURRENT, part.kind, day.day, codes).rows
    if not stored:
        return True
    earlier = sql.read_day(unit, sql.EARLIER, part.kind, day.day, codes).rows
    if stored != day.rows or earlier != day.versions:
        return False
    sql.delete_points(unit, sql.EARLIER, part.kind, day.day, sql.points_of(day.versions))
    sql.delete_points(unit, sql.CURRENT, part.kind, day.day, points)
    return True


def every_day(days: Iterator[FileDay], month: range) -> Iterator[FileDay]:
    """Yield all days of a month, those too of which the file has nothing."""
    at = month.start
    for day in days:
        yield from (FileDay(absent, [], [], []) for absent in range(at, day.day))
        yield day
        at = day.day + 1
    yield from (FileDay(absent, [], [], []) for absent in range(at, month.stop))


def restore_day(unit: Unit, part: ArchivePart, day: FileDay, at_us: int) -> list[int]:
    """Bring a day back; what came in since it was dropped is laid over the archived images, or put aside at `at_us`.

    Returns the usage points of which something did.
    """
    points = sql.points_of([*day.rows, *_rows(unit, sql.CURRENT, part, day)])
    blocks.lock_points(unit, points)
    there, earlier = (_rows(unit, table, part, day) for table in (sql.CURRENT, sql.EARLIER))
    stored = {row.usage_point: row for row in there}
    same = {row.usage_point for row in day.rows if stored.get(row.usage_point) == row}
    same |= _continued(day, [*earlier, *there])
    absent = {row.usage_point: row for row in day.rows if row.usage_point not in same}
    marked = {row.usage_point for row in (*earlier, *there) if is_marked(row.quality_all, row.quality)}
    late = sorted((stored.keys() & absent.keys()) | (marked & stored.keys() - same))
    histories = {point: read_states(unit, part.kind, day.day, point) for point in late}
    for table in (sql.CURRENT, sql.EARLIER):
        sql.delete_points(unit, table, part.kind, day.day, late)
    sql.insert_rows(unit, sql.CURRENT, part.kind, day.day, list(absent.values()))
    unit.laid.update((part.kind, day.day, row.slots, row.phase_s) for row in absent.values())
    sql.insert_rows(unit, sql.EARLIER, part.kind, day.day, [row for row in day.versions if row.usage_point in absent])
    for point, history in histories.items():
        if history is not None:
            lay_late(unit, part, Late(day.day, point, absent.get(point), history), at_us)
    return late


def _rows(unit: Unit, table: str, part: ArchivePart, day: FileDay) -> list[StoredBlock]:
    return sql.read_day(unit, table, part.kind, day.day, _Any()).rows


def _continued(day: FileDay, stored: Sequence[StoredBlock]) -> set[int]:
    """Return the usage points of which the database still has what was archived, and more: they never left."""
    images = {(row.usage_point, row.revision): row for row in stored}
    pairs = ((row, images.get((row.usage_point, row.revision))) for row in day.rows)
    return {row.usage_point for row, image in pairs if image is not None and _grew(row, image, day.day)}


def _grew(before: StoredBlock, after: StoredBlock, day: int) -> bool:
    """Tell whether an image is another one, or that with slots added to it."""
    if (before.slots, before.phase_s) != (after.slots, after.phase_s):
        return False
    (values, quality, instants), now = decode(before, day), decode(after, day)
    there = ~np.isnan(values)
    pairs = ((values, now[0]), (quality, now[1]), (instants, now[2]))
    return all(np.array_equal(one[there], other[there]) for one, other in pairs)


class _Any(dict[int, str]):
    """Names where no names are needed."""

    def __missing__(self, key: int) -> str:
        return ""
