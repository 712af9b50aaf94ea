"""Arrivals: when the readings of a UTC day became known for the first and for the last time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select

from gridwright.domain.access import Access, Act
from gridwright.domain.calendar import date_of, day_number
from gridwright.domain.image import Image
from gridwright.domain.reading_type import ReadingType
from gridwright.store.days.superseded import Superseded, read_superseded
from gridwright.store.instant import from_us
from gridwright.store.names import FEW, Names
from gridwright.store.schema import block, block_version
from gridwright.store.session import Session, Unit


@dataclass(frozen=True, slots=True)
class Arrival:
    """Readings of a UTC day of a usage point came at `first`, and the last ones, or a correction, at `last`."""

    usage_point: str
    day: date
    first: datetime
    last: datetime


class Arrivals:
    """When readings came, as their day-blocks tell."""

    def __init__(self, session: Session, names: Names) -> None:
        self._session = session
        self._names = names

    def of(self, access: Access, points: Sequence[str], kind: ReadingType, days: Sequence[date]) -> list[Arrival]:
        """Return the arrivals of some UTC days of usage points, by day; each is found by the key, none is searched."""
        return [
            Arrival(name, date_of(day), from_us(min(firsts.get((point, day), last), last)), from_us(last))
            for name, point, day, last, firsts in self._rows(access, points, kind, [day_number(day) for day in days])
        ]

    def earliest(
        self, access: Access, points: Sequence[str], kind: ReadingType, days: Sequence[date]
    ) -> dict[str, datetime]:
        """Return when those of the readings of some UTC days came that stand longest, by usage points that have any."""
        found: dict[str, datetime] = {}
        with self._session.reading() as unit:
            key, codes = self._keys(unit, access, points, kind)
            every = sorted(codes) if key is not None else []
            for some in (every[at : at + FEW] for at in range(0, len(every), FEW)):
                query = select(block.c.usage_point, func.min(block.c.known_at_us)).group_by(block.c.usage_point)
                query = query.where(block.c.reading_type == key, block.c.day.in_([day_number(day) for day in days]))
                rows = unit.connection.execute(query.where(block.c.usage_point.in_(some)))
                found |= {codes[point]: from_us(first) for point, first in rows}
        return found

    def superseded(
        self,
        access: Access,
        points: Sequence[str],
        kind: ReadingType,
        days: Sequence[date],
        *,
        image: Image = Image.RAW,
    ) -> list[Superseded]:
        """Return the values of some UTC days of usage points that another took the place of, day by day."""
        found: list[Superseded] = []
        with self._session.reading() as unit:
            key, codes = self._keys(unit, access, points, kind, image)
            every = sorted(codes) if key is not None else []
            again: dict[int, dict[int, str]] = defaultdict(dict)
            for some in (every[at : at + FEW] for at in range(0, len(every), FEW)):
                query = select(block.c.usage_point, block.c.day).where(block.c.reading_type == key)
                query = query.where(block.c.day.in_([day_number(day) for day in days]), block.c.revision > 1)
                for point, day in unit.connection.execute(query.where(block.c.usage_point.in_(some))):
                    again[day][point] = codes[point]
            if key is not None:
                found += [each for day in sorted(again) for each in read_superseded(unit, key, day, again[day])]
        return found

    def _keys(
        self, unit: Unit, access: Access, points: Sequence[str], kind: ReadingType, image: Image = Image.RAW
    ) -> tuple[int | None, dict[int, str]]:
        access.require(Act.READ)
        for name in points if access.points is not None else ():
            access.require(Act.READ, name)
        keys = self._names.point_keys(unit, list(points))
        return self._names.type_key(unit, kind, image), dict(zip(keys, points, strict=True))

    def _rows(
        self, access: Access, points: Sequence[str], kind: ReadingType, days: Sequence[int]
    ) -> list[tuple[str, int, int, int, dict[tuple[int, int], int]]]:
        rows = []
        with self._session.reading() as unit:
            key, codes = self._keys(unit, access, points, kind)
            every = sorted(codes) if key is not None else []
            for some in (every[at : at + FEW] for at in range(0, len(every), FEW)):
                query = select(block.c.usage_point, block.c.day, block.c.known_at_us, block.c.revision)
                query = query.where(block.c.reading_type == key, block.c.day.in_(days), block.c.usage_point.in_(some))
                there = unit.connection.execute(query).all()
                again = [row for row in there if row.revision > 1]
                firsts = {}
                if again:
                    c = block_version.c
                    older = select(c.usage_point, c.day, func.min(c.known_at_us).label("first")).where(
                        c.reading_type == key,
                        c.day.in_(sorted({row.day for row in again})),
                        c.revision == 1,
                        c.usage_point.in_(sorted({row.usage_point for row in again})),
                    )
                    grouped = unit.connection.execute(older.group_by(c.usage_point, c.day))
                    firsts = {(row.usage_point, row.day): row.first for row in grouped}
                rows += [(codes[row.usage_point], row.usage_point, row.day, row.known_at_us, firsts) for row in there]
        return sorted(rows, key=lambda row: (row[2], row[0]))
