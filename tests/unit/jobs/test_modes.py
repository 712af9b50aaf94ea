"""What Gridwright makes is for its owner alone, whatever the umask; what is open already is left, and named."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.month import parse_month
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import UsagePoint
from gridwright.durable import replace_file
from gridwright.jobs.files.watch_folder import Watch
from gridwright.jobs.upkeep.archive_months import Policy, archive_months
from gridwright.jobs.upkeep.check_health import Surroundings, check_readers
from gridwright.jobs.upkeep.health import State
from gridwright.jobs.upkeep.vault import Vault
from gridwright.listen.lines import Lines
from gridwright.store import open_store
from gridwright.store.backup.backup import create_backup, restore_backup

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def modes(top: Path) -> dict[str, int]:
    return {str(path.relative_to(top)): mode(path) for path in sorted(top.rglob("*"))}


def only_own(top: Path) -> dict[str, int]:
    """Return what others may read or write below a folder."""
    return {name: found for name, found in modes(top).items() if found & 0o077}


def fill(url: str, key: Path) -> None:
    with open_store(url, master=Vault(key)) as store:
        store.registry.save_points(ME, [UsagePoint("UP-1", zone="UTC", attributes={"name": "somebody"})])
        panel = Panel(("UP-1",), datetime(2025, 1, 1, tzinfo=UTC), timedelta(hours=1), np.ones((1, 48)))
        store.readings.save(ME, panel, known_at=NOW)
        store.dirty.clear(ME, store.dirty.ranges(ME))


def test_database_with_its_log_backup_restore_and_archive(tmp_path: Path) -> None:
    top, key = tmp_path / "top", tmp_path / "top" / "keys" / "secret.key"
    top.mkdir(mode=0o700)
    url = f"{top}/data/"
    fill(url, key)
    with open_store(url) as store:
        archive_months(store, ME, str(top / "far" / "archive"), before=parse_month("2025-06"))
        assert (top / "data" / "gridwright.db-wal").exists()
        assert only_own(top) == {}
    create_backup(url, top / "backups" / "a.gwb", master=Vault(key), created=NOW)
    restore_backup(top / "backups" / "a.gwb", top / "again" / "gridwright.db", Vault(key))
    with open_store(top / "again" / "gridwright.db") as store:
        assert store.registry.count(ME) == 1
        assert only_own(top) == {}
    found = modes(top)
    assert found["data"] == found["far/archive/readings/2025-01"] == 0o700
    assert found["data/gridwright.db"] == found["again/gridwright.db"] == found["backups/a.gwb"] == 0o600
    assert sum(name.endswith(".parquet") for name in found) == 1


def test_database_through_a_link_that_leads_to_nothing_yet(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "real.db")
    open_store(tmp_path / "link.db").close()
    assert mode(tmp_path / "real.db") == 0o600


def test_files_of_a_watched_folder_an_edge_and_a_listener(tmp_path: Path) -> None:
    for _ in Watch(tmp_path, lambda *_: pytest.fail("there is no file"), time.sleep, time.monotonic).run(once=True):
        pass
    replace_file(tmp_path / "mark.json", b"{}", durable=True)
    asyncio.run(Lines(tmp_path / "refused.jsonl").add({"value": 1}))
    assert len(modes(tmp_path)) > 4
    assert only_own(tmp_path) == {}


def test_doctor_names_what_is_open_and_leaves_it(tmp_path: Path) -> None:
    file = tmp_path / "gridwright.db"
    file.touch(mode=0o644)
    open_store(file).close()
    archive = tmp_path / "archive"
    archive.mkdir()
    around = Surroundings(NOW, archive=Policy(str(archive)))
    for url in (str(file), f"{tmp_path}/", f"sqlite:///{file}"):
        database, kept = check_readers(url, around)
        assert (database.state, database.name) == (State.WARN, "database, readers")
        assert f"{file} (644)" in database.found
        assert database.remedy == f"chmod u=rwX,go= {file}"
        assert f"{archive} (755)" in kept.found
    assert mode(file) == 0o644
    file.chmod(0o600)
    archive.chmod(0o700)
    assert [check.state for check in check_readers(str(file), around)] == [State.OK, State.OK]
    assert list(check_readers("postgresql://somewhere/x", Surroundings(NOW))) == []
