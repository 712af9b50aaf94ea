"""Migrations and restores that are stopped at any statement: what was there is there, and the next one goes on."""

from __future__ import annotations

import os
import signal
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, NullPool, Table, create_engine, event, make_url

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import StoreCorrupt, StoreError, StoreLocked
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.upkeep.back_up import back_up, restore
from gridwright.jobs.upkeep.vault import Vault
from gridwright.jobs.upkeep.verify_store import verify_store
from gridwright.store import Store, open_store
from gridwright.store.backup import guards, rows
from gridwright.store.backup.guards import guards_off
from gridwright.store.engine import make_engine, resolve
from gridwright.store.schema import metadata
from tests import quick_schema
from tests.integration.store.conftest import SEEDS, left_alone
from tests.integration.store.test_backup import everything, fill
from tests.quick_processes import run

LONG = bool(os.environ.get("GRIDWRIGHT_TEST_LONG"))
NOW = datetime(2025, 6, 1, tzinfo=UTC)
TRIGGERS = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
    "mysql": "SELECT trigger_name, action_timing, event_manipulation, event_object_table, action_statement "
    "FROM information_schema.triggers WHERE trigger_schema = DATABASE()",
}


CHANGES = ("CREATE", "ALTER", "DROP", "INSERT", "UPDATE", "DELETE")


class Killed(BaseException):
    """The process ends here."""


@contextmanager
def killed_at_new(seen: set[str], every: int) -> Iterator[None]:
    """End everything after a statement that was not executed before; of those, after each so many."""

    def look(_conn: Any, _cursor: Any, statement: str, values: Any, *_: object) -> None:  # noqa: ANN401
        told = f"{statement} {values}"
        if statement.lstrip().upper().startswith(CHANGES) and told not in seen:
            seen.add(told)
            if len(seen) % every == 0:
                raise Killed

    event.listen(Engine, "after_cursor_execute", look)
    try:
        yield
    finally:
        event.remove(Engine, "after_cursor_execute", look)


def triggers(store: Store) -> list[Any]:
    with store._engine.connect() as connection:
        return sorted(
            connection.exec_driver_sql(TRIGGERS[store._engine.dialect.name.replace("mariadb", "mysql")]).all()
        )


@contextmanager
def fresh(address: str) -> Iterator[str]:
    """A database beside the one of the suite, without a table."""
    url = make_url(address)
    if url.get_backend_name() == "sqlite":
        yield address.replace("store.db", "fresh.db")
        return
    name = f"gridwright_test_{uuid.uuid4().hex[:12]}"
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    try:
        yield url.set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name}")
        engine.dispose()


def was_killed(address: str, seen: set[str], every: int) -> bool:
    with killed_at_new(seen, every):
        try:
            open_store(address).close()
        except Killed:
            return True
    return False


def test_migrations_that_are_killed_after_each_statement_go_on(
    address: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From an empty database to today's schema; where statements commit by themselves, each state is begun from."""
    monkeypatch.setattr("gridwright.store.migrate.upgrade", quick_schema.by_migrations)
    every = (1 if LONG else 3) if store._engine.dialect.name in {"mysql", "mariadb"} else 40
    with fresh(address) as new:
        kills, seen = 0, set[str]()
        while was_killed(new, seen, every):
            kills += 1
        assert kills == len(seen) // every > 2
        with open_store(new) as made:
            with made._engine.connect() as connection:
                found: list[Any] = compare_metadata(MigrationContext.configure(connection), metadata)
            assert [d for d in found if not (d[0] == "remove_index" and d[1].name.startswith("fk_"))] == []
            assert triggers(made) == triggers(store)
            made.registry.save_points(ME, [UsagePoint("UP-1")])
            assert verify_store(made, ME, deep=True).ok


RESTORE = """
import os, signal, sys
from pathlib import Path
from gridwright.jobs.upkeep.back_up import restore
from gridwright.jobs.upkeep.vault import Vault
from gridwright.store.backup import rows
insert, done = rows._insert, []
def killed(*given):
    insert(*given)
    done.append(1)
    if len(done) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
rows._insert = killed
restore(Path(sys.argv[1]), sys.argv[2], Vault(sys.argv[3]), force=True)
"""
HANG_UP = {
    "postgresql": ("SELECT pg_backend_pid()", "SELECT pg_terminate_backend({})"),
    "mysql": ("SELECT CONNECTION_ID()", "KILL {}"),
}


@dataclass(frozen=True)
class Scene:
    """A server's database that is not what its backup is, and what it holds."""

    address: str
    backup: Path
    vault: Vault
    before: dict[str, list[str]]
    guards: list[Any]

    def is_as_it_was(self) -> None:
        with open_store(self.address, master=self.vault) as store:
            assert triggers(store) == self.guards
            assert {check.name: check.first for check in verify_store(store, ME).checks if not check.ok} == {}
        assert everything(self.address) == self.before

    def can_be_restored(self) -> None:
        restore(self.backup, self.address, self.vault, force=True)
        with open_store(self.address) as store:
            assert (store.registry.count(ME), triggers(store)) == (4, self.guards)


@pytest.fixture(params=["postgres", "mysql"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Scene:
    address = left_alone(str(request.getfixturevalue(f"{request.param}_url")))
    vault = Vault(tmp_path / "secret.key")
    with open_store(address, master=vault) as store:
        fill(store)
        back_up(ME, address, tmp_path / "a.gwb", vault=vault, now=NOW)
        store.registry.save_points(ME, [UsagePoint("late")])
        guards = triggers(store)
    return Scene(address, tmp_path / "a.gwb", vault, everything(address), guards)


def test_a_restore_that_is_killed_leaves_what_was_there(scene: Scene) -> None:
    command = [sys.executable, "-c", RESTORE, str(scene.backup), scene.address, str(scene.vault.path)]
    assert run(command).returncode == -signal.SIGKILL
    scene.is_as_it_was()
    scene.can_be_restored()


def test_a_restore_that_is_stopped_or_cut_off_leaves_what_was_there(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = rows._insert

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    def cut_off(connection: Connection, table: Table, batch: rows.Batch) -> None:
        ask, hang_up = HANG_UP[connection.dialect.name.replace("mariadb", "mysql")]
        number = connection.exec_driver_sql(ask).scalar()
        with create_engine(make_url(scene.address), poolclass=NullPool).connect() as other:
            other.exec_driver_sql(hang_up.format(number))
        insert(connection, table, batch)

    for act, error in ((stopped, KeyboardInterrupt), (cut_off, StoreError)):
        with monkeypatch.context() as patch:
            patch.setattr(rows, "_insert", act)
            with pytest.raises(error):
                restore(scene.backup, scene.address, scene.vault, force=True)
        scene.is_as_it_was()
    scene.can_be_restored()


def test_nobody_opens_what_is_being_restored_without_its_triggers(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guards, "OPENER_S", 0)
    engine = make_engine(resolve(scene.address), create=False)
    with guards_off(engine):
        if engine.dialect.name in guards.SERVERS:
            for create in (True, False):
                with pytest.raises(StoreLocked, match="a backup is being restored into this database"):
                    open_store(scene.address, create=create)
            with engine.connect() as connection:
                assert len(connection.exec_driver_sql(TRIGGERS["mysql"]).all()) < len(scene.guards)
    engine.dispose()
    scene.is_as_it_was()


def test_an_empty_head_of_the_audit_chain_is_a_finding(store: Store) -> None:
    store.registry.save_points(ME, [UsagePoint("UP-1")])
    with store._engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM audit_head")
    try:
        found = {check.name: check.first for check in verify_store(store, ME, deep=True).checks if not check.ok}
        assert found.keys() == {"audit chain"}
        assert "lost its head" in found["audit chain"][0]
        with pytest.raises(StoreCorrupt, match="lost its head"):
            store.registry.save_points(ME, [UsagePoint("UP-2")])
    finally:
        with store._engine.begin() as connection:
            connection.exec_driver_sql(SEEDS[0])
