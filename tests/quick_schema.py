"""A new SQLite database gets its schema at once: what the migrations make is made once a process, then copied.

The steps of the migrations cost as much as a test, and hundreds of tests begin with an empty database. The migrations
themselves run in the tests of the schema, on servers, and wherever a process of its own makes a database.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import Connection

from gridwright.store import migrate
from gridwright.store.engine import WRITES, make_engine, resolve

MADE = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"

by_migrations = migrate.upgrade
Rows = list[tuple[Any, ...]]


@cache
def made_once() -> tuple[list[str], dict[str, Rows]]:
    """Return the statements that make the schema, and the rows that the migrations leave in its tables."""
    engine = make_engine(resolve("sqlite://"), create=True)
    with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        by_migrations(connection)
        rows = {name: all_of(connection, f"SELECT * FROM {name}") for (name,) in all_of(connection, TABLES)}
        made = [sql for (sql,) in all_of(connection, MADE)]
    engine.dispose()
    return made, {name: found for name, found in rows.items() if found}


def all_of(connection: Connection, query: str) -> Rows:
    """Return what a query finds, by the driver itself."""
    return list(driver_of(connection).execute(query).fetchall())


def driver_of(connection: Connection) -> Any:  # noqa: ANN401 - a driver's own
    """Return the driver's connection."""
    return connection.connection.driver_connection


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring a database up to date, as the migrations do."""
    if revision not in {"head", migrate.HEAD} or connection.dialect.name != "sqlite" or all_of(connection, TABLES):
        by_migrations(connection, revision)
        return
    made, rows = made_once()
    driver = driver_of(connection)
    for statement in made:
        driver.execute(statement)
    for name, found in rows.items():
        driver.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(found[0]))})", found)
