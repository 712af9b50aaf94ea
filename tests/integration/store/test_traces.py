"""Once sealed, no byte of file, log or backup tells what stood there in plain text before."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError
from typer.testing import CliRunner

from gridwright.cli import app
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import StoreFull, StoreLocked, StoreMoved
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.upkeep.back_up import back_up, restore
from gridwright.jobs.upkeep.look_after_keys import leave_no_traces, seal_store
from gridwright.jobs.upkeep.vault import Vault
from gridwright.store import Store, StoredAnswer, open_store
from gridwright.store.backup import rewriting
from gridwright.store.backup.replacing import held
from tests.quick_processes import run

NOW = datetime(2026, 11, 30, tzinfo=UTC)
NAMES = (b"Mustermann", b"Hauptstr")
ANSWER = StoredAnswer(201, b'{"id":"P1","attributes":{"name":"Erika Mustermann"},"href":"/v1"}', "application/json")
VERDICTS = StoredAnswer(200, b'{"accepted":96}', "application/json")


def points(which: range, more: str = "") -> list[UsagePoint]:
    return [
        UsagePoint(f"P{at}", attributes={"name": f"Erika Mustermann {at}", "address": f"Hauptstr {at}{more}"})
        for at in which
    ]


def legible(folder: Path) -> list[str]:
    """The files of a folder in which a name can be read."""
    return sorted(
        path.name for path in folder.iterdir() if path.is_file() and any(name in path.read_bytes() for name in NAMES)
    )


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "keys" / "secret.key")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def url(folder: Path, vault: Vault) -> str:
    """A database with names, of which some were changed, so that bytes of the earlier ones are free."""
    with open_store(folder / "one.db", master=vault) as store:
        fill(store)
    return str(folder / "one.db")


def fill(store: Store) -> None:
    store.registry.save_points(ME, points(range(500)))
    store.registry.save_points(ME, points(range(0, 500, 3), more=", Hinterhaus, dritter Stock links" * 9))
    store.answers.remember(ME, "k1", "d", ANSWER, now=NOW)
    store.answers.remember(ME, "k2", "d", VERDICTS, now=NOW)


def test_nothing_is_legible_in_file_log_or_backup_once_sealed(
    url: str, folder: Path, vault: Vault, tmp_path: Path
) -> None:
    assert legible(folder) == ["one.db"]
    with open_store(url, master=vault) as store:
        assert store.sealed.state(ME).traces is False
        before = store.registry.points(ME)
        assert seal_store(store, ME) == 500
        assert store.sealed.state(ME).traces is True
        leave_no_traces(store, ME, url)
    assert legible(folder) == []
    assert [path.name for path in folder.iterdir()] == ["one.db"]
    with open_store(url, master=vault) as store:
        assert store.sealed.state(ME).traces is False
        assert store.registry.points(ME) == before
        assert store.answers.recall(ME, "k1", "d") == ANSWER
        assert store.answers.recall(ME, "k2", "d") == VERDICTS
    back_up(ME, url, tmp_path / "b.gwb", vault=None, now=NOW)
    (tmp_path / "other").mkdir()
    restore(tmp_path / "b.gwb", str(tmp_path / "other" / "two.db"), vault)
    assert legible(tmp_path / "other") == []
    with open_store(tmp_path / "other" / "two.db", master=vault) as store:
        assert store.sealed.state(ME).traces is False
        assert store.registry.points(ME) == before


def test_what_is_written_under_a_key_is_sealed_at_once(url: str, folder: Path, vault: Vault) -> None:
    with open_store(url, master=vault) as store:
        seal_store(store, ME)
        leave_no_traces(store, ME, url)
    with open_store(url, master=vault) as store:
        store.registry.save_points(ME, points(range(400, 600), more=" b"))
        store.answers.remember(ME, "k3", "d", ANSWER, now=NOW)
        assert "one.db-wal" in [path.name for path in folder.iterdir()]
        assert legible(folder) == []
        assert store.answers.recall(ME, "k3", "d") == ANSWER
    assert legible(folder) == []


def test_a_file_that_others_have_open_is_left_alone(url: str, folder: Path, vault: Vault) -> None:
    with open_store(url, master=vault) as server, open_store(url, master=vault) as store:
        server.registry.count(ME)
        seal_store(store, ME)
        with pytest.raises(StoreLocked, match=r"all is sealed, but.*another process.*vault seal again"):
            leave_no_traces(store, ME, url)
        server.registry.save_points(ME, points(range(1)))
        assert server.sealed.state(ME).traces is True
    with open_store(url, master=vault) as store:
        leave_no_traces(store, ME, url)
    assert legible(folder) == []


def test_who_holds_a_file_is_waited_for_by_nobody_else(url: str) -> None:
    look = f"import pysqlite3.dbapi2 as s; s.connect({url!r}, timeout=0).execute('SELECT 1 FROM usage_point')"
    with held(Path(url)):
        done = run([sys.executable, "-c", look])
        assert "database is locked" in done.stderr
    assert run([sys.executable, "-c", look]).returncode == 0


def test_who_waited_for_a_file_that_was_replaced_does_not_write_to_the_old_one(url: str, vault: Vault) -> None:
    failed = list[BaseException]()

    def serve() -> None:
        try:
            with open_store(url, master=vault) as store:
                store.registry.save_points(ME, points(range(900, 901)))
        except StoreMoved as error:
            failed.append(error)

    waiting = threading.Thread(target=serve)
    fresh = Path(f"{url}.fresh")
    with held(Path(url)) as connection:
        connection.execute("VACUUM INTO ?", (str(fresh),))
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
        fresh.replace(url)
    waiting.join(10)
    assert len(failed) == 1


def test_a_copy_without_room_leaves_the_file_as_it_was(
    url: str, folder: Path, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with open_store(url, master=vault) as store:
        seal_store(store, ME)
        with monkeypatch.context() as broken:
            broken.setattr("gridwright.store.backup.rewriting.sync", full)
            with pytest.raises(StoreFull, match="make room for a copy"):
                leave_no_traces(store, ME, url)
    assert [path.name for path in folder.iterdir()] == ["one.db"]
    with open_store(url, master=vault) as store:
        assert store.sealed.state(ME).traces is True
        assert store.registry.count(ME) == 500


def test_a_file_behind_a_link_keeps_its_place_and_its_mode(url: str, folder: Path, vault: Vault) -> None:
    Path(url).chmod(0o640)
    link = folder.parent / "link.db"
    link.symlink_to(url)
    with open_store(link, master=vault) as store:
        seal_store(store, ME)
        leave_no_traces(store, ME, str(link))
    assert link.is_symlink()
    assert Path(url).stat().st_mode & 0o777 == 0o640
    assert legible(folder) == []


def files_of(connection: Connection) -> bytes:
    """What PostgreSQL keeps of the sealed tables on its disk; nothing where that is not told."""
    if connection.dialect.name != "postgresql":
        return b""
    connection.exec_driver_sql("CHECKPOINT")
    read = "SELECT pg_read_binary_file(pg_relation_filepath('{}'))"
    tables = ("usage_point", "stored_answer")
    try:
        return b"".join(bytes(connection.exec_driver_sql(read.format(table)).scalar_one()) for table in tables)
    except ProgrammingError:  # for who may not read the server's files
        return b""


@pytest.fixture
def every_store(address: str, vault: Vault) -> Iterator[Store]:
    """On each database in turn."""
    with open_store(address, master=vault) as opened:
        fill(opened)
        yield opened


def test_each_database_is_written_anew_and_holds_what_it_held(every_store: Store, address: str, vault: Vault) -> None:
    before = every_store.registry.points(ME)
    seal_store(every_store, ME)
    leave_no_traces(every_store, ME, address)
    with open_store(address, master=vault) as store:
        assert store.registry.points(ME) == before
        assert store.answers.recall(ME, "k1", "d") == ANSWER
        assert store.sealed.state(ME).traces in {False, None}
        with store._engine.connect() as connection:
            bodies = connection.execute(text("SELECT body FROM stored_answer ORDER BY status")).scalars().all()
            held_by_server = files_of(connection)
        assert [bytes(body)[:4] == b"gw2:" for body in bodies] == [False, True]
        assert not any(name in held_by_server for name in NAMES)


@pytest.mark.parametrize("isolation", ["REPEATABLE READ", "READ COMMITTED"])
@pytest.mark.parametrize("address", ["postgres"], indirect=True)
def test_who_still_sees_what_was_there_keeps_postgresql_from_being_written_anew(
    every_store: Store, address: str, vault: Vault, monkeypatch: pytest.MonkeyPatch, isolation: str
) -> None:
    """Old rows that somebody may see are copied with the rest: that is told, and mended by doing it again."""
    monkeypatch.setattr(rewriting, "PATIENCE_S", 0.0)
    with open_store(address) as reporting, reporting._engine.connect() as connection:
        connection.execute(text(f"SET TRANSACTION ISOLATION LEVEL {isolation}"))
        connection.execute(text("SELECT count(*), pg_current_xact_id() FROM usage_point"))
        seal_store(every_store, ME)
        with pytest.raises(StoreLocked, match=r"may hold plain text from before.*vault seal again"):
            leave_no_traces(every_store, ME, address)
    monkeypatch.undo()
    with open_store(address, master=vault) as store:
        leave_no_traces(store, ME, address)
    with open_store(address, master=vault) as store, store._engine.connect() as connection:
        assert not any(name in files_of(connection) for name in NAMES)


def test_the_command_seals_and_tells_what_is_left(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    monkeypatch.setenv("GRIDWRIGHT_STORE__URL", f"sqlite:///{url}")
    said = CliRunner().invoke(app, ["vault", "seal"])
    assert said.exit_code == 0, said.output
    assert "Sealed 500 usage points" in said.output
    assert "Writing the database anew" in said.output
    assert legible(folder) == []
    assert "plain text in freed bytes" in CliRunner().invoke(app, ["vault", "status"]).output
    assert '"rewritten": false' in CliRunner().invoke(app, ["vault", "seal", "--json"]).output
