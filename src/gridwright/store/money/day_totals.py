"""Totals of civil days: written in bulk, with every earlier version kept, and read by points or summed by day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import func, select

from gridwright.domain.access import Access, Act
from gridwright.domain.day_totals import FIELDS, DayTotals, no_totals
from gridwright.domain.reading_type import DELIVERED_ENERGY, ReadingType
from gridwright.store.days.blocks import PACKET, lock_points, marks, which_points
from gridwright.store.forgotten import kept_from
from gridwright.store.instant import to_us
from gridwright.store.names import Names, every_type, within
from gridwright.store.schema.trust import day_total as table
from gridwright.store.session import Session, Unit

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
KEY = ("reading_type", "day", "usage_point")
COLUMNS = (*KEY, *FIELDS, "known_at_us", "revision")
INSERT = "INSERT INTO day_total ({columns}) VALUES ({marks})"
COPY = "COPY day_total ({columns}) FROM STDIN (FORMAT BINARY)"
COPY_TYPES = ("int4", "int4", "int8", "int8", "int8", "int4", "int4", "int4", "int4", "int4", "int8", "int4")
KEEP = (
    "INSERT INTO day_total_version ({columns}) SELECT {columns} FROM day_total "
    "WHERE reading_type = ? AND day = ? AND usage_point = ?"
)
REPLACE = "UPDATE day_total SET {sets} WHERE reading_type = ? AND day = ? AND usage_point = ?"
OF_DAY = "SELECT {values} FROM {table} WHERE reading_type = ? AND day = ? AND {which}"
VALUED = " AND measured + estimated + edited > 0"
# The database joins a column's numbers to one text, so that Python never touches a row; MySQL's texts are too short.
JOINED = {"sqlite": "group_concat({})", "postgresql": "string_agg(({})::text, ',')"}
WHOLE = (
    "SELECT usage_point, COUNT(*) FROM day_total WHERE reading_type = ? AND day IN ({days}) AND {which} "
    "AND intervals > 0 AND measured >= intervals GROUP BY usage_point"
)
OF_POINT = (
    "SELECT day, {values}, known_at_us, revision FROM {table} "
    "WHERE reading_type = ? AND usage_point = ? AND day IN ({days}) ORDER BY day, revision"
)
# PostgreSQL's planner would rather read the days of all meters; the lateral join makes it look up each day.
OF_POINT_POSTGRES = (
    "SELECT found.* FROM unnest(ARRAY[{days}]::integer[]) AS days (day) CROSS JOIN LATERAL (SELECT {table}.day, "
    "{values}, known_at_us, revision FROM {table} WHERE reading_type = ? AND usage_point = ? "
    "AND {table}.day = days.day OFFSET 0) AS found"
)
END = "SELECT day FROM day_total WHERE reading_type = ? ORDER BY day {order} LIMIT 1"
ONE_BY_ONE = 8
ROW = ("usage_point", *FIELDS, "known_at_us", "revision")
KNOWN_AT, REVISION = len(FIELDS) + 1, len(FIELDS) + 2  # places in a row that was read
TOTAL, PEAK, INTERVALS = (ROW.index(name) for name in ("total", "peak", "intervals"))
VALUES_OF = [ROW.index(name) for name in ("measured", "estimated", "edited")]
PARTLY = -(2**62)  # stands for a total that lacks an interval
OUTLINE = (
    "usage_point",
    f"CASE WHEN measured + estimated + edited = intervals THEN total ELSE {PARTLY} END",
    "peak",
)


class TownDay(NamedTuple):
    """One civil day of many usage points: sums of whole counts, and how many intervals are known in which way."""

    day: int
    points: int
    total: int
    intervals: int
    measured: int
    estimated: int
    edited: int


class Outlines(NamedTuple):
    """Civil days in outline, float64[n, days]: a total is NaN where an interval has no value, a peak where all lack it.

    Counts of the reading type.
    """

    total: npt.NDArray[np.float64]
    peak: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TotalsSummary:
    """How many day totals were new, and how many were superseded."""

    new: int
    changed: int


class DayTotalsStore:
    """Day totals, by reading type, civil day and usage point."""

    def __init__(self, session: Session, names: Names) -> None:
        self._session = session
        self._names = names

    def save(self, access: Access, totals: DayTotals, *, known_at: datetime, gone: Mask | None = None) -> TotalsSummary:
        """Keep the known days of `totals`; the same again writes nothing, another supersedes what was there.

        Days of which nothing is known are passed over, but for those that are `gone` (bool[n, days]): of them nothing
        is known any more. What is superseded stays for `as_of`.
        """
        access.require(Act.WRITE_READINGS)
        if access.points is not None:
            for point in totals.points:
                access.require(Act.WRITE_READINGS, point)
        with self._session.writing() as unit:
            keys = np.array(self._names.point_keys(unit, totals.points), np.int64)
            lock_points(unit, keys.tolist())
            kind = self._names.make_type_key(unit, totals.reading_type)
            order = np.argsort(keys, kind="stable")
            stored = _Reader(unit, kind, keys[order], None).read(totals.days)
            new, changed = 0, 0
            values = np.stack([getattr(totals, name)[order] for name in FIELDS], axis=-1)
            known = totals.known[order]
            told = known if gone is None else known | gone[order]
            # A civil day begins in the UTC day before: of the first that is kept a part may be forgotten.
            kept = kept_from(unit)
            for at, day in ((at, day) for at, day in enumerate(totals.days) if not kept or day > kept):
                fresh, other, old = _differences(
                    values[:, at], (known[:, at], told[:, at]), stored.get(day), keys[order]
                )
                _insert(unit, (kind, day), keys[order][fresh], values[fresh, at], to_us(known_at))
                _supersede(unit, (kind, day), keys[order][other], values[other, at], old=old, known=to_us(known_at))
                new, changed = new + int(fresh.sum()), changed + int(other.sum())
        return TotalsSummary(new, changed)

    def load(
        self,
        access: Access,
        points: Sequence[str],
        days: range,
        *,
        reading_type: ReadingType = DELIVERED_ENERGY,
        as_of: datetime | None = None,
    ) -> DayTotals:
        """Return the totals of usage points, in that order, on civil days (days since 1970-01-01).

        Days that are not stored have no intervals. `as_of` gives what was known at that instant.
        """
        access.require(Act.READ)
        for point in points if access.points is not None else ():
            access.require(Act.READ, point)
        found = no_totals(points, days, reading_type)
        with self._session.reading() as unit:
            kind = self._names.type_key(unit, reading_type)
            keys = np.array(self._names.point_keys(unit, points), np.int64)
            if kind is None or not keys.size:
                return found
            order = np.argsort(keys, kind="stable")
            rows = _Reader(unit, kind, keys[order], None if as_of is None else to_us(as_of)).read(days)
        for day, read in rows.items():
            at = order[np.searchsorted(keys[order], read[:, 0])]
            for place, name in enumerate(FIELDS, start=1):
                getattr(found, name)[at, day - days.start] = read[:, place]
        return found

    def outlines(
        self, access: Access, points: Sequence[str], days: range, *, reading_type: ReadingType = DELIVERED_ENERGY
    ) -> Outlines:
        """Return only total and peak of each day, for half of what `load` takes."""
        access.require(Act.READ)
        for point in points if access.points is not None else ():
            access.require(Act.READ, point)
        found = Outlines(*(np.full((len(points), len(days)), np.nan) for _ in range(2)))
        with self._session.reading() as unit:
            kind = self._names.type_key(unit, reading_type)
            keys = np.array(self._names.point_keys(unit, points), np.int64)
            if kind is None or not keys.size:
                return found
            order = np.argsort(keys, kind="stable")
            for day, read in _Reader(unit, kind, keys[order], None).outlines(days):
                at = order[np.searchsorted(keys[order], read[:, 0])]
                found.total[at, day - days.start] = np.where(read[:, 1] == PARTLY, np.nan, read[:, 1])
                found.peak[at, day - days.start] = read[:, 2]
        return found

    def are_measured(
        self, access: Access, points: Sequence[str], days: range, *, reading_type: ReadingType = DELIVERED_ENERGY
    ) -> Mask:
        """Tell of which usage points every interval of all these days was measured, bool[n], without reading them."""
        access.require(Act.READ)
        for point in points if access.points is not None else ():
            access.require(Act.READ, point)
        if not len(days):
            return np.ones(len(points), np.bool_)
        with self._session.reading() as unit:
            kind = self._names.type_key(unit, reading_type)
            keys = np.array(self._names.point_keys(unit, points), np.int64)
            if kind is None or not keys.size:
                return np.zeros(len(points), np.bool_)
            which, asked = which_points(np.sort(keys))
            sql = WHOLE.format(days=marks(len(days)), which=which)
            whole = {int(key) for key, many in unit.fetch(sql, (kind, *days, *asked)) if many == len(days)}
        return np.array([key in whole for key in keys.tolist()], np.bool_)

    def reach(self, access: Access) -> dict[ReadingType, range]:
        """Return the reading types that have day totals, each with the civil days from the first to the last."""
        access.require(Act.READ)
        found: dict[ReadingType, range] = {}
        with self._session.reading() as unit:
            for key, kind in every_type(unit).items():
                # Two looks at the ends of the key; a minimum and a maximum at once would walk through all of it.
                ends = [unit.fetch(END.format(order=order), (key,)) for order in ("ASC", "DESC")]
                if all(ends):
                    found[kind] = range(int(ends[0][0][0]), int(ends[1][0][0]) + 1)
        return found

    def by_day(
        self,
        access: Access,
        days: range,
        *,
        reading_type: ReadingType = DELIVERED_ENERGY,
    ) -> list[TownDay]:
        """Return for each civil day the sums over all usage points that may be seen; the database does the adding."""
        access.require(Act.READ)
        sums = [func.sum(table.c[name]) for name in ("total", "intervals", "measured", "estimated", "edited")]
        with self._session.reading() as unit:
            kind = self._names.type_key(unit, reading_type)
            query = select(table.c.day, func.count(), *sums).where(
                table.c.reading_type == kind,
                table.c.day >= days.start,
                table.c.day < days.stop,
                table.c.intervals > 0,  # nothing is known any more of the others
            )
            query = within(query, table.c.usage_point, access).group_by(table.c.day).order_by(table.c.day)
            rows = unit.connection.execute(query).all()
        return [TownDay(*(int(number) for number in row)) for row in rows]


@dataclass(frozen=True, slots=True, eq=False)
class _Reader:
    """Reads the totals of some usage points (`keys`, ascending), as they are or were known."""

    unit: Unit
    kind: int
    keys: Rows
    as_of_us: int | None

    def read(self, days: range) -> dict[int, Rows]:
        """Return int64[rows, key + FIELDS + known_at_us, revision] of each day that has any, in no order."""
        if not self.keys.size or not len(days):
            return {}
        if self.keys.size <= ONE_BY_ONE:
            return self._by_point(days)
        read = {day: self._day("day_total", day) for day in days}
        return {day: rows for day, rows in ((day, self._known(day, rows)) for day, rows in read.items()) if rows.size}

    def outlines(self, days: range) -> Iterator[tuple[int, Rows]]:
        """Yield (day, int64[rows, key + total + peak]) of the days that have a value; a total may be PARTLY known."""
        if self.keys.size <= ONE_BY_ONE:
            for day, rows in self._by_point(days).items():
                valued = rows[:, VALUES_OF].sum(axis=1)
                rows[valued < rows[:, INTERVALS], TOTAL] = PARTLY
                yield day, rows[valued > 0][:, [0, TOTAL, PEAK]]
        else:
            for day in days:
                rows = self._day("day_total", day, OUTLINE, VALUED)
                if rows.size:
                    yield day, rows

    def _day(self, name: str, day: int, columns: Sequence[str] = ROW, only: str = "") -> Rows:
        which, bounds = which_points(self.keys)
        joined = JOINED.get(self.unit.dialect)
        values = ", ".join(joined.format(column) if joined else column for column in columns)
        sql = OF_DAY.format(values=values, table=name, which=which + only)
        rows = self.unit.fetch(sql, (self.kind, day, *bounds))
        return self._ours(_columns(rows[0]) if joined else _array(rows, len(columns)))

    def _ours(self, rows: Rows) -> Rows:
        return rows[np.isin(rows[:, 0], self.keys)] if rows.shape[0] != self.keys.size else rows

    def _known(self, day: int, rows: Rows) -> Rows:
        """Return the rows as known at the instant asked for."""
        if self.as_of_us is None or (rows[:, KNOWN_AT] <= self.as_of_us).all():
            return rows
        return _last_known(np.vstack([self._day("day_total_version", day), rows]), self.as_of_us)

    def _by_point(self, days: range) -> dict[int, Rows]:
        found: dict[int, list[Rows]] = {}
        for key in self.keys.tolist():
            rows = self._point("day_total", key, days)
            if self.as_of_us is not None and (rows[:, KNOWN_AT] > self.as_of_us).any():
                rows = _last_known(np.vstack([self._point("day_total_version", key, days), rows]), self.as_of_us)
            for row in rows:
                found.setdefault(int(row[0]), []).append(np.r_[key, row[1:]])
        return {day: np.stack(rows) for day, rows in found.items()}

    def _point(self, name: str, key: int, days: range) -> Rows:
        read: list[tuple[Any, ...]] = []
        for at in range(0, len(days), PACKET):
            part = days[at : at + PACKET]
            if self.unit.dialect == "postgresql":
                sql = _sql(OF_POINT_POSTGRES, table=name, days=marks(len(part)))
                read += self.unit.fetch(sql, (*part, self.kind, key))
            else:
                sql = _sql(OF_POINT, table=name, days=marks(len(part)))
                read += self.unit.fetch(sql, (self.kind, key, *part))
        return _array(read)


def _sql(template: str, **places: str) -> str:
    """Return a statement with the columns in it, so that they are listed in one place."""
    sets = ", ".join(f"{name} = ?" for name in COLUMNS[len(KEY) :])
    known = {"columns": ", ".join(COLUMNS), "values": ", ".join(FIELDS), "sets": sets, "marks": marks(len(COLUMNS))}
    return template.format(**known, **places)


def _array(rows: Sequence[tuple[Any, ...]], columns: int = REVISION + 1) -> Rows:
    return np.array(rows, np.int64).reshape(len(rows), columns)


def _columns(joined: Sequence[str | None]) -> Rows:
    """Turn columns, each joined to one text, into rows; without any row all are None."""
    if joined[0] is None:
        return _array((), len(joined))
    return np.stack([np.fromstring(text or "", np.int64, sep=",") for text in joined], axis=1)


def _last_known(rows: Rows, as_of_us: int) -> Rows:
    """Return of each key the last revision that was known by then."""
    rows = rows[rows[:, KNOWN_AT] <= as_of_us]
    rows = rows[np.lexsort((rows[:, REVISION], rows[:, 0]))]
    last = np.r_[rows[1:, 0] != rows[:-1, 0], np.ones(min(1, rows.shape[0]), np.bool_)]
    return rows[last]


def _differences(values: Rows, which: tuple[Mask, Mask], stored: Rows | None, keys: Rows) -> tuple[Mask, Mask, Rows]:
    """Return which rows are new, which differ from the stored ones, and what is stored of the latter.

    `which`: of which rows something is known, and of which it is told that something is, or that nothing is any more.
    """
    known, told = which
    if stored is None:
        return known, np.zeros(known.size, np.bool_), np.empty((0, REVISION + 1), np.int64)
    at = np.searchsorted(keys, stored[:, 0])
    there = np.zeros(known.size, np.bool_)
    there[at] = True
    differs = told[at] & (values[at] != stored[:, 1 : 1 + len(FIELDS)]).any(axis=1)
    other = np.zeros(known.size, np.bool_)
    other[at[differs]] = True
    return known & ~there, other, stored[differs]


def _insert(unit: Unit, place: tuple[int, int], keys: Rows, values: Rows, known_at_us: int) -> None:
    if not keys.size:
        return
    table_rows = np.empty((keys.size, len(COLUMNS)), np.int64)
    table_rows[:, :2], table_rows[:, 2], table_rows[:, -2:] = place, keys, (known_at_us, 1)
    table_rows[:, len(KEY) : -2] = values
    rows = table_rows.tolist()
    with unit.cursor() as cursor:
        if unit.dialect == "postgresql":
            with cursor.copy(_sql(COPY)) as copy:
                copy.set_types(COPY_TYPES)
                for row in rows:
                    copy.write_row(row)
        else:
            cursor.executemany(unit.placed(_sql(INSERT)), rows)


def keep(unit: Unit, which: Sequence[tuple[int, int, int]]) -> None:
    """Keep a version of totals that are about to change, by reading type, day and usage point."""
    unit.run_many(_sql(KEEP), which)


def _supersede(unit: Unit, place: tuple[int, int], keys: Rows, values: Rows, *, old: Rows, known: int) -> None:
    if not keys.size:
        return
    keep(unit, [(*place, key) for key in keys.tolist()])
    ends = zip(np.maximum(old[:, KNOWN_AT], known).tolist(), (old[:, REVISION] + 1).tolist(), strict=True)
    rows = zip(keys.tolist(), values.tolist(), ends, strict=True)
    unit.run_many(_sql(REPLACE), [(*row, *end, *place, key) for key, row, end in rows])
