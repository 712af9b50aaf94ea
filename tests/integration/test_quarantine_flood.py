"""A flood of names that nobody knows: bounded in the store, linear in time, and never at the cost of known meters."""

from __future__ import annotations

import os
import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from gridwright.api.answer import Answer
from gridwright.api.entrance import tell_readings
from gridwright.api.ingest.json import decode_json
from gridwright.api.ingest.meaning import Said
from gridwright.api.ingest.names import directory_of, resolve
from gridwright.api.write.batch import Batch
from gridwright.api.write.batches import write
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import Store, open_store

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
MANY = 100_000 if os.environ.get("GRIDWRIGHT_TEST_LONG") else 10_000


def batch(names: list[str]) -> Batch:
    text = ",".join(f'{{"meter":"{name}","start":"2026-11-25T10:00:00Z","kwh":1}}' for name in names)
    decoded = decode_json(f"[{text}]".encode(), Said(interval_s=900), NOW)
    directory = directory_of({"UP-1": 1}, [], 0.0)
    return Batch(ME, NOW, decoded, resolve(decoded, directory, ME), directory, tell_readings)


def statements(store: Store, names: list[str]) -> int:
    """Return how many rows a flood of names adds."""
    before = store.quarantine.room(ME)
    (answer,) = write(store, [batch(names)], NOW)
    assert isinstance(answer, Answer)
    return before - store.quarantine.room(ME)


def test_a_flood_is_kept_once_and_memory_follows_the_batch(tmp_path: Path) -> None:
    size = MANY // 5
    with open_store(tmp_path / "grid.db") as store:
        store.registry.save_points(ME, [UsagePoint("UP-1")])
        peaks = []
        for part in range(5):
            tracemalloc.start()
            assert statements(store, [f"X-{at}" for at in range(part * size, (part + 1) * size)]) == size
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert max(peaks[1:]) < 2 * min(peaks), "what waits already must cost nothing"  # the first one also imports
        assert statements(store, [f"X-{at}" for at in range(size)]) == 0
        assert len(store.quarantine.meters(ME, limit=10)) == 10


def test_a_full_quarantine_refuses_with_a_reason_and_keeps_the_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridwright.store.quarantine.LIMIT", 3)
    with open_store(tmp_path / "grid.db") as store:
        store.registry.save_points(ME, [UsagePoint("UP-1")])
        flood = batch(["X-1", "X-2", "UP-1", "X-3", "X-4", "X-5"])
        write(store, [flood], NOW)
        verdicts = flood.decoded.verdicts
        assert (verdicts.accepted, verdicts.quarantined, verdicts.rejected) == (1, 3, 2)
        told = [one.to_dict() for one in verdicts.listed if one.status == "rejected"]
        assert [one["value"] for one in told] == ["X-4", "X-5"]
        assert {one["reason"] for one in told} == {"nobody knows it, and the quarantine is full"}
        period = Interval(NOW - timedelta(hours=2), NOW)
        assert store.readings.load(ME, "UP-1", period).values[0, 0] == 1000
        for meter in ("X-1", "X-2", "X-3"):
            store.quarantine.claim(ME, meter)
        assert store.quarantine.room(ME) == 3
