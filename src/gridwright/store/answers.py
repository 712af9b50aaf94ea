"""Answers: what a request with an Idempotency-Key was told, so that the same request again is told the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, insert, select

from gridwright.domain.access import ALLOWED, Access, Act
from gridwright.domain.errors import AccessDenied, Conflict, InputError
from gridwright.store.instant import to_us
from gridwright.store.old_rows import OldRows, old_rows
from gridwright.store.schema.people import stored_answer as table
from gridwright.store.sealing.answers import open_answer, seal_answer
from gridwright.store.sealing.sealing import Sealing
from gridwright.store.session import Session

KEPT = timedelta(hours=24)
MAX_KEY = 200
LOOKING = frozenset({Act.READ, Act.READ_BILLS})


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer as it went out."""

    status: int
    body: bytes
    media_type: str


class Answers:
    """Answers of the last 24 hours; everybody has keys of their own."""

    def __init__(self, session: Session, sealing: Sealing) -> None:
        self._session = session
        self._sealing = sealing

    def recall(self, access: Access, key: str, digest: str) -> StoredAnswer | None:
        """Return the answer that this actor got under this key; for a request with another digest: Conflict."""
        _require_write(access, key)
        mine = (table.c.actor == access.actor, table.c.key == key)
        with self._session.reading(settled=False) as unit:
            row = unit.connection.execute(select(table).where(*mine)).first()
            if row is None:
                return None
            body = open_answer(unit, self._sealing, row)
        if row.digest != digest:
            raise Conflict(
                "this Idempotency-Key was used for another request", remedy="use a new key for each new request"
            )
        return StoredAnswer(row.status, body, row.media_type)

    def remember(self, access: Access, key: str, digest: str, answer: StoredAnswer, *, now: datetime) -> None:
        """Keep an answer; call it in the transaction of what it tells. Of two at once the later is a Conflict.

        One that tells of a thing that was made may name a customer: it is sealed where the database has a key.
        """
        _require_write(access, key)
        row = {
            "actor": access.actor,
            "key": key,
            "digest": digest,
            "status": answer.status,
            "body": answer.body,
            "media_type": answer.media_type,
            "at_us": to_us(now),
        }
        with self._session.writing(settled=False) as unit:
            row["body"] = seal_answer(unit, self._sealing, row)
            unit.connection.execute(insert(table).values(row))

    def forget_old(self, access: Access, now: datetime) -> int:
        """Drop what is older than 24 hours and return how many; what they told about is in the audit chain."""
        access.require(Act.ADMINISTER)
        with self._session.writing(settled=False) as unit:
            return unit.connection.execute(delete(table).where(_is_old(now))).rowcount

    def old(self, access: Access, now: datetime) -> list[OldRows]:
        """Return what `forget_old` would drop, by the day on which it was given."""
        return old_rows(self._session, access, table, (_is_old(now), table.c.at_us))


def _is_old(now: datetime) -> ColumnElement[bool]:
    return table.c.at_us <= to_us(now - KEPT)


def _require_write(access: Access, key: str) -> None:
    if not ALLOWED[access.role] - LOOKING:
        raise AccessDenied(f"{access.actor} is a {access.role} and changes nothing")
    if not key or len(key) > MAX_KEY:
        raise InputError(f"an Idempotency-Key has 1 to {MAX_KEY} characters, this has {len(key)}")
