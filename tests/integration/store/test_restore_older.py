"""Backups of earlier releases over what a server holds: brought up to date, or what was there stays."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import MetaData, func, select, text

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import Conflict
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.upkeep.back_up import back_up, restore
from gridwright.jobs.upkeep.vault import Vault
from gridwright.jobs.upkeep.verify_store import verify_store
from gridwright.store import open_store
from gridwright.store.backup import rows as rows_module
from gridwright.store.backup.file import BackupWriter
from gridwright.store.engine import make_engine, resolve
from gridwright.store.migrate import HEAD, VERSION_TABLE, known_revisions, upgrade
from tests.integration.store.conftest import emptied, left_alone
from tests.integration.store.test_backup import NOW, everything

pytestmark = pytest.mark.servers_in_turn

NO_KEYS = Vault(Path("/nonexistent/secret.key"))
OLDEST = "0005"
OLDER = sorted(revision for revision in known_revisions() if OLDEST <= revision < HEAD)
NEWCOMER = (
    "INSERT INTO usage_point (id, code, zone, customer_class, holidays, exports, attributes) "
    "VALUES (41, 'OLD', 'UTC', '', '', 0, '{}')"
)


@pytest.fixture(params=["postgres", "mysql"])
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server's database with a usage point of its own."""
    address = left_alone(str(request.getfixturevalue(f"{request.param}_url")))
    with open_store(address) as store:
        store.registry.save_points(ME, [UsagePoint("NEW")])
    yield address
    emptied(address)


def backup_of(revision: str, folder: Path) -> Path:
    """Write rows as the release of that revision did from a server."""
    path = folder / f"{revision}.gwb"
    path.write_bytes(backup_once(revision))
    return path


@cache
def backup_once(revision: str) -> bytes:
    """Return that file, which is the same for every server."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        return written(revision, Path(folder), monkeypatch).read_bytes()


def written(revision: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write it from a database that has the schema of then."""
    path = folder / "backup.gwb"
    engine = make_engine(resolve(folder / "then.db"), create=True)
    with engine.begin() as connection:
        upgrade(connection, revision)
        connection.execute(text(NEWCOMER))
    tables = MetaData()
    tables.reflect(engine, only=lambda name, _: name != VERSION_TABLE)
    with monkeypatch.context() as then, engine.connect() as connection, connection.begin():
        then.setattr(rows_module, "metadata", tables)
        count = {table.name: select(func.count()).select_from(table) for table in tables.sorted_tables}
        counts = {name: connection.execute(query).scalar_one() for name, query in count.items()}
        writer = BackupWriter(path, None)
        rows_module.write_rows(connection, writer, 0, None)
    engine.dispose()
    about = {"program": "0", "revision": revision, "database": "postgresql", "payload": "rows", "tables": counts}
    writer.finish({**about, "created": NOW.isoformat()})
    return path


@pytest.mark.parametrize("revision", OLDER)
def test_rows_of_an_earlier_release_take_the_place_of_what_a_server_holds(
    server: str, revision: str, tmp_path: Path
) -> None:
    path = backup_of(revision, tmp_path)
    with pytest.raises(Conflict, match="rows in"):
        restore(path, server, NO_KEYS)
    restore(path, server, NO_KEYS, force=True)
    with open_store(server) as store:
        assert [point.id for point in store.registry.points(ME)] == ["OLD"]
        store.registry.save_points(ME, [UsagePoint("NEXT")])
        assert {check.name: check.first for check in verify_store(store, ME).checks if check.faults} == {}


def test_one_that_is_stopped_leaves_what_was_there(server: str, tmp_path: Path) -> None:
    path, before = backup_of(OLDEST, tmp_path), everything(server)

    def stop(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        restore(path, server, NO_KEYS, force=True, progress=stop)
    assert everything(server) == before
    assert [each.name for each in tmp_path.iterdir() if each.name.endswith(".tmp")] == []
    restore(path, server, NO_KEYS, force=True)
    with open_store(server) as store:
        assert [point.id for point in store.registry.points(ME)] == ["OLD"]


def test_a_backup_of_today_goes_over_tables_of_an_earlier_release(server: str, tmp_path: Path) -> None:
    path = tmp_path / "today.gwb"
    back_up(ME, server, path, vault=None, now=NOW)
    before = everything(server)
    engine = make_engine(resolve(server), create=False)
    with engine.begin() as connection:  # as 0009 was
        connection.execute(text("DROP TABLE lease"))
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '0009'"))
        connection.execute(text("UPDATE usage_point SET code = 'CHANGED'"))
    engine.dispose()
    restore(path, server, NO_KEYS, force=True)
    assert everything(server) == before
