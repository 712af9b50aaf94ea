"""What goes wrong on a machine: another writer, a full disk, a process that is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import NullPool, create_engine, text

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import StoreError, StoreFull, StoreLocked
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import Store, open_store
from tests.quick_processes import Process, run

START = datetime(2025, 3, 1, tzinfo=UTC)
MONTH = Interval(START, START + timedelta(days=31))
HOLDER = """
import sys
from pysqlite3 import dbapi2
connection = dbapi2.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""
# Saves a month of 40 meters with another value each time, and acknowledges each save on its standard output.
WRITER = """
import sys
from datetime import UTC, datetime, timedelta
import numpy as np
from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.panel import Panel
from gridwright.store import Progress, open_store
start = datetime(2025, 3, 1, tzinfo=UTC)
points = tuple(f"UP{at}" for at in range(40))
with open_store(sys.argv[1]) as store:
    for count in range(int(sys.argv[2]), 10**6):
        panel = Panel(points, start, timedelta(minutes=15), np.full((40, 2976), float(count)))
        with store.transaction():
            store.readings.save(LOCAL_OWNER, panel, known_at=start + timedelta(seconds=count), register=True)
            progress = Progress("ab" * 32, "x.csv", count, 10**6)
            store.imports.advance(LOCAL_OWNER, progress, known_at=start)
        print(count, flush=True)
"""

LIMITED = """
import resource, signal, sys
from datetime import UTC, datetime, timedelta
import numpy as np
from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.errors import StoreError
from gridwright.domain.panel import Panel
from gridwright.store import open_store
start = datetime(2025, 3, 1, tzinfo=UTC)
panel = Panel(tuple(f"UP{at}" for at in range(900)), start, timedelta(minutes=15), np.ones((900, 2976)))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))
with open_store(sys.argv[1]) as store:
    try:
        store.readings.save(LOCAL_OWNER, panel, known_at=start, register=True)
    except StoreError as error:
        print(type(error).__name__, error)
"""


def a_month(points: int = 50) -> Panel:
    return Panel(tuple(f"UP{at}" for at in range(points)), START, timedelta(minutes=15), np.ones((points, 2976)))


def test_a_locked_database_says_who_to_wait_for(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    open_store(path).close()
    pipe = subprocess.PIPE
    with Process([sys.executable, "-c", HOLDER, str(path)], stdin=pipe, stdout=pipe) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        with open_store(path, busy_ms=50) as store:
            with pytest.raises(StoreLocked, match=r"a\.db.*another process.*wait until it has finished"):
                store.readings.save(ME, a_month(), known_at=START, register=True)
            assert store.registry.points(ME) == ()
            holder.communicate("")
            assert store.readings.save(ME, a_month(), known_at=START, register=True).new == 50 * 2976


def test_a_full_disk_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    with open_store(tmp_path / "a.db") as store:
        store.readings.save(ME, a_month(5), known_at=START, register=True)
        with store._session.reading() as unit:
            pages = unit.fetch("PRAGMA page_count")[0][0]
            unit.fetch(f"PRAGMA max_page_count = {pages + 5}")
        with pytest.raises(StoreFull, match=r"no room left.*free some space"):
            store.readings.save(ME, a_month(500), known_at=START, register=True)
        with store._session.reading() as unit:
            unit.fetch("PRAGMA max_page_count = 1000000")
        assert len(store.registry.points(ME)) == 5
        assert store.readings.load(ME, None, MONTH).values.sum() == 5 * 2976
        assert store.readings.save(ME, a_month(500), known_at=START, register=True).new == 495 * 2976


def test_a_full_disk_empties_the_log(tmp_path: Path) -> None:
    """After a commit that fails SQLite leaves its log as it is: on a full disk that room would never come free."""
    path = tmp_path / "a.db"
    with open_store(path) as store:
        store.readings.save(ME, a_month(5), known_at=START, register=True)
        assert path.with_name("a.db-wal").stat().st_size > 0
        with store._session.reading() as unit:
            unit.fetch(f"PRAGMA max_page_count = {unit.fetch('PRAGMA page_count')[0][0] + 5}")
            patience = unit.fetch("PRAGMA busy_timeout")
        with pytest.raises(StoreFull, match=r"no room left.*free some space"):
            store.readings.save(ME, a_month(500), known_at=START, register=True)
        assert path.with_name("a.db-wal").stat().st_size == 0
        with store._session.reading() as unit:
            assert unit.fetch("PRAGMA busy_timeout") == patience
        assert store.readings.load(ME, None, MONTH).values.sum() == 5 * 2976


def save_and_go_on(store: Store) -> None:
    with store.transaction():
        with pytest.raises(StoreFull):
            store.readings.save(ME, a_month(500), known_at=START, register=True)
        with pytest.raises(StoreError, match="given up the transaction"):
            store.registry.save_points(ME, [UsagePoint("never")])


def test_a_full_disk_within_a_transaction(tmp_path: Path) -> None:
    with open_store(tmp_path / "a.db") as store:
        with store._session.reading() as unit:
            unit.fetch(f"PRAGMA max_page_count = {unit.fetch('PRAGMA page_count')[0][0] + 5}")
        with pytest.raises(StoreFull, match=r"no room left.*free some space"), store.transaction() as tx:
            tx.readings.save(ME, a_month(500), known_at=START, register=True)
        with pytest.raises(StoreError, match="given up the transaction"):
            save_and_go_on(store)
        with store._session.reading() as unit:
            unit.fetch("PRAGMA max_page_count = 1000000")
        assert store.registry.points(ME) == ()
        assert store.readings.save(ME, a_month(5), known_at=START, register=True).new == 5 * 2976


def test_a_file_that_cannot_be_opened_is_no_server_that_is_away(tmp_path: Path) -> None:
    """As with a folder that may only be read, which the superuser of a test machine may write to all the same."""
    (tmp_path / "gridwright.db").mkdir()
    with pytest.raises(StoreError, match=r"cannot be opened \(unable to open.*let this user write to the file"):
        open_store(tmp_path)


ON_A_FULL_DISK = """
import os, sys
from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.errors import StoreError
from gridwright.store import open_store
path = sys.argv[1] + "/a.db"
open_store(path).close()
try:
    with open(sys.argv[1] + "/fill", "wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
except OSError:
    pass
try:
    with open_store(path) as store:
        store.registry.count(LOCAL_OWNER)
except StoreError as error:
    print(type(error).__name__, error)
"""


def test_a_disk_that_is_full_to_the_last_byte_is_told_as_full(tmp_path: Path) -> None:
    """SQLite cannot even make the index of its log there, which it reports as an error of the disk."""
    apart = ["unshare", "--user", "--map-root-user", "--mount"]
    mounted = [*apart, "sh", "-c", 'mount -t tmpfs -o size=2m none "$1" && shift && exec "$@"', "sh", str(tmp_path)]
    try:
        subprocess.run([*mounted, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this system gives no disk of 2 MB to a test: {error}")
    command = [*mounted, sys.executable, "-c", ON_A_FULL_DISK, str(tmp_path)]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert told.startswith("StoreFull")
    assert "there is no room left" in told


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with open_store(path) as store:
        store.readings.save(ME, a_month(5), known_at=START, register=True)
    done = run([sys.executable, "-c", LIMITED, str(path)])
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Store"), done.stdout
    assert "what was acknowledged is safe" in done.stdout
    with open_store(path) as store:
        assert len(store.registry.points(ME)) == 5
        assert store.readings.load(ME, None, MONTH).values.sum() == 5 * 2976


def test_killed_at_any_moment_loses_nothing_acknowledged(tmp_path: Path) -> None:
    path, rng = tmp_path / "a.db", np.random.default_rng(7)
    next_count = 1
    for _ in range(6):
        command = [sys.executable, "-c", WRITER, str(path), str(next_count)]
        with Process(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            acknowledged = [int(writer.stdout.readline())]
            time.sleep(rng.uniform(0, 0.25))
            writer.send_signal(signal.SIGKILL)
            acknowledged += [int(line) for line in writer.stdout]
        with open_store(path) as store:
            with store._session.reading() as unit:
                assert unit.fetch("PRAGMA integrity_check") == [("ok",)]
            values = store.readings.load(ME, None, MONTH).values
            # The commit may have come through without its acknowledgement, never the other way round.
            assert values.min() == values.max()
            assert values[0, 0] in {acknowledged[-1], acknowledged[-1] + 1}
            progress = store.imports.progress(ME, "ab" * 32)
            assert progress is not None
            assert progress.byte_offset == values[0, 0]
            assert store.audit.verify(ME) >= values[0, 0]
            assert len(store.readings.versions(ME, "UP3", START.date())) == values[0, 0]
            next_count = int(values[0, 0]) + 1


def test_a_server_that_hangs_up_in_a_bulk_statement_is_away_and_not_refusing(
    postgres_url: str,
) -> None:
    """Many rows go through a raw cursor, of which the pool learns nothing by itself."""
    cut = text("SELECT pg_terminate_backend(:pid)")
    other = create_engine(postgres_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)

    let_go: list[bool] = []

    def bulk(store: Store) -> None:
        with store.transaction():
            unit = store.readings._session.current
            assert unit is not None
            ((pid,),) = unit.fetch("SELECT pg_backend_pid()")
            with other.connect() as connection:
                connection.execute(cut, {"pid": pid})
            try:
                unit.run_many("DELETE FROM no_table WHERE code = ?", [("none",)] * 1_000)
            finally:
                let_go.append(unit.connection.invalidated)  # no rollback is tried on it, and the pool does not get it

    with open_store(postgres_url) as store:
        with pytest.raises(StoreError, match="does not answer"):
            bulk(store)
        assert let_go == [True]
        assert store.readings.save(ME, a_month(), known_at=START, register=True).new == 50 * 2976
