"""Servers that say nothing: who waits is cut off where the server answers nobody, and left alone where it does."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from gridwright.domain.errors import ConfigError
from gridwright.store.engine import make_engine, resolve
from gridwright.store.silence import TIMEOUT_S, Watch, timeout_of

SHORT_S = 0.08


class Answered:
    """A connection that was made."""

    def close(self) -> None:
        """Let it go."""


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        near.settimeout(10)
        yield near, far


def silent() -> Answered:
    time.sleep(SHORT_S)
    raise OSError("timed out")


def refusing() -> Answered:
    raise OSError("too many connections")


def slow() -> Answered:
    time.sleep(SHORT_S / 2)
    return Answered()


def test_who_waits_for_a_server_that_answers_nobody_is_cut_off(ends: tuple[socket.socket, socket.socket]) -> None:
    near, _ = ends
    watch = Watch(silent, SHORT_S)
    began = time.monotonic()
    watch.opened("a", near.fileno())
    assert near.recv(1) == b""
    assert time.monotonic() - began >= 2 * SHORT_S
    assert watch.silent_at >= began
    watch.closed("a")


@pytest.mark.parametrize("connect", [Answered, refusing, slow])
def test_who_waits_for_a_long_statement_is_left_alone(
    ends: tuple[socket.socket, socket.socket], connect: Callable[[], Answered]
) -> None:
    near, far = ends
    asked = threading.Semaphore(0)

    def counted() -> Answered:
        asked.release()
        return connect()

    watch = Watch(counted, SHORT_S)
    watch.opened("a", near.fileno())
    assert all(asked.acquire(timeout=10) for _ in range(3)), "it is asked again and again"
    far.send(b"x")
    assert near.recv(1) == b"x"
    watch.closed("a")


def test_who_came_while_the_server_was_asked_and_who_rests_are_left_alone(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    near, far = ends
    waiting, done = threading.Event(), threading.Event()

    def asked() -> Answered:
        waiting.set()
        done.wait(10)
        return silent()

    watch = Watch(asked, SHORT_S)
    other = socket.socketpair()
    resting = socket.socketpair()
    with other[0], other[1], resting[0], resting[1]:
        watch.opened("old", near.fileno())
        watch.opened("resting", resting[0].fileno())
        watch.rests("resting")
        assert waiting.wait(10)
        watch.opened("new", other[0].fileno())
        done.set()
        assert near.recv(1) == b""
        for pair in (other, resting):
            pair[1].send(b"x")
            assert pair[0].recv(1) == b"x"
        for name in ("old", "new", "resting"):
            watch.closed(name)
    far.close()


def test_nobody_watches_while_no_connection_is_in_use(ends: tuple[socket.socket, socket.socket]) -> None:
    before = set(threading.enumerate())
    watch = Watch(Answered, SHORT_S)
    watch.opened("a", ends[0].fileno())
    (watching,) = set(threading.enumerate()) - before
    watch.rests("a")
    watching.join(10)
    assert not watching.is_alive()
    watch.used("a")
    assert set(threading.enumerate()) - before
    watch.closed("a")


@pytest.mark.parametrize(("told", "seconds"), [("", TIMEOUT_S), ("?connect_timeout=2", 2), ("?connect_timeout=30", 30)])
def test_the_address_says_how_long(told: str, seconds: int) -> None:
    assert timeout_of(resolve(f"postgresql://h/d{told}")) == seconds


@pytest.mark.parametrize("told", ["0", "1", "-4", "4.5", "never", "99999999999999999999", "٤", "4&connect_timeout=5"])
@pytest.mark.parametrize("server", ["postgresql", "mysql"])
def test_what_is_no_such_time_is_refused(server: str, told: str) -> None:
    with pytest.raises(ConfigError, match="connect_timeout") as refused:
        make_engine(resolve(f"{server}://h/d?connect_timeout={told}"), create=False)
    assert "2 to 3600" in refused.value.remedy
