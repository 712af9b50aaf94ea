"""A watch killed at any moment loses no file and doubles none: each ends in `done`, its readings in the store."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.interval import Interval
from gridwright.store import open_store
from tests.quick_processes import Process

KILLS = 6 if os.environ.get("GRIDWRIGHT_TEST_LONG") else 2
FILES, DAYS = 6, 8
START = datetime(2025, 1, 1, tzinfo=UTC)

WATCH = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from gridwright.domain.access import LOCAL_OWNER
from gridwright.formats import csv_reader, csv_split
from gridwright.jobs.files.ingest_file import ingest_file
from gridwright.jobs.files.watch_folder import Watch
from gridwright.store import open_store

csv_split.cut.__kwdefaults__["size"] = 4000
now = datetime(2025, 6, 1, tzinfo=UTC)
with open_store(sys.argv[1]) as store:
    take = lambda path, rejects: ingest_file(store, LOCAL_OWNER, path, known_at=now, rejects_to=rejects)
    print("open", flush=True)
    for one in Watch(Path(sys.argv[2]), take, time.sleep, time.monotonic, settle_s=0.01).run(once=True):
        print(one.name, one.outcome, flush=True)
"""


def a_file(seed: int) -> tuple[str, float]:
    """Return a CSV of one home, every hundredth value of which is no number, and its energy in Wh."""
    counts = np.random.default_rng(seed).integers(0, 3000, DAYS * 96)
    rows, total = ["meter,start,kWh"], 0
    for slot, count in enumerate(counts.tolist()):
        bad = slot % 100 == 50
        total += 0 if bad else count
        stamp = (START + timedelta(minutes=15 * slot)).strftime("%Y-%m-%dT%H:%M:%SZ")
        rows.append(f"home{seed},{stamp},{'x' if bad else f'{count / 1000:.3f}'}")
    return "\n".join(rows) + "\n", float(total)


def start(database: Path, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WATCH, str(database), str(folder)]
    return Process(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.slow
def test_kill_9_at_random_moments(tmp_path: Path) -> None:
    chance = random.Random(4)  # noqa: S311 - a seeded choice of moments
    folder, database = tmp_path / "inbox", tmp_path / "grid.db"
    folder.mkdir()
    totals = {}
    for seed in range(FILES):
        text, totals[f"home{seed}"] = a_file(seed)
        (folder / f"{seed}.csv").write_text(text)
    for _ in range(KILLS):
        process = start(database, folder)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(chance.uniform(0.0, 0.25))
        process.kill()
        process.communicate(timeout=60)
    out, err = start(database, folder).communicate(timeout=120)
    assert err == ""
    assert "kept" not in out
    assert sorted(path.name for path in folder.glob("*.csv")) == []
    assert list((folder / "taking").iterdir()) == list((folder / "failed").iterdir()) == []
    for seed in range(FILES):
        assert (folder / "done" / f"{seed}.csv").read_text() == a_file(seed)[0]
        rejects = (folder / "done" / f"{seed}.csv.rejects.csv").read_text().splitlines()
        assert len(rejects) == 1 + sum(slot % 100 == 50 for slot in range(DAYS * 96))
    with open_store(database) as store:
        whole = Interval(START, START + timedelta(days=DAYS))
        panel = store.readings.load(LOCAL_OWNER, sorted(totals), whole)
    assert dict(zip(panel.points, np.nansum(panel.values, axis=1).tolist(), strict=True)) == totals
