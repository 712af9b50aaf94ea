"""Killed at any moment between the acknowledgement and the day-blocks: what was acknowledged is there, exactly once."""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import open_store
from tests.integration.store.conftest import empty
from tests.integration.store.test_journal import CAME, POINTS, QUARTER, START
from tests.quick_processes import run

if TYPE_CHECKING:
    from pathlib import Path

SLOTS = 12
# Puts slot after slot, tells each that is durable, and folds now and then; kills itself at the named moment.
DIES = """
import os, signal, sys
from datetime import timedelta
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.store import open_store
from gridwright.store.journal import fold as journal_fold
from gridwright.store.journal.journal import Journal
from gridwright.store.session import Session, Unit
from tests.integration.store.test_journal import CAME, POINTS, a_batch

address, moment, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
left = [count]

def die(which):
    if which == moment:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

def around(owner, name, which, after=True):
    real = getattr(owner, name)
    def called(*args, **more):
        if not after:
            die(which)
        result = real(*args, **more)
        if after:
            die(which)
        return result
    setattr(owner, name, called)

around(journal_fold, "merge_panel", "blocks written")
around(journal_fold, "leave_traces", "traces left")
around(journal_fold.Folder, "__call__", "before the fold is committed")
around(Journal, "fold", "folded")
around(Journal, "put", "before the put is committed")
journal_fold.CHUNK = 4
with open_store(address) as store:
    for slot in range(12):
        batch = a_batch([(point, slot, 10 * slot + at) for at, point in enumerate(POINTS)])
        with store.transaction(settled=False):
            accepted = store.journal.accept(ME, batch)
            store.journal.put([accepted], received=CAME + timedelta(seconds=slot))
        print(slot, flush=True)
        die("put")
        if slot % 4 == 3:
            store.journal.fold()
"""
MOMENTS = [
    ("before the put is committed", 6),
    ("put", 1),
    ("put", 7),
    ("blocks written", 1),
    ("blocks written", 4),
    ("traces left", 3),
    ("before the fold is committed", 1),
    ("before the fold is committed", 4),
    ("folded", 2),
]


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_what_was_acknowledged_is_there_once(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    few = MOMENTS[2::3] if kind == "sqlite" else MOMENTS[4:5]  # each is a process
    for moment, count in MOMENTS if os.environ.get("GRIDWRIGHT_TEST_LONG") else few:
        address = (
            f"sqlite:///{tmp_path}/{moment}-{count}.db"
            if kind == "sqlite"
            else str(request.getfixturevalue("postgres_url"))
        )
        with open_store(address) as store:
            if kind != "sqlite":
                empty(store)
            store.registry.save_points(ME, [UsagePoint(point) for point in POINTS])
        done = run([sys.executable, "-c", DIES, address, moment, str(count)])
        assert done.returncode == -signal.SIGKILL, done.stderr
        acknowledged = [int(line) for line in done.stdout.split()]
        with open_store(address) as store:
            whole = Interval(START, START + SLOTS * QUARTER)
            found = store.readings.load(ME, list(POINTS), whole, interval=QUARTER).values
            there = [slot for slot in range(SLOTS) if found[0, slot] == found[0, slot]]
            assert acknowledged == there[: len(acknowledged)]
            assert len(there) <= len(acknowledged) + 1  # one may be durable and not yet told
            for slot in there:
                assert found[:, slot].tolist() == [10 * slot + at for at in range(3)]
            waits = store.journal.waiting(ME)
            assert (waits.rows, waits.aside_rows) == (0, 0)
            assert [one.readings for one in store.readings.freshness(ME)] == [len(there)] * (3 if there else 0)
            if there:
                known = store.readings.versions(ME, "a", START.date())
                assert all(CAME <= one.known_at < datetime(2025, 4, 1, 0, 1, tzinfo=UTC) for one in known)
                assert {(one.usage_point, one.from_day, one.to_day) for one in store.dirty.ranges(ME)} == {
                    (point, START.date(), datetime(2025, 3, 2, tzinfo=UTC).date()) for point in POINTS
                }
            assert store.audit.verify(ME) > 0
