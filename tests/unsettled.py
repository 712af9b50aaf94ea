"""A watch over every unit of work in the test's process: one that is not settled must not touch readings.

Readings that wait in the journal are not in their blocks yet, so a unit that was opened with `settled=False` must keep
away from blocks and from all that follows from them. SQLite tells, for each statement, which tables it touches.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Engine, event

from gridwright.store.session import Session

TABLES = {"block", "block_version", "series", "dirty_range", "day_total", "day_total_version"}
ALLOW, DENY = 0, 1
READ, WRITES = 20, {9, 18, 23}  # sqlite3.h: SQLITE_READ, and SQLITE_DELETE, _INSERT and _UPDATE

_sessions: weakref.WeakKeyDictionary[Engine, weakref.ref[Session]] = weakref.WeakKeyDictionary()
_found: list[str] = []
_asked = threading.local()


def taken() -> list[str]:
    """Return what was found since it was last asked."""
    found = list(_found)
    _found.clear()
    return found


def _watch(connection: Connection) -> None:
    """Have SQLite ask before each statement of a transaction; statements it knows already are asked about anew.

    A unit that begins settled is not watched: SQLite would prepare each of its statements once more, for nothing.
    """
    if connection.dialect.name != "sqlite" or getattr(_asked, "settled", False):
        return
    engine = weakref.ref(connection.engine)

    def judge(action: int, table: str | None, *_: object) -> int:
        if table not in TABLES or (action != READ and action not in WRITES):
            return ALLOW
        held = engine()
        session = _sessions.get(held) if held is not None else None
        unit = getattr(session() if session is not None else None, "current", None)
        if unit is None or unit.settled or unit.beside:
            return ALLOW
        _found.append(f"a unit that is not settled touches {table}")
        return DENY

    driver: Any = connection.connection.driver_connection
    driver.set_authorizer(judge)


def _remember(make: Any) -> Any:  # noqa: ANN401 - the constructor, and one like it
    def made(self: Session, engine: Engine, *args: Any) -> None:  # noqa: ANN401
        make(self, engine, *args)
        _sessions[engine] = weakref.ref(self)

    return made


def _tell(open_unit: Any) -> Any:  # noqa: ANN401 - the method, and one like it
    def opened(self: Session, *, settled: bool) -> Iterator[Any]:
        before, _asked.settled = getattr(_asked, "settled", False), settled
        try:
            yield from open_unit(self, settled=settled)
        finally:
            _asked.settled = before

    return opened


event.listen(Engine, "begin", _watch)
Session.__init__ = _remember(Session.__init__)  # type: ignore[method-assign] # so that each session is known
Session._transaction = _tell(Session._transaction)  # type: ignore[method-assign] # and which unit begins settled
Session._snapshot = _tell(Session._snapshot)  # type: ignore[method-assign]
