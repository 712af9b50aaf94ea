"""Leases: what only one process may do at a time, of all that are at the database, and who does it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update

from gridwright.domain.access import Access, Act
from gridwright.store.instant import from_us, to_us
from gridwright.store.schema.flow import lease as table
from gridwright.store.session import Session, Unit


@dataclass(frozen=True, slots=True)
class Lease:
    """Who holds what, since when; `beats` counts on as long as the holder lives."""

    name: str
    holder: str
    token: str
    beats: int
    since: datetime


class Leases:
    """The leases. Nobody's clock decides whether one is over: whoever sees that it no longer counts on may take it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def find(self, access: Access, name: str) -> Lease | None:
        """Return a lease that somebody holds, or was killed with."""
        access.require(Act.ADMINISTER)
        with self._session.reading(settled=False) as unit:
            return _find(unit, name)

    def take(self, access: Access, name: str, holder: str, *, over: Lease | None = None) -> Lease | None:
        """Take a lease that nobody holds, or one as it was seen before; None where it is another by now."""
        access.require(Act.ADMINISTER)
        with self._session.writing(settled=False) as unit:
            if _find(unit, name, lock=True) != over:
                return None
            since = to_us(self._session.clock())
            values: dict[str, Any] = {"holder": holder[:200], "token": secrets.token_hex(16), "beats": 0}
            unit.connection.execute(delete(table).where(table.c.id == name))
            unit.connection.execute(insert(table).values(id=name, since_us=since, **values))
            return Lease(name=name, since=from_us(since), **values)

    def beat(self, access: Access, lease: Lease) -> bool:
        """Count on, so that others see that its holder lives; returns whether the lease is still its."""
        access.require(Act.ADMINISTER)
        more = update(table).where(*_is(lease)).values(beats=table.c.beats + 1)
        with self._session.writing(settled=False) as unit:
            return bool(unit.connection.execute(more).rowcount)

    def release(self, access: Access, lease: Lease) -> None:
        """Give a lease back; one that somebody took over stays with them."""
        access.require(Act.ADMINISTER)
        with self._session.writing(settled=False) as unit:
            unit.connection.execute(delete(table).where(*_is(lease)))


def _find(unit: Unit, name: str, *, lock: bool = False) -> Lease | None:
    query = select(table).where(table.c.id == name)
    row = unit.connection.execute(query.with_for_update() if lock else query).first()
    return None if row is None else Lease(row.id, row.holder, row.token, row.beats, from_us(row.since_us))


def _is(lease: Lease) -> tuple[Any, Any]:
    return table.c.id == lease.name, table.c.token == lease.token
