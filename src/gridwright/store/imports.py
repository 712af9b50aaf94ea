"""Imports: how far each file has come, saved in the same transaction as the readings of each chunk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from gridwright.domain.access import Access, Act
from gridwright.domain.errors import Conflict
from gridwright.store import schema
from gridwright.store.audit import note
from gridwright.store.instant import from_us, to_us
from gridwright.store.session import Session


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the content with this SHA-256 has been taken in: up to `byte_offset` of `byte_size`."""

    sha256: str
    source: str
    byte_offset: int
    byte_size: int
    counters: Mapping[str, int] = field(default_factory=dict)
    done: bool = False
    known_at: datetime | None = None


class Imports:
    """Resumable imports."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def progress(self, access: Access, sha256: str) -> Progress | None:
        """Return how far this content has come, None if it was never begun."""
        access.require(Act.READ)
        table = schema.import_progress
        with self._session.reading() as unit:
            row = unit.connection.execute(select(table).where(table.c.sha256 == sha256)).first()
        return None if row is None else _to_progress(row)

    def advance(self, access: Access, progress: Progress, *, known_at: datetime) -> None:
        """Record progress; call it inside `store.transaction()` with the readings it covers. Going back: Conflict."""
        access.require(Act.WRITE_READINGS)
        table = schema.import_progress
        values = {
            "source": progress.source,
            "byte_offset": progress.byte_offset,
            "byte_size": progress.byte_size,
            "counters": json.dumps(dict(progress.counters), sort_keys=True),
            "done": progress.done,
            "known_at_us": to_us(known_at),
        }
        with self._session.writing() as unit:
            this = table.c.sha256 == progress.sha256
            before = unit.connection.execute(select(table).where(this).with_for_update()).first()
            if before is None:
                unit.connection.execute(insert(table).values(sha256=progress.sha256, **values))
            elif progress.byte_offset < before.byte_offset:
                raise Conflict(
                    f"the import stands at byte {before.byte_offset} already, not {progress.byte_offset}",
                    where=progress.source,
                    remedy="another import of the same file is running; let it finish",
                )
            else:
                unit.connection.execute(update(table).where(this).values(values))
            if progress.done:
                note(unit, access, Act.WRITE_READINGS, subject=progress.source, at=known_at, imported=progress.sha256)

    def begin_again(self, access: Access, sha256: str) -> None:
        """Record that content which came whole is taken in once more, from its beginning."""
        access.require(Act.WRITE_READINGS)
        table = schema.import_progress
        anew = {"byte_offset": 0, "counters": "{}", "done": False}
        with self._session.writing() as unit:
            unit.connection.execute(update(table).where(table.c.sha256 == sha256, table.c.done).values(anew))


def _to_progress(row: Row[Any]) -> Progress:
    return Progress(
        sha256=row.sha256,
        source=row.source,
        byte_offset=row.byte_offset,
        byte_size=row.byte_size,
        counters=json.loads(row.counters),
        done=bool(row.done),
        known_at=from_us(row.known_at_us),
    )
