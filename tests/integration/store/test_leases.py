"""One process at a time: others are told who, and the lease of one that was killed is taken over."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import Conflict
from gridwright.jobs.upkeep import one_at_a_time as job
from gridwright.jobs.upkeep.move_archive import move_archive
from gridwright.jobs.upkeep.one_at_a_time import one_at_a_time
from gridwright.store import Store
from tests.integration.store.test_archive import archive, fill


@pytest.fixture
def other(store: Store, again: Callable[[], Store]) -> Iterator[Store]:
    """A second process, as far as the database can tell."""
    del store
    with again() as opened:
        yield opened


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count on often, and wait little."""
    for name, seconds in {"BEAT_S": 0.05, "LOOK_S": 0.05, "SILENT_S": 2.0}.items():
        monkeypatch.setattr(job, name, seconds)


def test_a_lease_is_one_holders(store: Store, other: Store) -> None:
    mine = store.leases.take(ME, "archive", "me")
    assert mine is not None
    assert other.leases.find(ME, "archive") == mine
    assert other.leases.take(ME, "archive", "you") is None
    assert store.leases.beat(ME, mine)
    assert other.leases.take(ME, "archive", "you", over=mine) is None, "it has counted on since"
    seen = other.leases.find(ME, "archive")
    taken = other.leases.take(ME, "archive", "you", over=seen)
    assert taken is not None
    assert not store.leases.beat(ME, mine)
    store.leases.release(ME, mine)
    assert store.leases.find(ME, "archive") == taken
    other.leases.release(ME, taken)
    assert store.leases.find(ME, "archive") is None
    assert store.leases.take(ME, "other", "me") is not None


@pytest.mark.usefixtures("quick")
def test_who_comes_second_is_told_who_is_at_work(store: Store, other: Store, tmp_path: Path) -> None:
    fill(store)
    with one_at_a_time(store, ME, "archive"):
        for act in (lambda: archive(other, tmp_path), lambda: move_archive(other, ME, str(tmp_path))):
            with pytest.raises(Conflict, match=rf"at work on the archive: .*process {os.getpid()} on .*, since 2025-"):
                act()
        assert store.archive.parts(ME) == ()
    assert len(archive(other, tmp_path).written) == 3
    assert store.leases.find(ME, "archive") is None


@pytest.mark.usefixtures("quick")
def test_one_that_was_killed_is_in_nobodys_way(store: Store, other: Store, tmp_path: Path) -> None:
    fill(store)
    assert store.leases.take(ME, "archive", "killed") is not None
    assert len(archive(other, tmp_path).written) == 3
    assert store.leases.find(ME, "archive") is None


@pytest.mark.usefixtures("quick")
def test_of_two_that_find_a_killed_one_a_single_one_goes_on(store: Store, other: Store) -> None:
    assert store.leases.take(ME, "archive", "killed") is not None
    inside, told, gate = [], [], threading.Barrier(2)

    def work(mine: Store) -> None:
        gate.wait(30)
        try:
            with one_at_a_time(mine, ME, "archive"):
                inside.append(mine)
                gate.wait(30)
        except Conflict as error:
            told.append(str(error))
            gate.wait(30)

    threads = [threading.Thread(target=work, args=(each,)) for each in (store, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (len(inside), len(told)) == (1, 1)


def test_what_fails_within_gives_the_lease_back(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt), one_at_a_time(store, ME, "archive"):
        raise KeyboardInterrupt
    assert store.leases.find(ME, "archive") is None
