"""The writer's turn: in the order in which threads came, also beside one that writes again and again."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest

from gridwright.store import open_store
from gridwright.store.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WITHIN_S = 60.0


def wait_until(so: Callable[[], bool]) -> None:
    until = time.monotonic() + WITHIN_S
    while not so():
        assert time.monotonic() < until
        time.sleep(0.001)


def waiting(turns: Turns) -> int:
    return len(turns._waiting)


def queue(turns: Turns, names: str, came: list[str]) -> list[threading.Thread]:
    """Have threads ask for the turn one after the other, each of which notes its name when it has it."""

    def work(name: str) -> None:
        with turns, turns:
            came.append(name)

    threads = []
    for name in names:
        before = waiting(turns)
        threads.append(threading.Thread(target=work, args=(name,)))
        threads[-1].start()
        wait_until(lambda before=before: waiting(turns) > before)  # type: ignore[misc]
    return threads


def test_who_writes_again_at_once_lets_those_pass_who_waited() -> None:
    turns, came = Turns(), list[str]()
    with turns:
        threads = queue(turns, "abc", came)
        assert came == []
    with turns:
        came.append("again")
    for thread in threads:
        thread.join(WITHIN_S)
    assert came == ["a", "b", "c", "again"]


def test_who_has_it_may_take_it_again_and_has_it_until_the_last_is_given_back() -> None:
    turns, came = Turns(), list[str]()
    with turns:
        with turns:
            threads = queue(turns, "a", came)
        assert came == []
    threads[0].join(WITHIN_S)
    assert came == ["a"]


def test_an_error_gives_it_back() -> None:
    turns, came = Turns(), list[str]()
    with pytest.raises(ZeroDivisionError), turns:
        raise ZeroDivisionError

    def work() -> None:
        with turns:
            came.append("a")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(WITHIN_S)
    assert came == ["a"]


def test_who_is_interrupted_while_waiting_is_not_waited_for() -> None:
    turns, came, ends = Turns(), list[str](), threading.Event()

    def hold() -> None:
        with turns:
            wait_until(lambda: waiting(turns) == 1)
            os.kill(os.getpid(), signal.SIGINT)
            ends.wait(WITHIN_S)

    holder = threading.Thread(target=hold)
    holder.start()
    wait_until(lambda: turns._owner is not None)
    with pytest.raises(KeyboardInterrupt), turns:
        came.append("never")
    assert waiting(turns) == 0
    threads = queue(turns, "a", came)
    ends.set()
    for thread in (holder, *threads):
        thread.join(WITHIN_S)
    assert came == ["a"]


def test_never_two_at_once() -> None:
    turns, inside, most = Turns(), list[int](), list[int]()

    def work(name: int) -> None:
        for _ in range(200):
            with turns:
                inside.append(name)
                most.append(len(inside))
                inside.remove(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WITHIN_S)
    assert (len(most), max(most)) == (800, 1)


def test_writers_of_a_store_get_their_turn_between_two_transactions_of_another(tmp_path: Path) -> None:
    came = list[str]()

    def write() -> None:
        with store.transaction(settled=False):
            came.append("other")

    with open_store(tmp_path / "grid.db") as store:
        other = threading.Thread(target=write)
        with store.transaction(settled=False):
            other.start()
            wait_until(lambda: waiting(store.journal._session._writers) == 1)
        with store.transaction(settled=False):
            came.append("again")
        other.join(WITHIN_S)
    assert came == ["other", "again"]
