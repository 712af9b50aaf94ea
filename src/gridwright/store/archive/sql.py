"""Rows of day-blocks for the archive: a day at a time out of the database, out of it for good, and back into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from gridwright.domain.calendar import date_of
from gridwright.domain.errors import StoreCorrupt
from gridwright.domain.interval import DAY_S
from gridwright.domain.month import month_days, month_of_day
from gridwright.store import schema
from gridwright.store.archive.rows import Kind, StoredBlock, checksums_of
from gridwright.store.days.blocks import COPY_TYPES, PACKET, marks
from gridwright.store.days.checksum import stored
from gridwright.store.names import every_type
from gridwright.store.session import Unit

COLUMNS = "usage_point, phase_s, width, slots, quality_all, quality, counts, known_at_us, revision, known, additions"
DAY = "SELECT {columns} FROM {table} WHERE reading_type = ? AND day = ? ORDER BY usage_point, revision"
SUMS = "SELECT usage_point, revision, checksum FROM {table} WHERE reading_type = ? AND day = ?"
FIRST = "SELECT MIN(day) FROM {table} WHERE reading_type = ?"
FINGERPRINT = (
    "SELECT COUNT(*), COALESCE(SUM(revision + additions), 0) FROM block WHERE reading_type = ? AND day >= ? AND day < ?"
)
DELETE = "DELETE FROM {table} WHERE reading_type = ? AND day = ? AND usage_point IN ({marks})"
INSERT = "INSERT INTO {table} (reading_type, day, {columns}, checksum) VALUES ({marks})"
COPY = "COPY {table} (reading_type, day, {columns}, checksum) FROM STDIN (FORMAT BINARY)"
TYPES = (*COPY_TYPES[:-1], "bytea", "int4", "bytea")
DIRTY = "SELECT 1 FROM dirty_range WHERE reading_type = ? AND from_day < ? AND to_day > ? LIMIT 1"
# Rules compare a day with like days before it: six weeks of them, and a day for the zone.
CONTEXT_DAYS = 43
TOUCHED_BILLS = (
    "SELECT DISTINCT bill.start_s, bill.end_s FROM rerate JOIN bill ON bill.usage_point = rerate.usage_point "
    "AND bill.start_s < rerate.end_s AND bill.end_s > rerate.start_s"
)
# A change rates bills again from its own time on: those of later months too, where a ladder runs over the year.
RERATE = (
    "SELECT 1 FROM rerate JOIN bill ON bill.usage_point = rerate.usage_point AND bill.end_s > rerate.start_s "
    "WHERE rerate.start_s < ? AND rerate.end_s > ? AND bill.state <> 'cancelled' LIMIT 1"
)
HELPS = "a running server does it, and so does gridwright bill correct"
CURRENT, EARLIER = "block", "block_version"


@dataclass(frozen=True, slots=True)
class DayRows:
    """The rows of one table and day in order of the usage points' names; `names` name them."""

    day: int
    names: list[str]
    rows: list[StoredBlock]


def read_day(unit: Unit, table: str, kind: int, day: int, codes: Mapping[int, str]) -> DayRows:
    """Return the rows of a day; one of a usage point that does not exist is StoreCorrupt."""
    rows = [StoredBlock(*row) for row in unit.fetch(DAY.format(table=table, columns=COLUMNS), (kind, day))]
    try:
        names = [codes[row.usage_point] for row in rows]
    except KeyError as error:
        raise StoreCorrupt(
            f"table {table} holds a day of usage point number {error.args[0]}, which does not exist",
            remedy="gridwright verify finds such rows; bring the database back from a backup",
        ) from None
    order = sorted(range(len(rows)), key=lambda at: (names[at], rows[at].revision))
    return DayRows(day, [names[at] for at in order], [rows[at] for at in order])


def require_unchanged(unit: Unit, table: str, kind: int, day: DayRows) -> None:
    """Raise StoreCorrupt where a row has another checksum than its content says; one without a checksum is passed."""
    there = {tuple(key): sum_ for *key, sum_ in unit.fetch(SUMS.format(table=table), (kind, day.day))}
    right = stored(checksums_of(day.rows, kind, day.day))
    for name, row, sum_ in zip(day.names, day.rows, right, strict=True):
        if there[row.usage_point, row.revision] not in {None, sum_}:
            raise StoreCorrupt(
                f"{date_of(day.day)} of usage point {name} has been changed past Gridwright",
                where=f"table {table}, revision {row.revision}",
                remedy="gridwright verify names all such rows; compare the database with a backup",
            )


def read_month(unit: Unit, table: str, kind: int, month: int, codes: Mapping[int, str]) -> Iterator[DayRows]:
    """Yield the days of a month that have rows."""
    for day in month_days(month):
        found = read_day(unit, table, kind, day, codes)
        if found.rows:
            yield found


def point_codes(unit: Unit) -> dict[int, str]:
    """Return the usage points' names by their keys."""
    table = schema.usage_point
    return {row.id: row.code for row in unit.connection.execute(select(table.c.id, table.c.code))}


def first_day(unit: Unit, kind: int) -> int | None:
    """Return the first day of which there is a block."""
    found = unit.fetch(FIRST.format(table=CURRENT), (kind,))[0][0]
    return None if found is None else int(found)


def fingerprint(unit: Unit, kind: int, month: int) -> tuple[int, int]:
    """Return how many blocks a month has, and their revisions with additions summed: another pair after any change."""
    days = month_days(month)
    many, revisions = unit.fetch(FINGERPRINT, (kind, days.start, days.stop))[0]
    return int(many), int(revisions)


def why_not_closed(unit: Unit, raw_kind: int | None, month: int) -> str:
    """Return why a month is not closed yet, empty when it is: changes that nobody dealt with."""
    days = month_days(month)
    if raw_kind is not None and unit.fetch(DIRTY, (raw_kind, days.stop, days.start)):
        return f"readings changed that were not validated again: {HELPS}"
    if unit.fetch(RERATE, (days.stop * DAY_S, days.start * DAY_S)):
        return f"bills have to be rated again: {HELPS}"
    return ""


def wanted_months(unit: Unit) -> set[int]:
    """Return the months that waiting changes need: those before and behind changed days, those of bills they touch.

    Where day totals alone are to be added up again nothing is written to readings, and they are read where they are.
    """
    wanted: set[int] = set()
    kinds = every_type(unit)
    for kind, first, last in unit.fetch("SELECT DISTINCT reading_type, from_day, to_day FROM dirty_range"):
        if kind in kinds:
            wanted |= _months(first - CONTEXT_DAYS, last + 1)
    for start, end in unit.fetch(TOUCHED_BILLS):
        wanted |= _months(start // DAY_S - 1, end // DAY_S + 2)
    return wanted


def _months(first: int, last: int) -> set[int]:
    return set(range(month_of_day(date_of(first)), month_of_day(date_of(last - 1)) + 1))


def delete_points(unit: Unit, table: str, kind: int, day: int, points: Sequence[int]) -> None:
    """Delete the rows of some usage points on a day."""
    for at in range(0, len(points), PACKET):
        part = points[at : at + PACKET]
        sql = DELETE.format(table=table, marks=marks(len(part)))
        with unit.cursor() as cursor:
            cursor.execute(unit.placed(sql), (kind, day, *part))


def insert_rows(unit: Unit, table: str, kind: int, day: int, rows: Sequence[StoredBlock]) -> None:
    """Add rows that do not exist."""
    if not rows:
        return
    sums = stored(checksums_of(rows, kind, day))
    written = [(kind, day, *row, sum_) for row, sum_ in zip(rows, sums, strict=True)]
    if unit.dialect == "postgresql":
        with unit.cursor() as cursor, cursor.copy(COPY.format(table=table, columns=COLUMNS)) as copy:
            copy.set_types(TYPES)
            for row in written:
                copy.write_row(row)
        return
    statement = INSERT.format(table=table, columns=COLUMNS, marks=marks(len(TYPES)))
    for at in range(0, len(written), PACKET):
        unit.run_many(statement, written[at : at + PACKET])


def points_of(rows: Sequence[StoredBlock]) -> list[int]:
    """Return the usage points of rows, each once, ascending."""
    return sorted({row.usage_point for row in rows})


def kind_name(kind: Kind) -> str:
    """Return the name of a series as a part of a file's name."""
    return f"{kind.code.replace('/', '.')}-{kind.image}"
