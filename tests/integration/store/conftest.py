"""The same suite on every database: SQLite in a file, PostgreSQL, MariaDB or MySQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from gridwright.store import Store, open_store
from gridwright.store.schema import metadata

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


def empty(store: Store) -> None:
    """Empty the tables of a server's database that hold anything; quicker than all of them, or a new one."""
    with store._engine.begin() as connection:
        mysql = store._engine.dialect.name != "postgresql"
        every = " UNION ALL ".join(
            f"SELECT '{table.name}' WHERE EXISTS (SELECT 1 FROM {table.name})" for table in metadata.sorted_tables
        )
        names = list(connection.execute(text(every)).scalars())
        if mysql:
            connection.execute(text("SET FOREIGN_KEY_CHECKS = 0"))
            for name in names:
                connection.execute(text(f"TRUNCATE TABLE {name}"))
            connection.execute(text("SET FOREIGN_KEY_CHECKS = 1"))
        else:
            connection.execute(text(f"TRUNCATE TABLE {', '.join(names)} RESTART IDENTITY CASCADE"))
        for seed in SEEDS:
            connection.execute(text(seed))


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, as an address."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    url = str(request.getfixturevalue(f"{request.param}_url"))
    with open_store(url) as store:
        empty(store)
    return url


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    """An open, empty store."""
    with open_store(address, clock=Clock()) as opened:
        yield opened


@pytest.fixture
def again(address: str) -> Callable[[], Store]:
    """Open the same database once more, as another process would."""
    return lambda: open_store(address, clock=Clock())
