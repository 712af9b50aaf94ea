"""MariaDB's and MySQL's triggers that let no row be deleted: taken off while a backup takes the place of what is there.

Another way to empty their tables would commit at once. What makes them again is written down in a table first, so that
the next process that opens the database puts back what one that was killed had taken off.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, inspect

from gridwright.domain.errors import StoreLocked
from gridwright.store.engine import place

TABLE = "restore_guard"
SERVERS = {"mysql", "mariadb"}
PATIENCE_S = 60
ALONE = "SELECT GET_LOCK(CONCAT('gridwright-restore-', MD5(DATABASE())), {})"
GUARDED = (
    "SELECT DISTINCT event_object_table FROM information_schema.triggers "
    "WHERE trigger_schema = DATABASE() AND event_manipulation = 'DELETE'"
)
MAKE = f"CREATE TABLE {TABLE} (name VARCHAR(64) PRIMARY KEY, statement TEXT NOT NULL)"
WRITE_DOWN = (
    f"INSERT INTO {TABLE} SELECT trigger_name, CONCAT('CREATE TRIGGER `', trigger_name, '` ', action_timing, "  # noqa: S608 - our own names
    "' DELETE ON `', event_object_table, '` FOR EACH ROW ', action_statement) FROM information_schema.triggers "
    "WHERE trigger_schema = DATABASE() AND event_manipulation = 'DELETE'"
)


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


def put_back_guards(engine: Engine) -> None:
    """Put back what a restore that was killed had taken off; what one that goes on has taken off stays so."""
    if engine.dialect.name not in SERVERS:
        return
    with engine.connect() as connection:
        if not inspect(connection).has_table(TABLE):
            return
    with _alone(engine, 0) as connection_:
        if connection_ is not None:
            _put_back(connection_)


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
    tables = connection.exec_driver_sql(GUARDED).scalars().all()
    if not any(connection.exec_driver_sql(f"SELECT 1 FROM `{table}` LIMIT 1").first() for table in tables):  # noqa: S608
        return
    connection.exec_driver_sql(MAKE)
    connection.exec_driver_sql(WRITE_DOWN)
    for name, _ in _written_down(connection):
        connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS `{name}`")


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
