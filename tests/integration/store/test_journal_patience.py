"""Who reads what waits in the journal, while another process holds the lock of a file: it waits, within bounds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import StoreLocked
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import Store, open_store
from gridwright.store import session as sessions
from tests.integration.store.test_journal import a_batch, put, value

BUSY_MS = 20  # of the reader: its patience with a lock alone


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Store]:
    """A store in whose journal five batches wait, as another process has it open."""
    with open_store(tmp_path / "town.db") as store:
        store.registry.save_points(ME, [UsagePoint("a")])
        put(store, a_batch([("a", 0, 0)]))  # the first of a day settles what waits
        store.journal.fold()
        for slot in range(1, 6):
            put(store, a_batch([("a", slot, slot)]))
        yield store


@pytest.fixture
def reader(tmp_path: Path, server: Store) -> Iterator[Store]:
    with open_store(tmp_path / "town.db", busy_ms=BUSY_MS) as store:
        yield store


@contextmanager
def meanwhile(act: Callable[[], None]) -> Iterator[None]:
    """Let something happen in another thread, and wait for its end."""
    other = threading.Thread(target=act)
    other.start()
    try:
        yield
    finally:
        other.join()


def tries(reader: Store, monkeypatch: pytest.MonkeyPatch, at: int, act: Callable[[], None]) -> list[int]:
    """Let something happen once the reader has been locked out so many times; returns how often it was, as it goes."""
    real, count = reader._session._fold_some, [0]

    def counted(newest: int) -> int:
        try:
            return real(newest)
        except StoreLocked:
            count[0] += 1
            if count[0] == at:
                act()
            raise

    monkeypatch.setattr(reader._session, "_fold_some", counted)
    return count


def test_it_waits_for_a_lock_that_is_held_longer_than_a_transaction_waits(
    server: Store, reader: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with server.transaction(settled=False):
            locked.set()
            go_on.wait(60)

    count = tries(reader, monkeypatch, 3, go_on.set)
    with meanwhile(hold):
        assert locked.wait(60)
        assert value(reader, "a", 5) == 5
    assert count[0] >= 3


def test_what_others_fold_meanwhile_it_need_not_fold(
    server: Store, reader: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is taken again and again, and never free for the reader: it reads what the holder has folded."""
    with ExitStack() as held:

        def fold_and_hold() -> None:
            held.pop_all().close()
            server.journal.fold()
            held.enter_context(server.transaction(settled=False))

        tries(reader, monkeypatch, 2, fold_and_hold)
        held.enter_context(server.transaction(settled=False))
        assert value(reader, "a", 5) == 5


def test_where_nothing_gets_less_it_says_that_the_database_is_locked(
    server: Store, reader: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "PATIENCE_S", 0.1)
    with (
        server.transaction(settled=False),
        pytest.raises(StoreLocked, match=r"another process.*wait until it has finished"),
    ):
        value(reader, "a", 5)


def test_its_patience_begins_anew_whenever_something_was_folded(
    server: Store, reader: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five steps, none within the patience of the one before it, and all of them longer than that."""
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(sessions, "PATIENCE_S", 10.0)
    monkeypatch.setattr("gridwright.store.journal.fold.ROWS", 1)
    with ExitStack() as held:

        def fold_one(newest: int) -> int:
            del newest
            held.pop_all().close()
            server.journal.fold_some()
            held.enter_context(server.transaction(settled=False))
            clock[0] += 9.0
            raise StoreLocked("another process is writing and holds the lock")

        monkeypatch.setattr(reader._session, "_fold_some", fold_one)
        assert value(reader, "a", 5) == 5
    assert clock[0] == 5 * 9.0


def test_the_server_itself_is_not_held_up_longer_than_before(server: Store, reader: Store) -> None:
    """The writer folds a part at a time, and has batches to write in between."""
    with server.transaction(settled=False), pytest.raises(StoreLocked):
        reader.journal.fold_some()
