"""A new SQLite database gets its schema at once: what the migrations make is made once a process, then copied.

The steps of the migrations cost as much as a test, and hundreds of tests begin with an empty database. The migrations
themselves run in the tests of the schema, on servers, and wherever a process of its own makes a database.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import URL, Connection, Engine

from gridwright.store import engine as product
from gridwright.store import migrate, store
from gridwright.store.engine import WRITES, is_memory, make_engine, resolve

MADE = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"

by_migrations = migrate.upgrade
Rows = list[tuple[Any, ...]]
_opening = threading.local()


def begin() -> None:
    """Have databases that are made from now on begin with a copy."""
    migrate.upgrade = upgrade
    store.make_engine = for_a_store  # type: ignore[attr-defined] # what `open_store` calls
    product._make_private = partly_filled(product._make_private)  # type: ignore[assignment] # of another name


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


@cache
def file_once() -> bytes:
    """Return the file that the migrations make of an empty one."""
    with TemporaryDirectory() as folder:
        engine = make_engine(resolve(path := Path(folder) / "made.db"), create=True)
        with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
            by_migrations(connection)
        engine.dispose()
        return path.read_bytes()


def for_a_store(url: URL, **options: Any) -> Engine:  # noqa: ANN401 - the product's
    """Return the engine of a store; where it makes a file, that has the schema."""
    _opening.a_store = migrate.upgrade is upgrade
    try:
        return make_engine(url, **options)
    finally:
        _opening.a_store = False


def partly_filled(make: Callable[[Path], None]) -> Callable[[Path], None]:
    """Return what makes an empty file, and one with the schema for a store; nobody sees it half written."""

    def made(path: Path) -> None:
        wanted, _opening.a_store = getattr(_opening, "a_store", False), False
        if not wanted:
            return make(path)
        beside = path.with_name(f"{path.name}-{threading.get_ident()}")
        make(beside)
        with suppress(OSError):  # it may have been made meanwhile, or there is no room
            beside.write_bytes(file_once())
            os.link(beside, path)
        beside.unlink(missing_ok=True)
        return make(path)

    return made


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
    driver = driver_of(connection)
    driver.set_authorizer(None)  # nobody's unit of work
    if is_memory(connection.engine.url):
        driver.commit()  # into a database within a transaction nothing is copied
        memory_once().backup(driver)
        driver.execute("BEGIN IMMEDIATE")
    else:
        make(driver)


@cache
def memory_once() -> Any:  # noqa: ANN401 - a driver's own
    """Return a connection to a database in memory that holds the schema: pages are copied in a fifth of the time."""
    from pysqlite3 import dbapi2

    driver = dbapi2.connect(":memory:", check_same_thread=False, isolation_level=None)
    make(driver)
    return driver


def make(driver: Any) -> None:  # noqa: ANN401 - a driver's own
    """Make the schema by the statements that the migrations came to."""
    made, rows = made_once()
    for statement in made:
        driver.execute(statement)
    for name, found in rows.items():
        driver.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(found[0]))})", found)
