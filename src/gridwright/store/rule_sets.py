"""Rule sets: by which rules readings were judged, and since when; each is kept once, by its digest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select

from gridwright.domain.access import Access, Act
from gridwright.store.audit import note
from gridwright.store.instant import from_us, to_us
from gridwright.store.schema.trust import rule_set as table
from gridwright.store.session import Session


@dataclass(frozen=True, slots=True)
class StoredRules:
    """A set of rules as it was in force: `text` holds every group as it was resolved, as JSON."""

    digest: str
    name: str
    version: str
    text: str
    known_at: datetime


class RuleSets:
    """The rule sets that were ever in force."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def save(self, access: Access, rules: StoredRules) -> bool:
        """Put a set of rules in force and tell whether others were before; those in force again change nothing."""
        access.require(Act.WRITE_READINGS)
        with self._session.writing() as unit:
            newest = select(table.c.digest, table.c.known_at_us).order_by(table.c.known_at_us.desc(), table.c.digest)
            before = unit.connection.execute(newest.limit(1)).first()
            if before is not None and before.digest == rules.digest:
                return False
            # Two that are adopted at one moment must not be in force by their digests' order.
            at_us = max(to_us(rules.known_at), before.known_at_us + 1 if before else 0)
            # Rules that come back into force are the newest again.
            unit.connection.execute(delete(table).where(table.c.digest == rules.digest))
            row = {"digest": rules.digest, "name": rules.name, "version": rules.version, "text": rules.text}
            unit.connection.execute(insert(table).values({**row, "known_at_us": at_us}))
            at = self._session.clock()
            note(unit, access, Act.WRITE_READINGS, subject="validation rules", at=at, rules=rules.digest)
            return True

    def known(self, access: Access) -> list[StoredRules]:
        """Return every set, the one in force last."""
        access.require(Act.READ)
        with self._session.reading(settled=False) as unit:
            rows = unit.connection.execute(select(table).order_by(table.c.known_at_us, table.c.digest)).all()
        return [StoredRules(r.digest, r.name, r.version, r.text, from_us(r.known_at_us)) for r in rows]
