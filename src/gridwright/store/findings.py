"""Findings: the doubts of validation; one that no longer holds is resolved, never deleted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, insert, select, update

from gridwright.domain.access import Access, Act
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import ReadingType
from gridwright.store import schema
from gridwright.store.audit import note
from gridwright.store.blocks import lock_points
from gridwright.store.instant import to_period, to_seconds, to_us
from gridwright.store.names import FEW, Names, every_type
from gridwright.store.session import Session, Unit

Key = tuple[int, int, str, int, int]


class Findings:
    """Findings of validation."""

    def __init__(self, session: Session, names: Names) -> None:
        self._session = session
        self._names = names

    def save(
        self,
        access: Access,
        findings: Iterable[Finding],
        *,
        known_at: datetime,
        points: Sequence[str] = (),
        period: Interval | None = None,
    ) -> int:
        """Add findings and return how many were new; the same again changes nothing.

        After validating `points` over `period` once more, give both: open findings within that did not come up
        again are resolved at `known_at`.
        """
        access.require(Act.WRITE_READINGS)
        these = list(findings)
        named = sorted({finding.usage_point for finding in these} | set(points))
        for point in named:
            access.require(Act.WRITE_READINGS, point)
        with self._session.writing() as unit:
            keys = dict(zip(named, self._names.point_keys(unit, named), strict=True))
            lock_points(unit, list(keys.values()))
            rows = {self._key(unit, keys, finding): finding for finding in these}
            open_now = self._open(unit, sorted(keys.values()))
            new = [_row(key, finding, to_us(known_at)) for key, finding in rows.items() if key not in open_now]
            if new:
                unit.connection.execute(insert(schema.finding), new)
            again = {keys[point] for point in points}
            gone = [number for key, number in open_now.items() if key not in rows and _within(key, again, period)]
            _resolve(unit, gone, to_us(known_at))
            if new or gone:
                at = self._session.clock()
                subject = named[0] if len(named) == 1 else f"{len(named)} usage points"
                counts = {"findings": len(new), "resolved": len(gone)}
                note(unit, access, Act.WRITE_READINGS, subject=subject, at=at, **counts)
        return len(new)

    def load(
        self,
        access: Access,
        points: Sequence[str] | None = None,
        period: Interval | None = None,
        *,
        resolved: bool = False,
    ) -> list[Finding]:
        """Return the open findings (with `resolved` all) that overlap `period`, by usage point and time."""
        access.require(Act.READ)
        for point in points or ():
            access.require(Act.READ, point)
        table, usage_point = schema.finding, schema.usage_point
        query = select(table, usage_point.c.code.label("point")).join(
            usage_point, usage_point.c.id == table.c.usage_point
        )
        if not resolved:
            query = query.where(table.c.resolved_at_us.is_(None))
        if period is not None:
            start, end = to_seconds(period.start), to_seconds(period.end)
            query = query.where(table.c.start_s < end, table.c.end_s > start)
        query = query.order_by(usage_point.c.code, table.c.start_s, table.c.code)
        with self._session.reading() as unit:
            kinds = every_type(unit)
            rows = self._of_points(unit, query, points)
        return [_to_finding(row, kinds) for row in rows if access.may_see(row.point)]

    def _of_points(self, unit: Unit, query: Select[Any], points: Sequence[str] | None) -> list[Row[Any]]:
        if points is None:
            return list(unit.connection.execute(query))
        keys = self._names.point_keys(unit, points)
        parts = [keys[at : at + FEW] for at in range(0, len(keys), FEW)]
        rows = (unit.connection.execute(query.where(schema.finding.c.usage_point.in_(part))) for part in parts)
        return [row for part in rows for row in part]

    def _key(self, unit: Unit, keys: dict[str, int], finding: Finding) -> Key:
        kind = self._names.make_type_key(unit, finding.reading_type)
        start, end = to_seconds(finding.period.start), to_seconds(finding.period.end)
        return (keys[finding.usage_point], kind, finding.code, start, end)

    def _open(self, unit: Unit, keys: Sequence[int]) -> dict[Key, int]:
        table = schema.finding
        found: dict[Key, int] = {}
        for at in range(0, len(keys), FEW):
            query = select(table).where(table.c.usage_point.in_(keys[at : at + FEW]), table.c.resolved_at_us.is_(None))
            for row in unit.connection.execute(query):
                found[(row.usage_point, row.reading_type, row.code, row.start_s, row.end_s)] = row.id
        return found


def _within(key: Key, points: set[int], period: Interval | None) -> bool:
    return period is not None and key[0] in points and to_period(key[3], key[4]).overlaps(period)


def _resolve(unit: Unit, numbers: Sequence[int], at_us: int) -> None:
    table = schema.finding
    for at in range(0, len(numbers), FEW):
        statement = update(table).where(table.c.id.in_(numbers[at : at + FEW])).values(resolved_at_us=at_us)
        unit.connection.execute(statement)


def _row(key: Key, finding: Finding, known_at_us: int) -> dict[str, Any]:
    return {
        **dict(zip(("usage_point", "reading_type", "code", "start_s", "end_s"), key, strict=True)),
        "severity": str(finding.severity),
        "message": finding.message,
        "slots": finding.slots,
        "known_at_us": known_at_us,
    }


def _to_finding(row: Row[Any], kinds: dict[int, ReadingType]) -> Finding:
    return Finding(
        code=row.code,
        usage_point=row.point,
        period=to_period(row.start_s, row.end_s),
        severity=Severity(row.severity),
        message=row.message,
        reading_type=kinds[row.reading_type],
        slots=row.slots,
    )
