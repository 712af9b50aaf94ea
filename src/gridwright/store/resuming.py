"""Migrations that go on where a kill stopped them, where each change of the schema commits at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, event

MADE = {1050, 1060, 1061, 1359, 1826}  # a table, column, index, trigger or foreign key of this name is there
GONE = {1051, 1091, 1360}  # a table, a column or index, a trigger that is not there
ROW_THERE = 1062


@contextmanager
def passing_what_is_done(connection: Connection) -> Iterator[None]:
    """Let statements that MariaDB or MySQL has carried out before be no error, within; others know rollbacks.

    A revision that was stopped runs again from its first statement. What changes rows must bear to be done twice.
    """
    if connection.dialect.name not in {"mysql", "mariadb"}:
        yield
        return
    engine = connection.engine
    event.listen(engine, "do_execute", _execute)
    event.listen(engine, "do_executemany", _execute_many)
    try:
        yield
    finally:
        event.remove(engine, "do_execute", _execute)
        event.remove(engine, "do_executemany", _execute_many)


def _execute(cursor: Any, statement: str, parameters: Any, _context: object) -> bool:  # noqa: ANN401 - a driver's own
    try:
        cursor.execute(statement, parameters)
    except Exception as error:
        if not _is_done(error, statement):
            raise
    return True


def _execute_many(cursor: Any, statement: str, rows: Sequence[Any], _context: object) -> bool:  # noqa: ANN401 - a driver's own
    for row in rows:
        _execute(cursor, statement, row, _context)
    return True


def _is_done(error: Exception, statement: str) -> bool:
    number = error.args[0] if error.args else None
    verb = statement.lstrip()[:6].upper()
    if verb == "INSERT":
        return number == ROW_THERE
    return verb in {"CREATE", "ALTER ", "DROP T", "DROP I"} and number in MADE | GONE
