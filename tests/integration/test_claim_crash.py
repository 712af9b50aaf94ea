"""A claim that moves many readings in portions, killed at any moment and given again: nothing is lost or doubled."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from pysqlite3 import dbapi2 as sqlite

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.quarantine import QuarantinedReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.upkeep.verify_store import verify_store
from gridwright.store import open_store
from tests.integration.store.test_claimed_in_portions import DAYS, NOW, START, reading, state
from tests.quick_processes import run

KILLS = 40 if os.environ.get("GRIDWRIGHT_TEST_LONG") else 3
# Claims in portions of a day, tells how many were through, and kills itself before the named statement.
CLAIMS = """
import os, signal, sys
from datetime import datetime
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.jobs.meters import claim_meter as module
from gridwright.jobs.meters.claimed_place import MeterClaim
from gridwright.store import open_store
from gridwright.store.session import Unit

start, now = map(datetime.fromisoformat, sys.argv[3:])
left = [int(sys.argv[2])]
for name in ("fetch", "run_many"):
    def counted(*given, real=getattr(Unit, name)):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*given)
    setattr(Unit, name, counted)
module.FIRST = module.FEWEST = module.MOST = 60
with open_store(sys.argv[1]) as store:
    done = module.claim_in_portions(store, ME, MeterClaim("M-9", "UP-1", since=start), now=now)
print(-left[0], done.moved, *(word for note in done.notes if "moved in before" in note for word in note.split()))
"""


def waiting() -> list[QuarantinedReading]:
    """Return hours, quarter-hours on days of hours, and reads of which one is wrong, in no order."""
    rng = random.Random(7)  # noqa: S311 - a story, no secret
    hours = [reading(slot, float(rng.randint(1, 9)), 3600) for slot in range(DAYS * 24)]
    reads = [reading(slot, 1000.0 + 50 * slot + (9000 if slot == 70 else 0), 0) for slot in range(DAYS * 24)]
    misfits = [reading(slot, 2.0, 900) for slot in rng.sample(range(DAYS * 24), 12)]
    return rng.sample([*hours, *reads, *misfits], 2 * DAYS * 24 + 12)


def filled(path: Path) -> None:
    with open_store(f"sqlite:///{path}") as store:
        store.registry.save_points(ME, [UsagePoint("UP-1", capacity_kw=100.0)])
        every = waiting()
        for at in range(0, len(every), 100):
            store.quarantine.save(ME, every[at : at + 100], received=NOW + timedelta(minutes=at))


def copied(source: Path, target: Path) -> Path:
    connection, other = sqlite.connect(str(source)), sqlite.connect(str(target))
    connection.backup(other)
    connection.close()
    other.close()
    return target


def claimed(path: Path, killed_before: int = 0) -> subprocess.CompletedProcess[str]:
    told = [f"sqlite:///{path}", str(killed_before), START.isoformat(), NOW.isoformat()]
    return run([sys.executable, "-c", CLAIMS, *told])


@pytest.mark.few_on_servers(0)
def test_a_claim_that_is_killed_goes_on_to_the_same_end(tmp_path: Path) -> None:
    filled(tmp_path / "waiting.db")
    whole = copied(tmp_path / "waiting.db", tmp_path / "whole.db")
    statements, moved = map(int, claimed(whole).stdout.split())
    assert moved == 2 * DAYS * 24
    with open_store(f"sqlite:///{whole}") as store:
        expected = state(store)
    rng, between = random.Random(3), 0  # noqa: S311 - a story, no secret
    for kill in range(KILLS):
        path = copied(tmp_path / "waiting.db", tmp_path / f"killed-{kill}.db")
        before = statements * kill // KILLS + rng.randrange(statements // KILLS) + 1
        assert claimed(path, before).returncode == -signal.SIGKILL
        with open_store(f"sqlite:///{path}") as store:
            left = store.quarantine.waiting(ME, "M-9")
        between += 12 < left < len(waiting())
        again = claimed(path)
        assert again.returncode == 0, again.stderr
        here, *told = again.stdout.split()[1:]
        assert int(here) + int(told[0] if told else 0) == moved
        assert (left == len(waiting())) == (not told)
        with open_store(f"sqlite:///{path}") as store:
            assert state(store) == expected
            assert [str(check) for check in verify_store(store, ME).checks if not check.ok] == []
    assert between, "none was killed between two portions"
