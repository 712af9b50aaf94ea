"""Dirty ranges: which days of which series changed since someone last dealt with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import delete, func, select

from gridwright.domain.access import Access, Act
from gridwright.domain.calendar import date_of
from gridwright.domain.image import Image
from gridwright.domain.interval import DAY_S, Interval
from gridwright.domain.reading_type import ReadingType
from gridwright.store import schema
from gridwright.store.audit import note
from gridwright.store.days.blocks import lock_points
from gridwright.store.forgotten import kept_from
from gridwright.store.instant import to_seconds
from gridwright.store.names import FEW, Names, every_image, within
from gridwright.store.session import Session, Unit

INSERT = "INSERT INTO dirty_range (reading_type, usage_point, from_day, to_day) VALUES (?, ?, ?, ?)"
TOUCHING = (
    "SELECT id, usage_point, from_day, to_day FROM dirty_range "
    "WHERE reading_type = ? AND from_day <= ? AND to_day >= ? AND usage_point {which}"
)
LAST_DAY = 365_000  # later than any reading
DELETE = "DELETE FROM dirty_range WHERE id BETWEEN ? AND ?"


@dataclass(frozen=True, slots=True)
class DirtyRange:
    """UTC days [from_day, to_day) of a series changed; `key` is another whenever the range is touched again."""

    usage_point: str
    reading_type: ReadingType
    from_day: date
    to_day: date
    key: int

    @property
    def period(self) -> Interval:
        """The days as a period."""
        return Interval(*(datetime.combine(day, time.min, UTC) for day in (self.from_day, self.to_day)))


class Dirty:
    """The dirty ranges."""

    def __init__(self, session: Session, names: Names) -> None:
        self._session = session
        self._names = names

    def ranges(
        self, access: Access, limit: int = 10_000, *, points: Sequence[str] | None = None, after: int = 0
    ) -> list[DirtyRange]:
        """Return the oldest ranges first (of some hundred `points`), those behind the one with key `after`."""
        return self._ranges(access, Image.RAW, limit, points=points, after=after)

    def totals(self, access: Access, limit: int = 10_000, *, points: Sequence[str] | None = None) -> list[DirtyRange]:
        """Return the ranges of which the day totals alone are to be added up again, all series: the readings stand."""
        return self._ranges(access, Image.FINAL, limit, points=points)

    def _ranges(
        self, access: Access, image: Image, limit: int, *, points: Sequence[str] | None, after: int = 0
    ) -> list[DirtyRange]:
        access.require(Act.READ)
        table, point = schema.dirty_range, schema.usage_point
        query = select(table, point.c.code).join(point, point.c.id == table.c.usage_point).order_by(table.c.id)
        if access.points is not None:
            query = query.where(point.c.code.in_(access.points))
        query = query.where(table.c.id > after)
        with self._session.reading() as unit:
            if points is not None:
                query = query.where(table.c.usage_point.in_(self._names.point_keys(unit, points)))
            kinds = {key: kind for key, (kind, which) in every_image(unit).items() if which is image}
            query = query.where(table.c.reading_type.in_(kinds))
            rows = unit.connection.execute(query.limit(limit)).all()
        return [
            DirtyRange(row.code, kinds[row.reading_type], date_of(row.from_day), date_of(row.to_day), row.id)
            for row in rows
        ]

    def count(self, access: Access, limit: int) -> int:
        """Count the ranges that may be seen, no further than `limit`."""
        access.require(Act.READ)
        table = schema.dirty_range
        some = within(select(table.c.id), table.c.usage_point, access).limit(limit).subquery()
        with self._session.reading() as unit:
            return int(unit.connection.execute(select(func.count()).select_from(some)).scalar_one())

    def touch(self, access: Access, points: Sequence[str], kind: ReadingType, period: Interval) -> None:
        """Mark the UTC days of a period dirty by hand: what their readings are judged by has changed, not they."""
        access.require(Act.WRITE_READINGS)
        for point in points:
            access.require(Act.WRITE_READINGS, point)
        first, last = to_seconds(period.start) // DAY_S, -(-to_seconds(period.end) // DAY_S)
        with self._session.writing() as unit:
            keys = np.array(sorted(self._names.point_keys(unit, points)), np.int64)
            lock_points(unit, keys.tolist())
            key = self._names.make_type_key(unit, kind)
            mark(unit, key, keys, np.full(keys.size, first), np.full(keys.size, last))
            subject = points[0] if len(points) == 1 else f"{len(points)} usage points"
            at = self._session.clock()
            note(unit, access, Act.WRITE_READINGS, subject=subject, at=at, touched=str(period), reading_type=kind.code)

    def again(self, access: Access, points: Sequence[str], period: Interval | None = None) -> int:
        """Have readings judged, estimated and added up again, of all time or a period; return of how many points."""
        from gridwright.store.days.touching import touch_again  # which marks days by this module

        access.require(Act.WRITE_READINGS)
        for point in points:
            access.require(Act.WRITE_READINGS, point)
        first, last = (0, LAST_DAY)
        if period is not None:
            first, last = to_seconds(period.start) // DAY_S, -(-to_seconds(period.end) // DAY_S)
        with self._session.writing() as unit:
            keys = self._names.point_keys(unit, points)
            lock_points(unit, keys)
            done = touch_again(unit, self._names, keys, first, last)
            if done:
                subject = points[0] if len(points) == 1 else f"{len(points)} usage points"
                asked = str(period) if period is not None else "all of it"
                note(unit, access, Act.WRITE_READINGS, subject=subject, at=self._session.clock(), again=asked)
        return done

    def clear(self, access: Access, ranges: Iterable[DirtyRange]) -> int:
        """Remove ranges that were dealt with and return how many; one touched in the meantime stays."""
        access.require(Act.WRITE_READINGS)
        these = list(ranges)
        for each in these:
            access.require(Act.WRITE_READINGS, each.usage_point)
        cleared = 0
        with self._session.writing() as unit:
            # Before the ranges, as whoever saves readings does: else both may wait for each other.
            lock_points(unit, self._names.point_keys(unit, sorted({each.usage_point for each in these})))
            unit.marked.clear()
            for at in range(0, len(these), 500):
                keys = [each.key for each in these[at : at + 500]]
                result = unit.connection.execute(delete(schema.dirty_range).where(schema.dirty_range.c.id.in_(keys)))
                cleared += result.rowcount
            if cleared:
                at_now = self._session.clock()
                note(unit, access, Act.WRITE_READINGS, subject="dirty ranges", at=at_now, cleared=cleared)
        return cleared


def mark(
    unit: Unit, kind: int, points: npt.NDArray[np.int64], first: npt.NDArray[np.int64], last: npt.NDArray[np.int64]
) -> None:
    """Mark days first..last-1 of each point dirty, one row a point, joined with the ranges they touch or adjoin.

    What this very transaction has marked already needs no new mark: nobody can have dealt with it. Days of which
    readings were forgotten are left out: made again, they would be empty, and so would their totals and bills.
    """
    kept = kept_from(unit)
    each = zip(points.tolist(), first.tolist(), last.tolist(), strict=True)
    rows = [(point, max(begin, kept), end) for point, begin, end in each if end > kept]
    if unit.marked:
        rows = [row for row in rows if not _is_marked(unit, kind, row)]
    if not rows:
        return
    there = _touching(unit, kind, rows)
    if there:
        gone, rows = _joined(rows, there)
        unit.run_many(DELETE, _runs(gone))
    _insert(unit, [(kind, *row) for row in rows])
    unit.marked.update({(kind, point): (begin, end) for point, begin, end in rows})


def _is_marked(unit: Unit, kind: int, row: tuple[int, int, int]) -> bool:
    point, begin, end = row
    marked = unit.marked.get((kind, point))
    return marked is not None and marked[0] <= begin and end <= marked[1]


def _touching(unit: Unit, kind: int, rows: Sequence[tuple[int, int, int]]) -> list[tuple[Any, ...]]:
    """Return what is marked of these points about these days; of many, all that lies between the first and the last."""
    points = [point for point, _, _ in rows]
    bounds = (kind, max(end for _, _, end in rows), min(begin for _, begin, _ in rows))
    if len(points) <= FEW:
        return unit.fetch(TOUCHING.format(which=f"IN ({', '.join('?' * len(points))})"), (*bounds, *points))
    return unit.fetch(TOUCHING.format(which="BETWEEN ? AND ?"), (*bounds, min(points), max(points)))


def _runs(keys: Sequence[int]) -> list[tuple[int, int]]:
    """Return keys as runs without a gap, first and last: ranges that were marked together mostly go together."""
    each = np.array(sorted(set(keys)), np.int64)
    cuts = np.flatnonzero(np.diff(each) != 1)
    if not each.size:
        return []
    first, last = each[np.r_[0, cuts + 1]], each[np.r_[cuts, each.size - 1]]
    return list(zip(first.tolist(), last.tolist(), strict=True))


def _joined(
    rows: Sequence[tuple[int, int, int]], there: Sequence[tuple[Any, ...]]
) -> tuple[list[int], list[tuple[int, int, int]]]:
    by_point: dict[int, list[tuple[int, int, int]]] = {}
    for key, point, begin, end in there:
        by_point.setdefault(point, []).append((key, begin, end))
    gone, merged = [], []
    for point, begin, end in rows:
        low, high = begin, end
        old = by_point.get(point, [])
        for key, old_begin, old_end in sorted(old, key=lambda each: each[1]) if len(old) > 1 else old:
            if old_begin <= high and old_end >= low:
                low, high = min(low, old_begin), max(high, old_end)
                gone.append(key)
        merged.append((point, low, high))
    return gone, merged


def _insert(unit: Unit, rows: Sequence[tuple[int, ...]]) -> None:
    if unit.dialect != "postgresql":
        unit.run_many(INSERT, rows)
        return
    with (
        unit.cursor() as cursor,
        cursor.copy(
            "COPY dirty_range (reading_type, usage_point, from_day, to_day) FROM STDIN (FORMAT BINARY)"
        ) as copy,
    ):
        copy.set_types(("int4", "int8", "int4", "int4"))
        for row in rows:
            copy.write_row(row)
