"""Processes at one SQLite file: who waits for the lock gets it, also beside one that writes again and again."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from gridwright.store import open_store, turnstile
from gridwright.store.turnstile import Turnstile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gridwright.store import Store

A_WRITE_S = 0.1
TIMES = 8


@contextmanager
def flood(store: Store) -> Iterator[list[int]]:
    """Write one transaction after another meanwhile; tells how many."""
    written, stopping = [0], threading.Event()

    def write() -> None:
        while not stopping.is_set():
            with store.transaction():
                time.sleep(A_WRITE_S)
            written[0] += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield written
    finally:
        stopping.set()
        thread.join()


def test_who_waits_is_next(tmp_path: Path) -> None:
    """Each store has a writer's turn of its own, as two processes have."""
    with open_store(tmp_path / "g.db") as busy, open_store(tmp_path / "g.db") as other, flood(busy) as written:
        waited = []
        for _ in range(TIMES):
            time.sleep(1.5 * A_WRITE_S)
            before = written[0]
            with other.transaction():
                waited.append(written[0] - before)
    assert sum(waited) <= 2 * TIMES, waited


def test_one_waits_and_the_others_wait_for_it(tmp_path: Path) -> None:
    one, other = Turnstile(tmp_path / "g.db"), Turnstile(tmp_path / "g.db")
    order = []

    def second() -> None:
        with other.passing():
            order.append("second")

    thread = threading.Thread(target=second)
    with one.passing():
        thread.start()
        time.sleep(0.05)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_who_waits_in_vain_holds_up_nobody_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turnstile, "PATIENCE_S", 0.05)
    stuck, other = Turnstile(tmp_path / "g.db"), Turnstile(tmp_path / "g.db")
    with stuck.passing():
        with other.passing():
            pass
        with pytest.raises(BlockingIOError):  # the one that gave up has let go of nothing that was not its own
            fcntl.flock(os.open(tmp_path, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_without_such_locks_nobody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_handle: int, _how: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with open_store(tmp_path / "g.db") as store, store.transaction():
        pass


def test_what_fails_within_lets_go(tmp_path: Path) -> None:
    one, other = Turnstile(tmp_path / "g.db"), Turnstile(tmp_path / "g.db")
    with pytest.raises(ValueError, match="locked"), one.passing():
        raise ValueError("locked")
    with other.passing():
        assert other._handle is not None
        with pytest.raises(BlockingIOError):
            fcntl.flock(os.open(tmp_path, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
