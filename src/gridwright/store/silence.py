"""A server of databases that says nothing: who waits for it is told within seconds, not when TCP gives up.

A server that stops hangs up; one whose machine, network or disk is gone says nothing, and a statement would wait for
it for ever. A statement that takes long looks the same, so that the server is asked beside it, by a new connection.
"""

from __future__ import annotations

import math
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from sqlalchemy import URL, Engine, event

from gridwright.domain.errors import ConfigError

OPTION = "connect_timeout"  # of the address, as libpq and PyMySQL call it
TIMEOUT_S = 4
LEAST_S, MOST_S = 2, 3_600  # libpq waits no less
LOOKS = 8  # within that time
REST_S = 1.0  # after a server has not answered: whoever wants to connect meanwhile is told so at once
PROBES = 2  # of TCP, for a connection that nobody uses

_Connect = Callable[[], Any]


def timeout_of(url: URL) -> int:
    """Return how many seconds a server may say nothing, by its address."""
    told = url.query.get(OPTION, str(TIMEOUT_S))
    if not (isinstance(told, str) and told.isascii() and told.isdigit() and LEAST_S <= int(told[:9]) <= MOST_S):
        raise ConfigError(
            f"{OPTION}={told} in the address of the database is not a number of seconds that a server may say nothing",
            remedy=f"write {LEAST_S} to {MOST_S}, or leave it out for {TIMEOUT_S}",
        )
    return int(told)


class Watch:
    """The connections that are in use, and a thread, as long as there are any, that asks beside those used for long.

    Where the server does not answer either, all that were in use by then are cut: each fails as one that was hung up.
    """

    def __init__(self, connect: _Connect, timeout_s: float) -> None:
        self._connect, self._timeout_s = connect, timeout_s
        self._lock = threading.Lock()
        self._sockets: dict[object, socket.socket] = {}
        self._used: dict[object, float] = {}  # since when
        self._thread: threading.Thread | None = None
        self.silent_at = -math.inf  # when the server was last found to say nothing

    def opened(self, record: object, descriptor: int) -> None:
        """Note a new connection, by its socket; it is in use."""
        # One of our own: the driver's may be closed, and its number given to another, at any moment.
        line = socket.socket(fileno=os.dup(descriptor))
        _keep_alive(line, self._timeout_s)
        with self._lock:
            self._sockets[record] = line
        self.used(record)

    def used(self, record: object) -> None:
        """Note that a connection is in use from now on."""
        with self._lock:
            self._used[record] = time.monotonic()
            if self._thread is None:
                self._thread = threading.Thread(target=self._look_on, name="database watch", daemon=True)
                self._thread.start()

    def rests(self, record: object) -> None:
        """Note that a connection is in use no more."""
        with self._lock:
            self._used.pop(record, None)

    def closed(self, record: object) -> None:
        """Forget a connection."""
        with self._lock:
            self._used.pop(record, None)
            line = self._sockets.pop(record, None)
        if line is not None:
            line.close()

    def _look_on(self) -> None:
        due = -math.inf
        while True:
            time.sleep(self._timeout_s / LOOKS)
            now = time.monotonic()
            with self._lock:
                if not self._used:
                    self._thread = None
                    return
                oldest = min(self._used.values())
            if max(due, oldest + self._timeout_s) <= now:
                if not self._answers():
                    self._cut(now)
                due = time.monotonic() + self._timeout_s

    def _answers(self) -> bool:
        """Tell whether the server answers a new connection; a refusal is an answer, as is a machine that says no."""
        began = time.monotonic()
        try:
            self._connect().close()
        except Exception:  # noqa: BLE001 - each driver has its own, and none must end the thread
            return time.monotonic() - began < self._timeout_s
        return True

    def _cut(self, until: float) -> None:
        """End the connections that have been in use since before `until`."""
        with self._lock:
            self.silent_at = time.monotonic()
            for record, since in self._used.items():
                if since <= until and record in self._sockets:
                    with suppress(OSError):
                        self._sockets[record].shutdown(socket.SHUT_RDWR)


def end_silence(engine: Engine, timeout_s: int, options: Mapping[str, Any], connect: Callable[..., Any]) -> None:
    """Have whoever uses an engine wait no longer for a server that is gone: twice `timeout_s` at most.

    `connect`: as the driver's, given the options of the address and these.
    """
    place, asked = engine.dialect.create_connect_args(engine.url)
    watch = Watch(lambda: connect(*place, **{**asked, **options}), timeout_s)

    def connected(_dialect: object, _record: object, place: Any, asked: Any) -> Any:  # noqa: ANN401 - a driver's own
        began = time.monotonic()
        if began - watch.silent_at < REST_S:
            raise engine.dialect.loaded_dbapi.OperationalError(f"the server said nothing for {timeout_s} seconds")
        try:
            return connect(*place, **asked)
        except Exception:
            if time.monotonic() - began >= timeout_s:
                watch.silent_at = time.monotonic()
            raise

    event.listen(engine, "do_connect", connected)
    # First of all: what is asked of a new connection may hang, too.
    event.listen(engine, "connect", lambda made, record: watch.opened(record, _descriptor(made)), insert=True)
    event.listen(engine, "checkout", lambda _made, record, _proxy: watch.used(record))
    event.listen(engine, "checkin", lambda _made, record: watch.rests(record))
    event.listen(engine, "close", lambda _made, record: watch.closed(record))
    event.listen(engine, "detach", lambda _made, record: watch.closed(record))


def _descriptor(connection: Any) -> int:  # noqa: ANN401 - a driver's own
    return int(getattr(connection, "_sock", connection).fileno())  # PyMySQL's socket; psycopg's has the number itself


def _keep_alive(line: socket.socket, timeout_s: float) -> None:
    """Have TCP itself look whether the other end is there, also while nobody uses the connection."""
    if line.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    pause_s = max(math.ceil(timeout_s / PROBES), 1)
    wanted = {
        "TCP_KEEPIDLE": max(math.ceil(timeout_s), 1),
        "TCP_KEEPINTVL": pause_s,
        "TCP_KEEPCNT": PROBES,
        "TCP_USER_TIMEOUT": math.ceil(2_000 * timeout_s),  # ms: for what was sent, and nobody took
    }
    for name, value in wanted.items():
        if hasattr(socket, name):  # not every system has all of them
            line.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
