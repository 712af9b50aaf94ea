"""Connections to servers that wait in a pool: who was used just now, and is silent, is not asked whether it is alive.

A server that stopped, or ended a connection, has closed its socket, which shows without a question; a network that is
gone does not show, so that whoever has waited for a while is asked.
"""

from __future__ import annotations

import select
import time
from functools import partial
from typing import Any

from sqlalchemy import Dialect, Engine, event
from sqlalchemy.exc import InvalidatePoolError

JUST_NOW_S = 10.0
LEFT = "gridwright_left"


def look_before_use(engine: Engine) -> None:
    """Have the connections of an engine looked at before they are used again; those that are gone are made anew."""
    event.listen(engine, "checkin", _note)
    event.listen(engine, "checkout", partial(_look, engine.dialect))


def _note(_connection: object, record: Any) -> None:  # noqa: ANN401 - the pool's own
    record.info[LEFT] = time.monotonic()


def _look(dialect: Dialect, connection: Any, record: Any, _proxy: object) -> None:  # noqa: ANN401 - a driver's own
    left = record.info.pop(LEFT, None)
    if left is None:  # it was made anew
        return
    try:
        if time.monotonic() - left >= JUST_NOW_S or not _is_silent(connection):
            dialect.do_ping(connection)
    except dialect.loaded_dbapi.Error as error:
        if dialect.is_disconnect(error, connection, None):
            raise InvalidatePoolError from error
        raise


def _is_silent(connection: Any) -> bool:  # noqa: ANN401 - a driver's own
    """Tell whether a connection's socket is open and brings nothing, as nothing was asked."""
    socket = getattr(connection, "_sock", connection)  # PyMySQL's, which does not lend it; psycopg's is its own
    if socket is None:  # closed
        return False
    waiting = select.poll()
    waiting.register(socket, select.POLLIN)
    return not waiting.poll(0)
