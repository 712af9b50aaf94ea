"""Killed between two portions of an edge's batch, or within one: sent again, each reading is there exactly once."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import open_store
from tests.quick_processes import run

if TYPE_CHECKING:
    from pathlib import Path

RECORDS, POINTS = 9, ("UP-1", "UP-2")
# Applies a batch of nine records in portions of two readings; kills itself at the named moment of the n-th of them.
APPLIES = """
import os, signal, sys
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
import msgspec
from gridwright.api.edge import batches, portions
from gridwright.api.edge.wire import ClockTrust, EdgeBatch, Record, Report
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.settings import Settings
from gridwright.store import open_store

address, moment, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
left = [count]

def around(owner, name, which):
    real = getattr(owner, name)
    def called(*args, **more):
        result = real(*args, **more)
        left[0] -= which == moment
        if which == moment and left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    setattr(owner, name, called)

portions.HOLD_S, portions.FEWEST = 0.0, 2
batches.Pace = partial(portions.Pace, readings=2)
now = datetime(2026, 11, 25, 12, tzinfo=UTC)

def record(number):
    told = [{"usage_point": "UP-1", "start": f"2026-11-25T{number:02}:00:00Z", "kwh": number, "interval_s": 3600}]
    if number % 3 == 0:
        told = [{"usage_point": "UP-2", "register_kwh": number, "at": f"2026-11-25T{number:02}:00:00Z"}]
    if number % 4 == 0:
        told = [{"meter": f"X-{one}", "register_kwh": number, "at": f"2026-11-25T{number:02}:00:00Z"} for one in "ab"]
    body = msgspec.json.encode(told)
    return Record(number, "/v1/readings", "application/json", "", 0, ClockTrust.RIGHT, stamped=False, body=body)

sent = EdgeBatch("a1", 1, 9, [record(number) for number in range(1, 10)], Report(0))
with open_store(address) as store:
    around(batches.EdgeBatches, "_advance", "after a portion")
    around(type(store.edges), "advance", "before it is committed")
    platform = SimpleNamespace(store=store, clock=lambda: now, settings=Settings(), access=ME)
    told = batches.EdgeBatches(platform, None)._applied(batches.Delivery(ME, "E-1", sent, now))
    print(told.acknowledged, left[0])
"""


def applied(address: str, moment: str = "never", count: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", APPLIES, address, moment, str(count)]
    return run(command, timeout=120)


@pytest.mark.parametrize(
    ("moment", "count", "durable"),
    [
        ("before it is committed", 1, 0),
        ("after a portion", 1, 2),
        ("before it is committed", 4, 4),
        ("after a portion", 5, 7),
    ],
)
def test_what_is_sent_again_after_a_kill_is_there_once(tmp_path: Path, moment: str, count: int, durable: int) -> None:
    address = str(tmp_path / "grid.db")
    with open_store(address) as store:
        store.registry.save_points(ME, [UsagePoint(point) for point in POINTS])
    died = applied(address, moment, count)
    assert died.returncode == -signal.SIGKILL, died.stderr
    with open_store(address) as store:
        stream = store.edges.stream(ME, "E-1", "a1")
        assert (stream.sequence if stream else 0) == durable
    assert applied(address).stdout.split()[0] == str(RECORDS)
    with open_store(address) as store:
        kept = store.edges.stream(ME, "E-1", "a1")
        assert kept is not None
        assert (kept.sequence, kept.readings, kept.rejected, kept.lost) == (RECORDS, 7, 0, 0)
        waits = {meter.meter: meter.readings for meter in store.quarantine.meters(ME)}
        stored = {one.usage_point: one.readings for one in store.readings.freshness(ME)}
    assert waits == {"X-a": 2, "X-b": 2}
    assert stored["UP-1"] == 4
