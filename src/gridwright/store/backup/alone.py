"""A backup takes the place of what a server holds only where nobody else is connected, not even idle.

Whoever is goes on with what it knew of the rows that went. A connection ends with its process, so that one that was
killed is in nobody's way.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine, Row, event, text

from gridwright.domain.errors import StoreLocked
from gridwright.store.engine import place

PATIENCE_S = 2.0  # for somebody who only looks, or just leaves: a server is connected for as long as it runs
PAUSE_S = 0.1
MOST_TOLD = 3
CONNECTED = {
    # Without the right to see what others do, their kind is not told: those of the server itself have no user.
    "postgresql": """
        SELECT pid AS number, application_name AS program, usename AS account, host(client_addr) AS host
        FROM pg_stat_activity WHERE datname = current_database() AND usename IS NOT NULL
        AND COALESCE(backend_type, 'client backend') = 'client backend' ORDER BY backend_start, pid
    """,
    "mysql": """
        SELECT id AS number, '' AS program, user AS account, host
        FROM information_schema.processlist WHERE db = DATABASE() ORDER BY id
    """,
}
CONNECTED["mariadb"] = CONNECTED["mysql"]
END = {"postgresql": "SELECT pg_terminate_backend({})", "mysql": "KILL {}", "mariadb": "KILL {}"}
Alone = Callable[[], None]


def whoever() -> None:
    """Ask nobody: for a database that only this process knows."""


def alone_at(engine: Engine) -> Alone:
    """Return what raises StoreLocked while others than this engine, which is new, are connected to its database."""
    if engine.dialect.name not in CONNECTED:
        return whoever
    mine: set[int] = set()
    event.listen(engine, "connect", lambda connection, _: mine.add(_number(connection)))
    return lambda: _require_alone(engine, mine)


def _number(connection: Any) -> int:  # noqa: ANN401 - a driver's own
    info = getattr(connection, "info", None)
    return int(connection.thread_id() if info is None else info.backend_pid)


def _require_alone(engine: Engine, mine: set[int]) -> None:
    until = time.monotonic() + PATIENCE_S
    with engine.connect() as plain:
        connection = plain.execution_options(isolation_level="AUTOCOMMIT")  # or all looks would see the same moment
        while others := _others(connection, mine):
            if time.monotonic() >= until:
                raise _in_use(engine, others)
            time.sleep(PAUSE_S)


def _others(connection: Connection, mine: set[int]) -> list[Row[Any]]:
    rows = connection.execute(text(CONNECTED[connection.dialect.name]))
    return [row for row in rows if row.number not in mine]


def _in_use(engine: Engine, others: list[Row[Any]]) -> StoreLocked:
    told = [_told(each) for each in others[:MOST_TOLD]]
    more = [f"{len(others) - MOST_TOLD} more"] if len(others) > MOST_TOLD else []
    end = END[engine.dialect.name].format(others[0].number)
    return StoreLocked(
        f"others are connected to the database: {'; '.join([*told, *more])}",
        where=place(engine.url),
        remedy=f"stop the server, and whatever else uses it, and restore again; {end} ends a connection whose machine "
        "is gone",
    )


def _told(row: Row[Any]) -> str:
    source = f" from {row.host}" if row.host else ""
    return f"{row.program or 'a program'} (connection {row.number} of {row.account}{source})"
