"""A backup goes into a server's database only where nobody else is connected, who would not know the new rows."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import Connection, Table, create_engine
from sqlalchemy.exc import OperationalError

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import StoreLocked
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.upkeep.back_up import back_up, restore
from gridwright.jobs.upkeep.vault import Vault
from gridwright.store import open_store
from gridwright.store.backup import alone, guards, rows
from gridwright.store.backup import backup as backup_module
from gridwright.store.engine import make_engine, resolve
from tests.integration.store.conftest import emptied, left_alone
from tests.integration.store.test_backup import NOW, everything
from tests.integration.store.test_moved_file import IDLE
from tests.quick_processes import Process

NO_KEYS = Vault(Path("/nonexistent/secret.key"))


@pytest.fixture(params=["postgres", "mysql"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server's database with a usage point, that nobody is connected to."""
    monkeypatch.setattr(alone, "PATIENCE_S", 1.0)
    address = left_alone(str(request.getfixturevalue(f"{request.param}_url")))
    with open_store(address) as store:
        store.registry.save_points(ME, [UsagePoint("UP-1")])
    yield address
    emptied(address)


@pytest.fixture
def backup(server: str, tmp_path: Path) -> Path:
    """A backup of it, after which it changed."""
    path = tmp_path / "a.gwb"
    back_up(ME, server, path, vault=None, now=NOW)
    with open_store(server) as store:
        store.registry.save_points(ME, [UsagePoint("UP-2")])
    return path


@contextmanager
def idle_process(address: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the database open, and does nothing."""
    with Process([sys.executable, "-c", IDLE, address], stdin=-1, stdout=-1) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        try:
            yield other
        finally:
            other.kill()


def test_what_another_process_has_open_is_not_replaced(server: str, backup: Path) -> None:
    """It says who; one that was killed is in nobody's way."""
    before, postgres = everything(server), server.startswith("postgres")
    with idle_process(server) as other:
        with pytest.raises(StoreLocked, match="others are connected to the database: ") as caught:
            restore(backup, server, NO_KEYS, force=True)
        if postgres:
            assert f"gridwright, process {other.pid} on " in caught.value.message
        assert "stop the server" in caught.value.remedy
        assert ("pg_terminate_backend(" if postgres else "KILL ") in caught.value.remedy
    assert everything(server) == before
    restore(backup, server, NO_KEYS, force=True)
    with open_store(server) as store:
        assert [point.id for point in store.registry.points(ME)] == ["UP-1"]


def test_the_statement_that_it_names_ends_a_connection_whose_machine_is_gone(server: str, backup: Path) -> None:
    with idle_process(server):
        with pytest.raises(StoreLocked) as caught:
            restore(backup, server, NO_KEYS, force=True)
        end = next(part for part in caught.value.remedy.split("; ") if "ends a connection" in part)
        engine = create_engine(resolve(server), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(end.split(" ends ")[0])
        engine.dispose()
        restore(backup, server, NO_KEYS, force=True)


def test_whoever_comes_after_the_first_look_stops_it_and_what_was_there_stays(
    server: str, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, emptied_, came = everything(server), rows.emptied, make_engine(resolve(server), create=False)

    def someone_comes(connection: Connection, names: Iterable[str]) -> Mapping[str, Table]:
        with came.connect():
            return emptied_(connection, names)

    with monkeypatch.context() as patch:
        patch.setattr(backup_module, "emptied", someone_comes)
        with pytest.raises(StoreLocked, match="others are connected"):
            restore(backup, server, NO_KEYS, force=True)
    came.dispose()
    assert everything(server) == before


def test_many_connections_are_counted_and_strange_ones_named(server: str, backup: Path) -> None:
    engine = create_engine(resolve(server), pool_size=5)
    held = [engine.connect() for _ in range(5)]
    with pytest.raises(StoreLocked, match=r"a program \(connection \d+ of \w+ from [\d.:]+\); .*; 2 more"):
        restore(backup, server, NO_KEYS, force=True)
    for each in held:
        each.close()
    engine.dispose()
    restore(backup, server, NO_KEYS, force=True)


def test_nobody_writes_into_an_empty_database_that_is_being_filled(
    server: str, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On MariaDB whoever opens it is refused, on PostgreSQL whoever writes waits."""
    left_alone(server)
    monkeypatch.setattr(guards, "OPENER_S", 0)
    refused = []

    def someone_opens(_done: int, _total: int) -> None:
        with suppress(StoreLocked, OperationalError), open_store(server) as store, store._engine.begin() as connection:
            if server.startswith("postgres"):
                connection.exec_driver_sql("SET LOCAL lock_timeout = '50ms'")
            connection.exec_driver_sql("DELETE FROM audit_head WHERE id = 41")
            return
        refused.append(True)

    restore(backup, server, NO_KEYS, progress=someone_opens)
    assert refused
    assert all(refused)
    with open_store(server) as store:
        assert store.registry.count(ME) == 1
