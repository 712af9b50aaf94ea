"""Months that are in the archive and still in the database: both must hold the same, row by row."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gridwright.domain.errors import GridwrightError
from gridwright.store.archive import sql
from gridwright.store.archive.archive import ARCHIVED, SHORT, ArchivePart, find_part, is_short, kinds_of
from gridwright.store.archive.rows import Tally
from gridwright.store.archive.writing import MonthSource
from gridwright.store.checks.checks import Finder
from gridwright.store.session import Unit

if TYPE_CHECKING:
    from gridwright.store.archive.file import Shelf


def count_month(unit: Unit, finder: Finder, part: ArchivePart) -> None:
    """Tell where the database has fewer blocks of a month than were archived, though it counts as whole."""
    now = find_part(unit, part.kind, part.month)
    if now is None or now.state != ARCHIVED:
        return
    finder.looked_at += 1
    if is_short(unit, now):
        finder.fault(f"{now}: {SHORT}")


def compare_month(unit: Unit, finder: Finder, part: ArchivePart, shelf_of: Callable[[str], Shelf]) -> None:
    """Compare what the database holds of a month with the checksums in the footer of its file.

    A month that was changed since, by its revisions, is passed: it is archived anew. So is one whose file cannot be
    read, which the check of the files tells.
    """
    now = find_part(unit, part.kind, part.month)
    if now is None or now.state != ARCHIVED or _changed(unit, now):
        return
    try:
        footer = shelf_of(now.address).footer(now.name)
    except GridwrightError:
        return
    source = MonthSource(unit, kinds_of(unit)[now.kind], now.month, sql.point_codes(unit))
    versions = footer["versions"]
    wanted = {sql.CURRENT: footer["checksum"], sql.EARLIER: versions["checksum"] if versions else Tally().checksum}
    for table, checksum in wanted.items():
        found = _tally(source, table).checksum
        if found != checksum:
            what = "readings" if table == sql.CURRENT else "earlier images"
            finder.fault(
                f"{now}: its {what} in the database are others than in {now.place}, and no revision tells of it"
            )


def _changed(unit: Unit, part: ArchivePart) -> bool:
    return sql.fingerprint(unit, part.kind, part.month) != (part.blocks, part.revisions)


def _tally(source: MonthSource, table: str) -> Tally:
    tally = Tally()
    for day in source.days(table):
        tally.add(day.day, day.names, day.rows)
    return tally
