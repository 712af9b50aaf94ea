"""Two processes on one PostgreSQL: archive, backup, verify and new keys while another writes, corrects and serves."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.month import parse_month
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.upkeep.archive_months import archive_months, bring_back, restore_month
from gridwright.jobs.upkeep.back_up import back_up, restore
from gridwright.jobs.upkeep.look_after_keys import key_state, rotate_master, seal_store
from gridwright.jobs.upkeep.vault import Vault
from gridwright.jobs.upkeep.verify_store import verify_store
from gridwright.store import Store, open_store
from tests.integration.store.conftest import empty
from tests.quick_processes import Process

START = datetime(2025, 3, 1, tzinfo=UTC)
NOW = datetime(2025, 6, 1, tzinfo=UTC)
QUARTER, DAY = timedelta(minutes=15), timedelta(days=1)
POINTS = tuple(f"UP-{n}" for n in range(6))
DAYS = 12
BEFORE = parse_month("2025-04")
ROUNDS = 12 if os.environ.get("GRIDWRIGHT_TEST_LONG") else 4

# One round of work, over and over: it tells each that is committed on a line, until its input ends.
OTHER = """
import sys, threading, os
from pathlib import Path
from tests.integration.store.test_races import WORK
from gridwright.jobs.upkeep.vault import Vault
from gridwright.store import open_store
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
with open_store(sys.argv[1], master=Vault(Path(sys.argv[2]))) as store:
    for number in range(1, 1_000_000):
        print(WORK[sys.argv[3]](store, number), flush=True)
"""


def readings(store: Store, number: int) -> int:
    """Write another value into a slot of each day of every point, one commit."""
    values = np.full((len(POINTS), DAYS * 96), np.nan)
    values[:, ::96] = number
    known = NOW + timedelta(seconds=number)
    store.readings.save(ME, Panel(POINTS, START, QUARTER, values), known_at=known)
    return number


def cascade(store: Store, number: int) -> int:
    """Change readings and carry them through to final readings and day totals."""
    readings(store, number)
    correct(store, ME, SiteDefaults(), now=NOW + timedelta(seconds=number))
    return number


def names(store: Store, number: int) -> int:
    """Save a name, which is sealed, and read all of them."""
    store.registry.save_points(ME, [UsagePoint("UP-0", attributes={"name": f"Anna {number}"})])
    assert [point.attributes["name"].split()[0] for point in store.registry.points(ME)] == ["Anna"] * len(POINTS)
    return number


WORK: dict[str, Callable[[Store, int], int]] = {"readings": readings, "cascade": cascade, "names": names}


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "keys" / "secret.key")


@pytest.fixture
def town(postgres_url: str, vault: Vault) -> Iterator[Store]:
    """Readings with their final images and day totals."""
    with open_store(postgres_url, master=vault) as store:
        empty(store)
        store.registry.save_points(ME, [UsagePoint(name, attributes={"name": f"Anna {name}"}) for name in POINTS])
        seal_store(store, ME)
        values = np.random.default_rng(3).integers(1, 900, (len(POINTS), DAYS * 96)).astype(float)
        store.readings.save(ME, Panel(POINTS, START, QUARTER, values), known_at=NOW)
        correct(store, ME, SiteDefaults(), now=NOW)
        yield store


@contextmanager
def another(what: str, address: str, vault: Vault) -> Iterator[Callable[[], int]]:
    """Let another process work; what is yielded waits for its next commit."""
    command = [sys.executable, "-c", OTHER, address, str(vault.path), what]
    process = Process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    told = process.stdout

    def step() -> int:
        line = told.readline()
        assert line, f"the other process ended with {process.wait()}"
        return int(line)

    try:
        step()
        yield step
        step()  # it is well to the end
    finally:
        process.stdin.close()
        process.wait()
        told.close()


def faults(store: Store) -> dict[str, tuple[str, ...]]:
    return {check.name: check.first for check in verify_store(store, ME, deep=True).checks if check.faults}


def test_verify_raises_no_false_alarm_while_the_cascade_runs(town: Store, postgres_url: str, vault: Vault) -> None:
    with another("cascade", postgres_url, vault) as step:
        for _ in range(ROUNDS):
            step()
            assert faults(town) == {}
    assert faults(town) == {}


def test_backups_while_others_write_hold_one_state_each(
    town: Store, postgres_url: str, vault: Vault, tmp_path: Path
) -> None:
    with another("cascade", postgres_url, vault) as step:
        for number in range(2):
            step()
            back_up(ME, postgres_url, tmp_path / f"{number}.gwb", vault=vault, now=NOW)
    for number in range(2):
        restore(tmp_path / f"{number}.gwb", str(tmp_path / f"{number}.db"), vault)
        with open_store(tmp_path / f"{number}.db", master=vault) as back:
            assert faults(back) == {}
            found = back.readings.load(ME, list(POINTS), Interval(START, START + DAYS * DAY)).values[:, ::96]
            assert np.unique(found).size == 1  # of one commit
    assert faults(town) == {}


def test_months_leave_while_readings_come_in_for_them(
    town: Store, postgres_url: str, vault: Vault, tmp_path: Path
) -> None:
    before = town.readings.load(ME, list(POINTS), Interval(START, START + DAYS * DAY)).values
    place = str(tmp_path / "archive")
    last = 0
    with another("readings", postgres_url, vault) as step:
        for _ in range(ROUNDS):
            last = step()
            archive_months(town, ME, place, before=BEFORE, drop_before=BEFORE)
            correct(town, ME, SiteDefaults(), now=NOW + timedelta(hours=1))
            archive_months(town, ME, place, before=BEFORE, drop_before=BEFORE)
            bring_back(town, ME)
    bring_back(town, ME)
    correct(town, ME, SiteDefaults(), now=NOW + timedelta(hours=2))
    if town.archive.parts(ME):
        restore_month(town, ME, BEFORE - 1)
    after = town.readings.load(ME, list(POINTS), Interval(START, START + DAYS * DAY)).values
    assert np.unique(after[:, ::96]).size == 1
    assert after[0, 0] >= last
    others = np.arange(DAYS * 96) % 96 != 0
    assert np.array_equal(after[:, others], before[:, others])
    final = town.readings.load(ME, list(POINTS), Interval(START, START + DAYS * DAY), image=Image.FINAL)
    assert final.values.shape == after.shape
    assert faults(town) == {}


def test_keys_change_while_another_process_serves(town: Store, postgres_url: str, vault: Vault) -> None:
    """It finds the new keys by itself, also for what was sealed with them elsewhere."""
    with another("names", postgres_url, vault) as step:
        for _ in range(ROUNDS):
            step()
            rotate_master(town, ME, vault, drop_old=True)
            seal_store(town, ME, fresh=True)
            step()
            step()
    assert len(vault.key_ids()) == 1
    with open_store(postgres_url, master=Vault(vault.path)) as fresh:
        assert [point.attributes["name"][:4] for point in fresh.registry.points(ME)] == ["Anna"] * len(POINTS)
        assert key_state(fresh, ME, Vault(vault.path)).behind == 0
        assert faults(fresh) == {}


def test_keys_that_change_while_somebody_reads_still_open_what_is_read(
    town: Store, postgres_url: str, vault: Vault
) -> None:
    """The snapshot shows how a data key was wrapped before; the master key of that is gone by the time it is asked."""
    with open_store(postgres_url, master=Vault(vault.path)) as other, other._session.reading() as unit:
        assert unit.fetch("SELECT COUNT(*) FROM data_key") == [(1,)]
        rotate_master(town, ME, vault, drop_old=True)
        assert {point.attributes["name"][:4] for point in other.registry.points(ME)} == {"Anna"}
