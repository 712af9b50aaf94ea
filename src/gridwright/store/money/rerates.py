"""Rerates: days whose final image changed, until the bills that they touch were rated again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select

from gridwright.domain.access import Access, Act
from gridwright.domain.interval import Interval
from gridwright.store.audit import note
from gridwright.store.days.blocks import lock_points
from gridwright.store.instant import from_us, to_period, to_seconds, to_us
from gridwright.store.names import FEW, Names, within
from gridwright.store.schema import usage_point
from gridwright.store.schema.trust import rerate as table
from gridwright.store.session import Session, Unit


@dataclass(frozen=True, slots=True)
class Rerate:
    """The final image of a usage point changed within `period`; `cascade` did it. `key` 0: not stored yet."""

    usage_point: str
    period: Interval
    cascade: str
    known_at: datetime
    key: int = 0


class Rerates:
    """What is still to be rated again."""

    def __init__(self, session: Session, names: Names) -> None:
        self._session = session
        self._names = names

    def add(self, access: Access, rerates: Sequence[Rerate]) -> None:
        """Queue changes; they become durable with the final images that caused them."""
        access.require(Act.WRITE_READINGS)
        for each in rerates if access.points is not None else ():
            access.require(Act.WRITE_READINGS, each.usage_point)
        if not rerates:
            return
        with self._session.writing() as unit:
            keys = self._names.point_keys(unit, [each.usage_point for each in rerates])
            queue(unit, keys, rerates)
            one = len({each.usage_point for each in rerates}) == 1
            subject = rerates[0].usage_point if one else f"{len(rerates)} usage points"
            changed = Interval(min(each.period.start for each in rerates), max(each.period.end for each in rerates))
            at = self._session.clock()
            note(unit, access, Act.WRITE_READINGS, subject=subject, at=at, final_changed=str(changed))

    def pending(self, access: Access, *, points: Sequence[str] | None = None, limit: int = 10_000) -> list[Rerate]:
        """Return what waits, the oldest first; `points`: only of some hundred usage points."""
        access.require(Act.READ)
        query = select(table, usage_point.c.code).join(usage_point, usage_point.c.id == table.c.usage_point)
        query = within(query, table.c.usage_point, access).order_by(table.c.id).limit(limit)
        with self._session.reading() as unit:
            if points is not None:
                query = query.where(table.c.usage_point.in_(self._names.point_keys(unit, points)))
            rows = unit.connection.execute(query).all()
        return [
            Rerate(row.code, to_period(row.start_s, row.end_s), row.cascade, from_us(row.known_at_us), row.id)
            for row in rows
        ]

    def claim(self, access: Access, point: str) -> list[Rerate]:
        """Return what waits of a usage point, to be dealt with in this transaction: until its end nobody else does."""
        with self._session.writing():
            self.hold(access, point)
            return self.pending(access, points=[point])

    def hold(self, access: Access, point: str) -> None:
        """Let nobody else change or rate a usage point's final images until the end of this transaction."""
        access.require(Act.WRITE_BILLS, point)
        with self._session.writing() as unit:
            lock_points(unit, self._names.point_keys(unit, [point]))

    def clear(self, access: Access, rerates: Iterable[Rerate]) -> int:
        """Remove what was dealt with and return how many there were."""
        access.require(Act.WRITE_BILLS)
        keys = [each.key for each in rerates]
        with self._session.writing() as unit:
            return sum(
                unit.connection.execute(delete(table).where(table.c.id.in_(keys[at : at + FEW]))).rowcount
                for at in range(0, len(keys), FEW)
            )


def queue(unit: Unit, points: Sequence[int], rerates: Sequence[Rerate]) -> None:
    """Queue changes of usage points, given by key, within a transaction that has asked for access and writes a note."""
    rows = [
        {
            "usage_point": key,
            "start_s": to_seconds(each.period.start),
            "end_s": to_seconds(each.period.end),
            "cascade": each.cascade,
            "known_at_us": to_us(each.known_at),
        }
        for key, each in zip(points, rerates, strict=True)
    ]
    unit.connection.execute(insert(table), rows)
