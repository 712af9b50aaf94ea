"""An import killed at any moment loses nothing that was committed, corrupts nothing, and goes on to the same end."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from pysqlite3 import dbapi2 as sqlite
from sqlalchemy import event

from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.errors import StoreError, StoreFull, StoreLocked
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.jobs.files.ingest_file import ingest_file
from gridwright.store import open_store
from tests.quick_processes import Process

NOW = datetime(2025, 6, 1, tzinfo=UTC)
PERIOD = Interval(datetime(2024, 12, 31, 14, tzinfo=UTC), datetime(2025, 1, 10, 14, tzinfo=UTC))
KILLS = 20 if os.environ.get("GRIDWRIGHT_TEST_LONG") else 4
POINTS, DAYS = 240, 10

IMPORT = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from gridwright.domain.access import LOCAL_OWNER
from gridwright.formats import registry
from gridwright.formats.nem12 import Nem12Reader
from gridwright.jobs.files.ingest_file import ingest_file
from gridwright.store import open_store

registry.READERS = (Nem12Reader(chunk_bytes=12_000),)
report = lambda done, total: print(done, flush=True)
with open_store(sys.argv[1]) as store:
    print("open", flush=True)
    now = datetime(2025, 6, 1, tzinfo=UTC)
    done = ingest_file(store, LOCAL_OWNER, sys.argv[2], known_at=now, progress=report, rejects_to=Path(sys.argv[3]))
    print("done", done.intake.accepted, done.intake.rejected, flush=True)
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A seeded NEM12 file of many chunks, in which every tenth usage point has a day that is refused."""
    rng = np.random.default_rng(20)
    lines = ["100,NEM12,202501010000,MDP1,RET1"]
    for point in range(POINTS):
        lines.append(f"200,NMI{point:05d},E1,E1,E1,N1,METER1,kWh,30,")
        for day in range(1, DAYS + 1):
            numbers = ",".join(f"{value / 1000:.3f}" for value in rng.integers(0, 3000, 48))
            stamp = "20259999" if point % 10 == 0 and day == DAYS else f"202501{day:02d}"
            lines.append(f"300,{stamp},{numbers},A,,,20250201000000,")
    path = tmp_path_factory.mktemp("source") / "meters.csv"
    path.write_text("\n".join([*lines, "900", ""]))
    return path


def start(database: Path, source: Path, rejects: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", IMPORT, str(database), str(source), str(rejects)]
    return Process(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(database: Path, source: Path, rejects: Path) -> str:
    out, err = start(database, source, rejects).communicate(timeout=120)
    assert err == ""
    return out.splitlines()[-1]


def stored(database: Path) -> Panel:
    kind = replace(DELIVERED_ENERGY, channel="E1")
    with open_store(database) as store:
        return store.readings.load(LOCAL_OWNER, None, PERIOD, reading_type=kind)


def assert_healthy(database: Path) -> None:
    connection = sqlite.connect(str(database))
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        connection.close()


@pytest.fixture(scope="module")
def uninterrupted(source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Panel, str, str]:
    folder = tmp_path_factory.mktemp("whole")
    last = finish(folder / "whole.db", source, folder / "rejects.csv")
    assert last == f"done {POINTS * DAYS * 48 - POINTS // 10 * 48} {POINTS // 10 * 48}"
    return stored(folder / "whole.db"), (folder / "rejects.csv").read_text(), last


def kill_after(process: subprocess.Popen[str], chunks: int, seconds: float) -> None:
    """Kill once so many chunks were reported and a moment has passed."""
    assert process.stdout is not None
    for _ in range(chunks + 1):
        process.stdout.readline()
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)


@pytest.mark.slow
def test_kill_9_at_random_moments(source: Path, uninterrupted: tuple[Panel, str, str], tmp_path: Path) -> None:
    expected, rejects_expected, last_expected = uninterrupted
    chance = random.Random(9)  # noqa: S311 - a seeded choice of moments
    database, rejects = tmp_path / "grid.db", tmp_path / "rejects.csv"
    offsets = [0]
    for _ in range(KILLS):
        process = start(database, source, rejects)
        kill_after(process, chance.randint(0, 3), chance.uniform(0, 0.02))
        assert_healthy(database)
        offsets.append(committed(database))
        assert offsets[-1] >= offsets[-2]
    assert finish(database, source, rejects) == last_expected
    assert_healthy(database)
    found = stored(database)
    assert found.points == expected.points
    np.testing.assert_array_equal(found.values, expected.values)
    np.testing.assert_array_equal(found.quality, expected.quality)
    assert rejects.read_text() == rejects_expected
    assert max(offsets) > 0


def committed(database: Path) -> int:
    """Return the byte up to which the import is committed."""
    connection = sqlite.connect(str(database))
    try:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if "import_progress" not in tables:
            return 0
        (offset,) = connection.execute("SELECT coalesce(max(byte_offset), 0) FROM import_progress").fetchone()
        return int(offset)
    finally:
        connection.close()


def test_a_locked_database_is_told_and_nothing_is_lost(source: Path, tmp_path: Path) -> None:
    database = tmp_path / "grid.db"
    with open_store(database, busy_ms=50) as store:
        other = sqlite.connect(str(database), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            with pytest.raises(StoreLocked) as caught:
                ingest_file(store, LOCAL_OWNER, source, known_at=NOW)
        finally:
            other.execute("ROLLBACK")
            other.close()
        assert caught.value.remedy
        done = ingest_file(store, LOCAL_OWNER, source, known_at=NOW)
    assert done.new == POINTS * DAYS * 48 - POINTS // 10 * 48
    assert_healthy(database)


FULL_DISK = """
import resource, signal, sys
from gridwright.domain.errors import GridwrightError

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]), resource.RLIM_INFINITY))
try:
    exec(sys.stdin.read())
except GridwrightError as error:
    print(type(error).__name__, str(error))
"""


def test_a_disk_that_refuses_to_write_is_told_and_the_import_goes_on_later(
    source: Path, uninterrupted: tuple[Panel, str, str], tmp_path: Path
) -> None:
    database, rejects = tmp_path / "grid.db", tmp_path / "rejects.csv"
    command = [sys.executable, "-c", FULL_DISK, str(database), str(source), str(rejects), "500000"]
    process = subprocess.run(command, input=IMPORT, capture_output=True, text=True, timeout=120, check=False)
    assert process.stderr == ""
    # A limit on the size of a file shows itself to SQLite as a failed write, not as a full disk.
    assert process.stdout.splitlines()[-1].startswith(StoreError.__name__)
    assert_healthy(database)
    assert finish(database, source, rejects) == uninterrupted[2]
    np.testing.assert_array_equal(stored(database).values, uninterrupted[0].values)


def test_a_full_database_is_told_and_what_was_committed_stays(source: Path, tmp_path: Path) -> None:
    database = tmp_path / "grid.db"

    def limit(connection: sqlite.Connection, _record: object) -> None:
        connection.execute("PRAGMA max_page_count = 80")

    with open_store(database) as store:
        store._engine.dispose()
        event.listen(store._engine, "connect", limit)
        with pytest.raises(StoreFull) as caught:
            ingest_file(store, LOCAL_OWNER, source, known_at=NOW)
        assert caught.value.remedy
    assert_healthy(database)
    with open_store(database) as store:
        done = ingest_file(store, LOCAL_OWNER, source, known_at=NOW)
    assert done.intake.accepted == POINTS * DAYS * 48 - POINTS // 10 * 48
