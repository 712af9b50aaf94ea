"""What may be forgotten once it is old: findings that resolved themselves, and readings in quarantine."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Table, delete, func, or_, select

from gridwright.domain.access import Access, Act
from gridwright.store.audit import note
from gridwright.store.instant import to_us
from gridwright.store.old_rows import OldRows, old_rows
from gridwright.store.schema import finding
from gridwright.store.schema.field import quarantined_reading
from gridwright.store.session import Session

TOGETHER = 20_000  # rows of one transaction: writers wait no longer than for these


class Retention:
    """Forgets; what it was and how much of it stands in the audit chain, which itself forgets nothing."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def forget_findings(self, access: Access, *, before: datetime) -> int:
        """Drop findings that resolved themselves before an instant; those that a person decided on are kept."""
        return self._forget(access, finding, _old_findings(before), "findings", before)

    def forget_quarantine(self, access: Access, *, before: datetime) -> int:
        """Drop readings of unknown meters: claimed before an instant, or received before it and never claimed."""
        return self._forget(access, quarantined_reading, _old_quarantine(before), "quarantine", before)

    def old_findings(self, access: Access, *, before: datetime) -> list[OldRows]:
        """Return what `forget_findings` would drop, by the day on which they resolved themselves."""
        return old_rows(self._session, access, finding, (_old_findings(before), finding.c.resolved_at_us))

    def old_quarantine(self, access: Access, *, before: datetime) -> list[OldRows]:
        """Return what `forget_quarantine` would drop, by the day of their claim, or else of their receipt."""
        c = quarantined_reading.c
        by = func.coalesce(c.claimed_us, c.received_us)
        return old_rows(self._session, access, quarantined_reading, (_old_quarantine(before), by))

    def _forget(self, access: Access, table: Table, old: ColumnElement[bool], what: str, before: datetime) -> int:
        access.require(Act.ADMINISTER)
        gone = 0
        while True:
            with self._session.writing() as unit:
                some = select(table.c.id).where(old).order_by(table.c.id).limit(TOGETHER)
                numbers = list(unit.connection.execute(some).scalars())
                if not numbers:
                    return gone
                # Between its first and its last number, for lists of numbers are limited.
                within = table.c.id.between(numbers[0], numbers[-1])
                done = unit.connection.execute(delete(table).where(old, within)).rowcount
                at = self._session.clock()
                note(unit, access, Act.ADMINISTER, subject=what, at=at, forgotten=done, before=before.isoformat())
            gone += done


def _old_findings(before: datetime) -> ColumnElement[bool]:
    c = finding.c
    return (c.resolved_at_us < to_us(before)) & c.resolution.is_(None) & c.resolved_by.is_(None)


def _old_quarantine(before: datetime) -> ColumnElement[bool]:
    c, at_us = quarantined_reading.c, to_us(before)
    return or_(c.claimed_us < at_us, c.claimed_us.is_(None) & (c.received_us < at_us))
