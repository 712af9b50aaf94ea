"""Rows that are old enough to go, counted by table and day, so that somebody may look before they do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import ColumnElement, Table, func, select

from gridwright.domain.access import Access, Act
from gridwright.store.session import Session

DAY_US = 86_400_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC).date()


@dataclass(frozen=True, slots=True)
class OldRows:
    """So many rows of a table, of one UTC day."""

    table: str
    day: date
    rows: int


def old_rows(
    session: Session, access: Access, table: Table, which: tuple[ColumnElement[bool], ColumnElement[int]]
) -> list[OldRows]:
    """Return rows by day; `which`: those that are old, and the instant in microseconds by which they are."""
    access.require(Act.ADMINISTER)
    old, at_us = which
    day = (at_us - at_us % DAY_US).label("day")
    query = select(day, func.count()).where(old).group_by(day).order_by(day)
    with session.reading(settled=False) as unit:
        found = unit.connection.execute(query).all()
    return [OldRows(table.name, EPOCH + timedelta(days=int(row[0]) // DAY_US), row[1]) for row in found]
