"""Writing a month of one kind to the archive: earlier images first, then the current ones, then reading both back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gridwright.domain.errors import Conflict, StoreCorrupt
from gridwright.domain.month import month_name
from gridwright.domain.reading_type import from_code
from gridwright.store.archive import sql
from gridwright.store.archive.file import LOST, ArchiveWriter, Shelf
from gridwright.store.archive.rows import Kind, Tally, by_day, to_blocks, to_table
from gridwright.store.session import Unit

FORMAT = 1
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class MonthSource:
    """A month of one kind in the database, within one consistent read."""

    unit: Unit
    kind: Kind
    month: int
    codes: Mapping[int, str]

    def days(self, table: str) -> Iterator[sql.DayRows]:
        """Yield its days."""
        return sql.read_month(self.unit, table, self.kind.key, self.month, self.codes)


def write_month(source: MonthSource, shelf: Shelf, progress: Progress) -> dict[str, Any]:
    """Write the files of a month, and return what is registered of it."""
    versions = None
    if earlier := _write(source, sql.EARLIER, shelf, {}):
        name, sha256, tally = earlier
        versions = {"name": name, "sha256": sha256, "blocks": tally.blocks, "checksum": tally.checksum}
    written = _write(source, sql.CURRENT, shelf, {"versions": versions}, progress)
    if written is None:
        what = f"{month_name(source.month)} {source.kind.code}"
        raise Conflict(f"there is nothing left of {what}", remedy="gridwright archive list")
    name, sha256, tally = written
    return {
        "place": f"{shelf.address}/{name}",
        "sha256": sha256,
        "blocks": tally.blocks,
        "readings": tally.readings,
        "total": str(tally.total),
        "revisions": tally.revisions,
    }


def _write(
    source: MonthSource, table: str, shelf: Shelf, more: Mapping[str, Any], progress: Progress = lambda _: None
) -> tuple[str, str, Tally] | None:
    """Write one file and read it back; None when there is nothing to write."""
    days = source.days(table)
    first = next(days, None)
    if first is None:
        return None
    kind, month = source.kind, source.month
    folder = f"{'readings' if table == sql.CURRENT else 'versions'}/{month_name(month)}"
    tally, writer = Tally(), ArchiveWriter(shelf, folder)
    try:
        for day in _chain(first, days):
            sql.require_unchanged(source.unit, table, kind.key, day)
            tally.add(day.day, day.names, day.rows)
            writer.add(to_table(kind, day.day, day.names, day.rows))
            progress(len(day.rows))
        name, sha256 = writer.finish(f"{folder}/{sql.kind_name(kind)}", {**footer(kind, month, tally), **more})
    except BaseException:
        writer.give_up()
        raise
    _require_same(tally, read_tally(shelf, name, {}), shelf, name)
    return name, sha256, tally


def _require_same(tally: Tally, again: Tally, shelf: Shelf, name: str) -> None:
    wrote = (tally.blocks, tally.readings, tally.total, tally.checksum)
    if (again.blocks, again.readings, again.total, again.checksum) != wrote:
        shelf.remove(name)
        raise StoreCorrupt(
            "the archive file does not hold what was written to it",
            where=f"{shelf.address}/{name}",
            remedy="check the disk or the network; the database is as it was",
        )


def _chain(first: sql.DayRows, rest: Iterator[sql.DayRows]) -> Iterator[sql.DayRows]:
    yield first
    yield from rest


def footer(kind: Kind, month: int, tally: Tally) -> dict[str, Any]:
    """Return what a file says of itself: enough to read it, and to check it, without Gridwright."""
    meaning = from_code(kind.code)
    return {
        "format": FORMAT,
        "month": month_name(month),
        "reading_type": kind.code,
        "image": kind.image,
        "unit": meaning.unit,
        "exponent": meaning.exponent,
        "blocks": tally.blocks,
        "readings": tally.readings,
        "total": str(tally.total),
        "revisions": tally.revisions,
        "checksum": tally.checksum,
    }


def read_tally(shelf: Shelf, name: str, keys: Mapping[str, int]) -> Tally:
    """Count and sum what a file holds, row by row."""
    tally = Tally()
    for day, table in by_day(shelf.tables(name)):
        names, rows = to_blocks(table, keys)
        tally.add(day, names, rows)
    return tally


def require_whole(shelf: Shelf, name: str, sha256: str) -> None:
    """Raise StoreCorrupt unless a file has the checksum that was registered."""
    found = shelf.sha256(name)
    if found != sha256:
        raise StoreCorrupt(
            f"the archive file has been changed: its checksum is {found[:12]}…, registered is {sha256[:12]}…",
            where=f"{shelf.address}/{name}",
            remedy=LOST,
        )
