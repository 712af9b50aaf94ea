"""The same suite on every database: SQLite in a file, PostgreSQL, MariaDB or MySQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from gridwright.store import Store, open_store
from gridwright.store.schema import metadata
from tests.kept import await_behind, do_behind, kept, let_go

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
SEEDS = (
    f"INSERT INTO audit_head (id, number, digest) VALUES (1, 0, '{'0' * 64}')",
    "INSERT INTO number_series (name, last) VALUES ('bill', 0), ('credit note', 0), ('debit note', 0)",
)


class Clock:
    """A clock that goes a minute on whenever it is read."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        self.now += timedelta(minutes=1)
        return self.now


EVERY_TABLE = " UNION ALL ".join(
    f"SELECT '{table.name}' WHERE EXISTS (SELECT 1 FROM {table.name})" for table in metadata.sorted_tables
)
NUMBERED = {
    table.name: column.name for table in metadata.sorted_tables if (column := table.autoincrement_column) is not None
}
GUARDED = (
    "SELECT DISTINCT event_object_table FROM information_schema.triggers "
    "WHERE trigger_schema = DATABASE() AND event_manipulation = 'DELETE'"
)
TRUSTED = ("SET LOCAL session_replication_role = replica", "SET LOCAL synchronous_commit = off")  # no triggers or keys
FROM_ONE = "SELECT setval(pg_get_serial_sequence('{}', '{}'), 1, false)"


def empty(store: Store) -> None:
    """Empty the tables of a server's database that hold anything, and number rows from 1 again.

    Rows are deleted, which a server does in its memory, where it can be: for a table that is truncated it makes files.
    """
    with store._engine.begin() as connection:
        names = connection.exec_driver_sql(EVERY_TABLE).scalars().all()
        if store._engine.dialect.name == "postgresql":
            from_one = [FROM_ONE.format(name, NUMBERED[name]) for name in names if name in NUMBERED]
            connection.exec_driver_sql(";".join([*TRUSTED, *(f"DELETE FROM {name}" for name in names), *from_one]))
        else:
            to_truncate = NUMBERED.keys() | set(connection.exec_driver_sql(GUARDED).scalars())
            connection.exec_driver_sql("SET FOREIGN_KEY_CHECKS = 0")
            for name in sorted(names, key=to_truncate.__contains__, reverse=True):  # to truncate ends a transaction
                connection.exec_driver_sql(f"{'TRUNCATE TABLE' if name in to_truncate else 'DELETE FROM'} {name}")
            connection.exec_driver_sql("SET FOREIGN_KEY_CHECKS = 1")
        for seed in SEEDS:
            connection.exec_driver_sql(seed)


def emptied(address: str) -> str:
    """Empty a server's database and return its address."""
    try:
        empty(kept(address))
    except DBAPIError:  # a test that failed within a migration left another schema
        let_go(address)
        empty(kept(address))
    return address


def left_alone(address: str) -> str:
    """Empty a server's database and let go of it, as whoever restores into it must; return its address."""
    emptied(address)
    let_go(address)
    return address


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database, as an address; MariaDB's, which waits long for files, is emptied while the next tests run."""
    if request.param == "mysql":
        url = str(request.getfixturevalue("own_mysql_url"))
        if not await_behind(url):
            emptied(url)
        yield url
        do_behind(url, emptied)
    elif request.param == "postgres":
        yield emptied(str(request.getfixturevalue("postgres_url")))
    else:
        yield f"sqlite:///{tmp_path}/store.db"


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    """An open, empty store."""
    with open_store(address, clock=Clock()) as opened:
        yield opened


@pytest.fixture
def again(address: str) -> Callable[[], Store]:
    """Open the same database once more, as another process would."""
    return lambda: open_store(address, clock=Clock())
