from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gridwright.cli.main import app as gridwright
from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.errors import ConfigError, MissingExtra, NotFound, StoreCorrupt, StoreError, StoreOutdated
from gridwright.store import engine, open_store
from gridwright.store.engine import file_of, is_memory, resolve
from gridwright.store.migrate import HEAD, known_revisions
from tests import quick_disk


def raw(path: Path, *statements: str) -> None:
    """Touch the file as another program would, through the same library."""
    from pysqlite3 import dbapi2

    with dbapi2.connect(str(path), isolation_level=None) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    ("address", "name", "database"),
    [
        ("sqlite://", "sqlite", None),
        ("sqlite:////var/x.db", "sqlite", "/var/x.db"),
        ("x.db", "sqlite", "x.db"),
        (Path("y.db"), "sqlite", "y.db"),
        ("folder/", "sqlite", "folder/gridwright.db"),
        ("postgresql://h/d", "postgresql+psycopg", "d"),
        ("mysql://h/d", "mysql+pymysql", "d"),
        ("mariadb+pymysql://h/d", "mariadb+pymysql", "d"),
    ],
)
def test_addresses(address: str | Path, name: str, database: str | None) -> None:
    url = resolve(address)
    assert (url.drivername, url.database) == (name, database)


def test_a_folder_gets_a_file(tmp_path: Path) -> None:
    with open_store(tmp_path) as store:
        assert store.place == str(tmp_path / "gridwright.db")
    assert (tmp_path / "gridwright.db").exists()


@pytest.mark.parametrize("address", ["oracle://h/d", "://"])
def test_a_strange_address_is_a_config_error(address: str) -> None:
    with pytest.raises(ConfigError, match="sqlite"):
        open_store(address)


def test_a_missing_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'gridwright\[postgres\]'"):
        open_store("postgresql+psycopg://localhost/x")
    with pytest.raises(MissingExtra, match=r"pip install 'gridwright\[mysql\]'"):
        open_store("mysql+pymysql://localhost/x")


def test_a_password_is_not_shown() -> None:
    with pytest.raises(StoreError) as caught:
        open_store("postgresql+psycopg://someone:secret@127.0.0.1:1/none")
    assert "secret" not in str(caught.value)
    assert "start the server" in caught.value.remedy


def test_absent_without_create_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="import a file first"):
        open_store(tmp_path / "no.db", create=False)
    assert not (tmp_path / "no.db").exists()


def test_a_file_that_is_no_database_is_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "meter.csv"
    path.write_text("time,kWh\n" * 500)
    with pytest.raises(StoreCorrupt, match=r"meter\.csv.*restore it from a backup"):
        open_store(path)
    assert path.read_text().startswith("time,kWh")


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    raw(path, "CREATE TABLE songs (id)")
    with pytest.raises(StoreCorrupt, match="songs"):
        open_store(path)


def test_a_damaged_page_is_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    open_store(path).close()
    content = bytearray(path.read_bytes())
    content[100:4096] = b"\xff" * 3996
    path.write_bytes(content)
    with pytest.raises(StoreCorrupt):
        open_store(path)


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    open_store(tmp_path / "a.db").close()
    raw(tmp_path / "a.db", "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreOutdated, match=r"9999.*newer.*install the newer Gridwright"):
        open_store(tmp_path / "a.db")


def test_an_empty_database_needs_create(tmp_path: Path) -> None:
    (tmp_path / "a.db").touch()
    with pytest.raises(StoreOutdated, match="is empty") as refused:
        open_store(tmp_path / "a.db", create=False)
    # The remedy is a command, and it helps.
    assert refused.value.remedy.startswith("gridwright usage-point list makes it")
    env = {"GRIDWRIGHT_STORE__URL": str(tmp_path / "a.db")}
    assert CliRunner(env=env).invoke(gridwright, ["usage-point", "list"]).exit_code == 0
    with open_store(tmp_path / "a.db", create=False) as store:
        assert store.registry.points(LOCAL_OWNER) == ()


def test_one_head_and_the_constant_names_it() -> None:
    from alembic.script import ScriptDirectory

    from gridwright.store.migrate import SCRIPTS

    assert ScriptDirectory(str(SCRIPTS)).get_heads() == [HEAD]
    assert HEAD in known_revisions()


def test_a_file_in_the_way_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="choose another folder"):
        open_store(tmp_path / "file" / "a.db")


def test_pragmas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "PRAGMAS", quick_disk.BY_PRODUCT)
    with open_store(tmp_path / "a.db") as store, store._session.reading() as unit:
        found = {
            name: unit.fetch(f"PRAGMA {name}")[0][0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "cache_size", "mmap_size")
        }
    assert found == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 5000,
        "cache_size": -204_800,
        "mmap_size": 209_715_200,
    }


def test_one_sqlite_library_in_the_process(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from gridwright.store import open_store\n"
        "from gridwright.domain.access import LOCAL_OWNER\n"
        "with open_store(sys.argv[1]) as store: store.registry.points(LOCAL_OWNER)\n"
        "assert '_sqlite3' not in sys.modules, 'the standard library has loaded its own SQLite'\n"
        "assert 'apsw' not in sys.modules\n"
        "maps = open('/proc/self/maps').read() if sys.platform == 'linux' else ''\n"
        "assert 'libsqlite3' not in maps\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.db")], check=True, stdin=subprocess.DEVNULL)


def test_the_library_has_the_wal_fix() -> None:
    from pysqlite3 import dbapi2

    assert dbapi2.sqlite_version_info >= (3, 51, 3)


def test_bytes_and_nothing_are_bound_without_a_search(tmp_path: Path) -> None:
    from pysqlite3 import dbapi2

    with open_store(tmp_path / "x.db"):
        adapters = {kind: adapter for (kind, _), adapter in dbapi2.adapters.items()}
    for value in (b"", b"\0\xff", None):
        assert adapters[type(value)](value) is value


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("sqlite:////a/x.db", "/a/x.db"),
        ("sqlite:///file:/a/x%20y.db?uri=true", "/a/x y.db"),
        ("sqlite:///file:///a/x.db?uri=true&mode=ro", "/a/x.db"),
        ("sqlite:///file:x.db?uri=true", "x.db"),
        ("sqlite:///file:x.db", "file:x.db"),
        ("sqlite:///file::memory:?uri=true&cache=shared", ""),
        ("sqlite:///file:x?uri=true&mode=memory", ""),
        ("sqlite://", ""),
        ("postgresql://server/town", ""),
    ],
)
def test_the_file_that_an_address_names(address: str, path: str) -> None:
    url = resolve(address)
    assert file_of(url) == path
    assert is_memory(url) == (not path and url.get_backend_name() == "sqlite")
