"""What the audit chain tells of documents, edits and decisions, in the order in which it happened."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, select

from gridwright.store.schema import audit_record as audit
from gridwright.store.session import Unit

TOGETHER = 10_000


@dataclass(frozen=True, slots=True)
class Told:
    """One audit record: who did something to a subject, when, and what."""

    number: int
    at_us: int
    actor: str
    subject: str
    detail: Mapping[str, Any]


def told(unit: Unit, *only: ColumnElement[bool]) -> Iterator[Told]:
    """Yield some records; one that cannot be read tells nothing here, and breaks the chain, which is checked apart."""
    columns = (audit.c.number, audit.c.at_us, audit.c.actor, audit.c.subject, audit.c.detail)
    for row in each_row(unit, select(*columns).where(*only).order_by(audit.c.number)):
        detail = _read(row.detail)
        if detail:
            yield Told(row.number, row.at_us, row.actor, row.subject, detail)


def each_row(unit: Unit, query: Select[Any]) -> Iterator[Row[Any]]:
    """Yield the rows of a query some at a time: there may be millions. Nothing else is asked before the last one."""
    for part in unit.connection.execute(query.execution_options(stream_results=True)).partitions(TOGETHER):
        yield from part


def naming(name: str) -> ColumnElement[bool]:
    """Return the condition that the detail of a record may have a key of this name."""
    return audit.c.detail.contains(json.dumps(name) + ":")


def _read(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}
