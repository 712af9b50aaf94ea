"""Readings of a UTC day deleted for good, with all that counts them; and series counted anew where a file was lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gridwright.domain.interval import DAY_S
from gridwright.store.archive import sql
from gridwright.store.archive.archive import ARCHIVED, finer_kinds, kinds_of, load_parts
from gridwright.store.archive.rows import StoredBlock, readings_of, taken_back
from gridwright.store.days.blocks import lock_points
from gridwright.store.days.recounting import MOVED, MOVING
from gridwright.store.days.series import uncount
from gridwright.store.session import Unit

if TYPE_CHECKING:
    from gridwright.store.archive.file import Shelf

POINTS = "SELECT usage_point FROM {table} WHERE reading_type = ? AND day = ?"
GONE = "DELETE FROM {table} WHERE reading_type = ? AND day = ?"
OLD_DAYS = "SELECT DISTINCT day FROM {table} WHERE reading_type = ? AND day >= ? AND day < ?"
BEGIN = "UPDATE series SET first_day = ? WHERE reading_type = ? AND first_day < ? AND last_day > ?"
EXTENTS = "SELECT usage_point, interval_s, readings FROM series WHERE reading_type = ?"
PAST_RANGES = "DELETE FROM dirty_range WHERE to_day <= ?"
CUT_RANGES = "UPDATE dirty_range SET from_day = ? WHERE from_day < ?"
TABLES = (sql.EARLIER, sql.CURRENT)


class Gone(NamedTuple):
    """What was deleted: current images, earlier ones, readings of raw images, and of how many usage points."""

    blocks: int
    versions: int
    readings: int
    usage_points: int


def old_days(unit: Unit, days: range) -> list[int]:
    """Return on which of some UTC days there is an image, current or earlier."""
    found = {
        day
        for kind in kinds_of(unit)
        for table in TABLES
        for (day,) in unit.fetch(OLD_DAYS.format(table=table), (kind, days.start, days.stop))
    }
    return sorted(found)


def forget_day(unit: Unit, day: int) -> Gone:
    """Delete every image of a UTC day, raw and final together, and count the readings no more."""
    kinds = kinds_of(unit)
    points = {(kind, table): _points(unit, table, kind, day) for kind in kinds for table in TABLES}
    everybody = sorted(set().union(*points.values()))
    lock_points(unit, everybody)
    raw = [key for key, kind in kinds.items() if kind.image == "raw"]
    finer = {key: {one for each in finer_kinds(kinds, key) for one in points[each, sql.CURRENT]} for key in raw}
    readings = sum(_uncount(unit, key, day, finer[key]) for key in raw)
    gone = Counter[str]()
    for kind in kinds:
        for table in TABLES:
            if points[kind, table]:
                gone[table] += _delete(unit, table, (kind, day), everybody[0])
    return Gone(gone[sql.CURRENT], gone[sql.EARLIER], readings, len(everybody))


def begin_at(unit: Unit, first_day: int) -> None:
    """Let series begin with the first day that is kept; what was to be judged again before has nothing to judge."""
    for kind in kinds_of(unit):
        unit.run_many(BEGIN, [(first_day, kind, first_day, first_day)])
    unit.run_many(PAST_RANGES, [(first_day,)])
    unit.run_many(CUT_RANGES, [(first_day, first_day)])


def _points(unit: Unit, table: str, kind: int, day: int) -> set[int]:
    return {point for (point,) in unit.fetch(POINTS.format(table=table), (kind, day))}


def _uncount(unit: Unit, kind: int, day: int, finer: Collection[int]) -> int:
    """Count the readings of a day of one series kind no more; returns how many they are.

    `finer`: usage points that have the day in a finer resolution, too, in which what was taken back of it is counted.
    """
    rows = sql.read_day(unit, sql.CURRENT, kind, day, _Any()).rows
    counts = _counted(rows, finer)
    for length_s in sorted({length for _, length in counts}):
        mine = sorted((point, count) for (point, length), count in counts.items() if length == length_s)
        keys, many = np.array(mine, np.int64).reshape(-1, 2).T
        uncount(unit, kind, length_s, keys, many)
    return sum(counts.values())


def _delete(unit: Unit, table: str, which: tuple[int, int], locked: int) -> int:
    """Delete the rows of a kind and day; of earlier images the database must be told that they are on their way."""
    kind, day = which
    mark = (kind, -locked)
    if table == sql.EARLIER:
        unit.run_many(MOVING, [(*mark, day, day + 1)])
    with unit.cursor() as cursor:
        cursor.execute(unit.placed(GONE.format(table=table)), which)
        gone = int(cursor.rowcount)
    if table == sql.EARLIER:
        unit.run_many(MOVED, [mark])
    return gone


def _counted(rows: list[StoredBlock], finer: Collection[int] = ()) -> Counter[tuple[int, int]]:
    """Return the readings of rows by usage point and interval length in seconds."""
    counts = Counter[tuple[int, int]]()
    for row, many in zip(rows, readings_of(rows).tolist(), strict=True):
        counts[row.usage_point, DAY_S // row.slots] += many - (taken_back(row) if row.usage_point in finer else 0)
    return counts


def recount_series(unit: Unit, kind: int, shelf_of: Callable[[str], Shelf]) -> None:
    """Count the series of a kind anew by all that is kept: what a lost file held of each, nobody knows any more."""
    kept = Counter[tuple[int, int]]()
    for rows in _kept(unit, kind, shelf_of):
        kept += _counted(rows)
    for point, length_s, said in unit.fetch(EXTENTS, (kind,)):
        more = int(said) - kept[point, length_s]
        if more:
            uncount(unit, kind, length_s, np.array([point]), np.array([more]))


def _kept(unit: Unit, kind: int, shelf_of: Callable[[str], Shelf]) -> Iterator[list[StoredBlock]]:
    from gridwright.store.archive.moving import file_days

    for (day,) in unit.fetch("SELECT DISTINCT day FROM block WHERE reading_type = ? ORDER BY day", (kind,)):
        yield sql.read_day(unit, sql.CURRENT, kind, day, _Any()).rows
    keys = {code: key for key, code in sql.point_codes(unit).items()}
    for part in load_parts(unit):
        if part.kind == kind and part.state != ARCHIVED:
            for each in file_days(shelf_of(part.address), part, keys):
                yield each.rows


class _Any(dict[int, str]):
    """Names where no names are needed."""

    def __missing__(self, key: int) -> str:
        return ""
