"""What may be forgotten once it is old: findings that resolved themselves, and readings in quarantine."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Table, delete, or_, select

from gridwright.domain.access import Access, Act
from gridwright.store.audit import note
from gridwright.store.instant import to_us
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
        c = finding.c
        old = (c.resolved_at_us < to_us(before)) & c.resolution.is_(None) & c.resolved_by.is_(None)
        return self._forget(access, finding, old, "findings", before)

    def forget_quarantine(self, access: Access, *, before: datetime) -> int:
        """Drop readings of unknown meters: claimed before an instant, or received before it and never claimed."""
        c, at_us = quarantined_reading.c, to_us(before)
        old = or_(c.claimed_us < at_us, c.claimed_us.is_(None) & (c.received_us < at_us))
        return self._forget(access, quarantined_reading, old, "quarantine", before)

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
