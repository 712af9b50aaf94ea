"""Answers that are kept for a repeated request, sealed where they may name a customer: those of what was made."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from sqlalchemy import Row, bindparam, func, select, update

from gridwright.store.schema.people import stored_answer as table
from gridwright.store.sealing.sealing import MARK, Sealing
from gridwright.store.session import Unit

COLUMN = "stored_answer.body"


def seal_answer(unit: Unit, sealing: Sealing, row: Mapping[str, Any]) -> bytes:
    """Return the body of an answer as it is stored; verdicts, which name nobody, and come by the thousand, stay."""
    body = bytes(row["body"])
    if row["status"] != HTTPStatus.CREATED:
        return body
    return sealing.seal(unit, COLUMN, [(_whose(row["actor"], row["key"]), body.decode())])[0].encode()


def open_answer(unit: Unit, sealing: Sealing, row: Row[Any]) -> bytes:
    """Return the body of an answer as it went out."""
    body = bytes(row.body)
    if not body.startswith(MARK.encode()):
        return body
    return sealing.open(unit, COLUMN, [(_whose(row.actor, row.key), body.decode())])[0].encode()


def seal_answers(unit: Unit, sealing: Sealing, limit: int) -> int:
    """Seal some of the answers that were kept before there was a key; return how many."""
    plain = func.substr(table.c.body, 1, len(MARK)) != MARK.encode()
    query = select(table).where(table.c.status == HTTPStatus.CREATED, plain).limit(limit)
    rows = [dict(row) for row in unit.connection.execute(query).mappings()]
    if rows:
        statement = update(table).where(table.c.actor == bindparam("whose"), table.c.key == bindparam("named"))
        values = [{"whose": row["actor"], "named": row["key"], "body": seal_answer(unit, sealing, row)} for row in rows]
        unit.connection.execute(statement, values)
    return len(rows)


def _whose(actor: str, key: str) -> str:
    return f"{actor}\0{key}"
