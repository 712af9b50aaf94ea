"""Outlooks: what was computed and issued (forecasts, plans, balances, fleet figures), kept by issue time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Row, Select, delete, insert, select, update

from gridwright.domain.access import Access, Act
from gridwright.domain.errors import InputError
from gridwright.store.audit import note
from gridwright.store.instant import from_us, to_us
from gridwright.store.names import FEW
from gridwright.store.old_rows import OldRows, old_rows
from gridwright.store.schema.work import outlook as table
from gridwright.store.session import Session, Unit

MAX_KIND, MAX_SUBJECT = 64, 200
WHOLE = tuple(table.c)
HEADER = (table.c.id, table.c.subject, table.c.issued_us)


@dataclass(frozen=True, slots=True)
class Outlook:
    """One issue about one subject: a usage point, a node, `fleet`; `body` is what JSON can hold."""

    kind: str
    subject: str
    issued: datetime
    body: dict[str, Any]


class Outlooks:
    """What was issued."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def save(self, access: Access, kind: str, subject: str, body: Mapping[str, Any], *, issued: datetime) -> None:
        """Issue a body about one subject; the same again changes nothing, another one supersedes it."""
        self.save_many(access, kind, {subject: body}, issued=issued)

    def save_many(self, access: Access, kind: str, bodies: Mapping[str, Mapping[str, Any]], *, issued: datetime) -> int:
        """Issue a body for each subject at once, and return how many are new or different."""
        _require_write(access, bodies)
        _check(kind, bodies)
        at_us = to_us(issued)
        with self._session.writing() as unit:
            newest = _newest(unit, kind, list(bodies), HEADER)
            again = [subject for subject, row in newest.items() if row.issued_us == at_us]
            there = {subject: row.body for subject, row in _newest(unit, kind, again).items()}
            texts = {subject: _text(body) for subject, body in bodies.items()}
            new = {subject: text for subject, text in texts.items() if there.get(subject) != text}
            older = {subject for subject in new if subject in newest and newest[subject].issued_us > at_us}
            _outdate(unit, [newest[subject].id for subject in new if subject in newest and subject not in older])
            rows = [
                {"kind": kind, "subject": subject, "issued_us": at_us, "newest": subject not in older, "body": text}
                for subject, text in new.items()
            ]
            if rows:
                unit.connection.execute(insert(table), rows)
                at = self._session.clock()
                subject = rows[0]["subject"] if len(rows) == 1 else f"{len(rows)} subjects"
                note(unit, access, Act.WRITE_READINGS, subject=str(subject), at=at, issued=kind)
            return len(rows)

    def forget(self, access: Access, kinds: Sequence[str], *, before: datetime) -> int:
        """Drop issues of some kinds from before an instant and return how many; the newest of each subject stays."""
        access.require(Act.ADMINISTER)
        with self._session.writing() as unit:
            gone = unit.connection.execute(delete(table).where(_superseded(kinds, before))).rowcount
            if gone:
                note(unit, access, Act.ADMINISTER, subject="outlooks", at=self._session.clock(), forgotten=gone)
        return gone

    def old(self, access: Access, kinds: Sequence[str], *, before: datetime) -> list[OldRows]:
        """Return what `forget` would drop, by the day of its issue."""
        return old_rows(self._session, access, table, (_superseded(kinds, before), table.c.issued_us))

    def latest(self, access: Access, kind: str, subject: str, *, as_of: datetime | None = None) -> Outlook | None:
        """Return the newest issue about a subject, or the newest at an instant; None when there was none."""
        access.require(Act.READ, subject)
        c = table.c
        query = select(table).where(c.kind == kind, c.subject == subject)
        if as_of is not None:
            query = query.where(c.issued_us <= to_us(as_of))
        query = query.order_by(c.issued_us.desc(), c.id.desc()).limit(1)
        with self._session.reading(settled=False) as unit:
            row = unit.connection.execute(query).first()
        return None if row is None else _to_outlook(row)

    def several(self, access: Access, kind: str, subjects: Sequence[str] | None = None) -> list[Outlook]:
        """Return the newest issue about each subject (None: all that may be seen), by subject."""
        access.require(Act.READ)
        for subject in subjects or ():
            access.require(Act.READ, subject)
        if subjects is None and access.points is not None:
            subjects = sorted(access.points)
        with self._session.reading(settled=False) as unit:
            found = _newest(unit, kind, None if subjects is None else list(subjects))
        return [_to_outlook(found[subject]) for subject in sorted(found)]


def _require_write(access: Access, subjects: Mapping[str, object]) -> None:
    access.require(Act.READ)
    access.require(Act.WRITE_READINGS)
    for subject in subjects:
        access.require(Act.WRITE_READINGS, subject)


def _check(kind: str, subjects: Mapping[str, object]) -> None:
    """Check the lengths; what concerns the whole fleet has no subject."""
    if not 0 < len(kind) <= MAX_KIND:
        raise InputError(f"kind {kind[:40]!r} must have 1 to {MAX_KIND} characters")
    for subject in subjects:
        if len(subject) > MAX_SUBJECT:
            raise InputError(f"subject {subject[:40]!r} must have at most {MAX_SUBJECT} characters")


def _text(body: Mapping[str, Any]) -> str:
    try:
        return json.dumps(body, ensure_ascii=False, sort_keys=True, allow_nan=False, default=_plain)
    except ValueError as error:
        raise InputError(
            "an outlook holds a number that JSON has not", remedy="write null where there is none"
        ) from error


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise InputError(f"an outlook cannot hold {value!r}", remedy="give text, numbers, lists and mappings")


def _newest(
    unit: Unit, kind: str, subjects: list[str] | None, columns: Sequence[Column[Any]] = WHOLE
) -> dict[str, Row[Any]]:
    query: Select[Any] = select(*columns).where(table.c.kind == kind, table.c.newest.is_(True))
    if subjects is None:
        return {row.subject: row for row in unit.connection.execute(query)}
    found: dict[str, Row[Any]] = {}
    for at in range(0, len(subjects), FEW):
        some = query.where(table.c.subject.in_(subjects[at : at + FEW]))
        found |= {row.subject: row for row in unit.connection.execute(some)}
    return found


def _superseded(kinds: Sequence[str], before: datetime) -> ColumnElement[bool]:
    c = table.c
    return c.kind.in_(kinds) & (c.issued_us < to_us(before)) & c.newest.is_(False)


def _outdate(unit: Unit, numbers: Sequence[int]) -> None:
    for at in range(0, len(numbers), FEW):
        statement = update(table).where(table.c.id.in_(numbers[at : at + FEW])).values(newest=False)
        unit.connection.execute(statement)


def _to_outlook(row: Row[Any]) -> Outlook:
    return Outlook(row.kind, row.subject, from_us(row.issued_us), json.loads(row.body))
