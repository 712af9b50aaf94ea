"""Audit: an append-only record of every write, each chained to the one before by its digest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from gridwright.domain.access import Access, Act
from gridwright.domain.errors import StoreCorrupt
from gridwright.store import schema
from gridwright.store.engine import place
from gridwright.store.instant import from_us, to_us
from gridwright.store.session import AuditEntry, Session, Unit

START = "0" * 64
HEAD = 1
HEAD_ROW = "SELECT number, digest FROM audit_head WHERE id = ?"
HEAD_LOCKED = f"{HEAD_ROW} FOR UPDATE"
ADD = "INSERT INTO audit_record (number, at_us, actor, act, subject, detail, digest) VALUES (?, ?, ?, ?, ?, ?, ?)"
MOVE_HEAD = "UPDATE audit_head SET number = ?, digest = ? WHERE id = ?"


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """Who did what to what, and when; `digest` covers this record and the digest before it."""

    number: int
    at: datetime
    actor: str
    act: str
    subject: str
    detail: dict[str, Any]
    digest: str


def hold_head(unit: Unit) -> None:
    """Let no other transaction end that leaves a record until this one has: they all move the head of the chain."""
    if unit.dialect != "sqlite":  # it has one writer anyway
        unit.fetch(HEAD_LOCKED, (HEAD,))


class Audit:
    """The audit records."""

    def __init__(self, session: Session) -> None:
        self._session = session
        session.before_commit.append(_write)

    def append(self, access: Access, act: Act, subject: str, **detail: str | float | None) -> None:
        """Record an act that `access` is allowed to do; written when the transaction commits, or not at all."""
        access.require(act)
        with self._session.writing() as unit:
            note(unit, access, act, subject=subject, at=self._session.clock(), **detail)

    def records(self, access: Access, *, limit: int = 1000, before: int | None = None) -> list[AuditRecord]:
        """Return the newest records first."""
        access.require(Act.ADMINISTER)
        table = schema.audit_record
        query = select(table).order_by(table.c.number.desc()).limit(limit)
        if before is not None:
            query = query.where(table.c.number < before)
        with self._session.reading() as unit:
            rows = unit.connection.execute(query).all()
        return [
            AuditRecord(r.number, from_us(r.at_us), r.actor, r.act, r.subject, json.loads(r.detail), r.digest)
            for r in rows
        ]

    def verify(self, access: Access) -> int:
        """Return how many records the unbroken chain has; a changed, lost or added record is StoreCorrupt."""
        access.require(Act.ADMINISTER)
        with self._session.reading(settled=False) as unit:
            return self._verify(unit)

    def _verify(self, unit: Unit) -> int:
        table, head = schema.audit_record, _head(unit)
        digest, number = START, 0
        for row in unit.connection.execute(select(table).order_by(table.c.number)):
            number += 1
            digest = _digest(digest, (row.number, row.at_us, row.actor, row.act, row.subject, row.detail))
            if (row.number, row.digest) != (number, digest):
                raise self._broken(number)
        if head != (number, digest):
            raise self._broken(number + 1)
        return number

    def _broken(self, number: int) -> StoreCorrupt:
        return StoreCorrupt(
            f"the audit chain is broken at record {number}",
            where=place(self._session.engine.url),
            remedy="someone has changed the database from outside; compare it with a backup",
        )


def note(unit: Unit, access: Access, act: Act, *, subject: str, at: datetime, **detail: str | float | None) -> None:
    """Add an entry to the transaction; it is written just before the commit, so that the chain is locked briefly."""
    unit.audit.append(AuditEntry(at, access.actor, str(act), subject, detail))


def _digest(before: str, fields: tuple[Any, ...]) -> str:
    text = json.dumps([before, *fields], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _head(unit: Unit, *, lock: bool = False) -> tuple[int, str]:
    rows = unit.fetch(HEAD_LOCKED if lock and unit.dialect != "sqlite" else HEAD_ROW, (HEAD,))
    if not rows:
        raise StoreCorrupt(
            "the audit chain has lost its head: a table of the database is empty that never is",
            where=place(unit.connection.engine.url),
            remedy="restore a backup: gridwright backup restore FILE --to ADDRESS --force",
        )
    ((number, digest),) = rows
    return number, digest


def _write(unit: Unit) -> None:
    if not unit.audit:
        return
    number, digest = _head(unit, lock=True)
    rows = []
    for entry in unit.audit:
        number += 1
        detail = json.dumps({**entry.detail, **unit.chain}, ensure_ascii=False, sort_keys=True)
        fields = (number, to_us(entry.at), entry.actor[:200], entry.act, entry.subject[:400], detail)
        digest = _digest(digest, fields)
        rows.append((*fields, digest))
    unit.run_many(ADD, rows)
    unit.run_many(MOVE_HEAD, [(number, digest, HEAD)])
