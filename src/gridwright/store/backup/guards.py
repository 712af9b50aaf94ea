"""MariaDB's and MySQL's triggers that let no row be deleted: taken off while a backup takes the place of what is there.

Another way to empty their tables would commit at once. What makes them again is written down in a table first, so that
the next process that opens the database puts back what one that was killed had taken off.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, inspect
from sqlalchemy.exc import DBAPIError

from gridwright.domain.errors import StoreLocked
from gridwright.store.engine import place

TABLE = "restore_guard"
SERVERS = {"mysql", "mariadb"}
PATIENCE_S = 60
OPENER_S = 5  # another one that opens it may just put back what is missing
ALONE = "SELECT GET_LOCK(CONCAT('gridwright-restore-', MD5(DATABASE())), {})"
SHOWN = "SHOW TRIGGERS"  # of this database alone: to ask the server's list opens the tables of all of them
SKIPPED, TRIES, PAUSE_S = 1684, 50, 0.1  # a table that somebody just changes is left out of the answer
MAKE = f"CREATE TABLE {TABLE} (name VARCHAR(64) PRIMARY KEY, statement TEXT NOT NULL)"
WRITE_DOWN = f"INSERT INTO {TABLE} (name, statement) VALUES (%s, %s)"  # noqa: S608 - our own name


class Guard(NamedTuple):
    """A trigger that lets no row of a table be deleted, and what makes it."""

    name: str
    table: str
    statement: str


@contextmanager
def guards_off(engine: Engine) -> Iterator[None]:
    """Take off what forbids to delete rows, and put it back afterwards; StoreLocked while another process does so."""
    if engine.dialect.name not in SERVERS:
        yield
        return
    with _alone(engine, PATIENCE_S) as connection:
        if connection is None:
            raise StoreLocked(
                "another process restores into this database", where=place(engine.url), remedy="wait until it is done"
            )
        _put_back(connection)
        _take_off(connection)
        try:
            yield
        finally:
            _put_back(connection)


def put_back_guards(engine: Engine, *, only_look: bool) -> None:
    """Put back what a restore that was killed had taken off, unless to `only_look`; StoreLocked while one goes on."""
    if engine.dialect.name not in SERVERS:
        return
    with engine.connect() as connection:
        if not inspect(connection).has_table(TABLE):
            return
    with _alone(engine, OPENER_S) as alone:
        if alone is None:
            raise StoreLocked(
                "a backup is being restored into this database", where=place(engine.url), remedy="wait until it is done"
            )
        if not only_look:
            _put_back(alone)


@contextmanager
def _alone(engine: Engine, patience_s: int) -> Iterator[Connection | None]:
    """Yield a connection that nobody else can have at a time, None where somebody has it."""
    with engine.connect() as plain:
        connection = plain.execution_options(isolation_level="AUTOCOMMIT")
        connection.exec_driver_sql(f"SET SESSION lock_wait_timeout = {PATIENCE_S}")
        mine = connection.exec_driver_sql(ALONE.format(patience_s)).scalar() == 1
        try:
            yield connection if mine else None
        finally:
            plain.invalidate()  # the lock goes with it


def _take_off(connection: Connection) -> None:
    guards = guards_of(connection)
    tables = {guard.table for guard in guards}
    connection.exec_driver_sql(MAKE)  # in an empty place too: whoever opens it now is told
    if not any(connection.exec_driver_sql(f"SELECT 1 FROM `{table}` LIMIT 1").first() for table in sorted(tables)):  # noqa: S608
        return
    connection.exec_driver_sql(WRITE_DOWN, [(guard.name, guard.statement) for guard in guards])
    for name, _ in _written_down(connection):
        connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS `{name}`")


def guards_of(connection: Connection) -> list[Guard]:
    """Return the triggers that forbid to delete, all of them: one that is left out would not come back."""
    for attempt in range(TRIES):
        time.sleep(PAUSE_S if attempt else 0)
        try:
            rows = connection.exec_driver_sql(SHOWN).mappings().all()
            warned = {row[1] for row in connection.exec_driver_sql("SHOW WARNINGS")}
        except DBAPIError as error:
            if error.orig is None or error.orig.args[:1] != (SKIPPED,):
                raise
            continue
        if SKIPPED not in warned:
            return [_guard(row) for row in rows if row["Event"] == "DELETE"]
    raise StoreLocked(
        "another process changes the tables of this database",
        where=place(connection.engine.url),
        remedy="wait until it is done, and call it again: nothing was changed",
    )


def _guard(row: Mapping[Any, Any]) -> Guard:
    name, table = row["Trigger"], row["Table"]
    made = f"CREATE TRIGGER `{name}` {row['Timing']} DELETE ON `{table}` FOR EACH ROW {row['Statement']}"
    return Guard(name, table, made)


def _put_back(connection: Connection) -> None:
    if not inspect(connection).has_table(TABLE):
        return
    for name, statement in _written_down(connection):
        connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS `{name}`")
        connection.exec_driver_sql(statement.replace("%", "%%"))
    connection.exec_driver_sql(f"DROP TABLE {TABLE}")


def _written_down(connection: Connection) -> list[tuple[str, str]]:
    rows = connection.exec_driver_sql(f"SELECT name, statement FROM {TABLE} ORDER BY name").all()  # noqa: S608
    return [(name, statement) for name, statement in rows]
