"""Transactions: one durable commit for everything inside, with its audit records, and consistent reads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from gridwright.domain.errors import StoreError
from gridwright.store.engine import WRITES, is_memory
from gridwright.store.trouble import is_lost, translated


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What is going to be recorded at the end of a transaction."""

    at: datetime
    actor: str
    act: str
    subject: str
    detail: dict[str, Any]


@dataclass(slots=True)
class Unit:
    """A unit of work: the connection of a transaction, or of a consistent read."""

    connection: Connection
    writes: bool
    audit: list[AuditEntry] = field(default_factory=list)
    lost: bool = False
    depth: int = 0  # parts within parts that are open
    # Days [first, last) of each (reading type, usage point) that this very transaction has marked dirty.
    marked: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    # What every audit record of the transaction carries besides its own: the id of a cascade.
    chain: dict[str, str] = field(default_factory=dict)

    def require_alive(self) -> None:
        """Raise StoreError when the database has given up the transaction, so that nothing is half written."""
        if self.lost:
            raise StoreError("the database has given up the transaction", remedy="begin it again from the start")

    @property
    def dialect(self) -> str:
        """Return `sqlite`, `postgresql` or `mysql`; MariaDB counts as `mysql`."""
        name = self.connection.dialect.name
        return "mysql" if name == "mariadb" else name

    @contextmanager
    def cursor(self, **options: Any) -> Iterator[Any]:  # noqa: ANN401 - each driver has its own cursor
        """Return a raw cursor of this very connection, for the bulk paths."""
        driver: Any = self.connection.connection.driver_connection
        cursor = driver.cursor(**options)
        try:
            yield cursor
        except self.connection.dialect.loaded_dbapi.Error as error:
            if is_lost(error, self.connection.engine):
                # Nobody else knows: a rollback would be tried on it, and it would go back to the pool.
                self.lost = True
                self.connection.invalidate(error)
            raise
        finally:
            cursor.close()

    def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a statement written with `?`, through the raw cursor; PostgreSQL sends bytes as bytes."""
        options = {"binary": True} if self.dialect == "postgresql" else {}
        with self.cursor(**options) as cursor:
            cursor.execute(self.placed(sql), parameters)
            return list(cursor.fetchall())

    def run(self, sql: str) -> None:
        """Run a statement without parameters, through the raw cursor."""
        with self.cursor() as cursor:
            cursor.execute(sql)

    def run_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement written with `?` for each row, through the raw cursor."""
        if rows:
            with self.cursor() as cursor:
                cursor.executemany(self.placed(sql), rows)

    def placed(self, sql: str) -> str:
        """Return the statement with this driver's placeholders."""
        return sql if self.dialect == "sqlite" else sql.replace("?", "%s")


class Session:
    """Opens units of work on one engine; a unit inside another of the same thread joins it."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self.engine = engine
        self.clock = clock
        self.before_commit: list[Callable[[Unit], None]] = []
        self.after_rollback: list[Callable[[], None]] = []
        self._local = threading.local()
        # SQLite has one writer: threads of this process wait here in order, other processes on the file's lock.
        self._writers = threading.RLock()
        self._readers = self._writers if is_memory(engine.url) else None

    @property
    def current(self) -> Unit | None:
        """The unit of work this thread is in."""
        unit: Unit | None = getattr(self._local, "unit", None)
        return unit

    @contextmanager
    def writing(self) -> Iterator[Unit]:
        """Begin a transaction, or a part of the current one; it commits when the outermost block ends well.

        A part that fails leaves nothing behind, so that the caller may catch the error and go on with the rest.
        """
        joined = self.current
        if joined is not None and joined.writes:
            yield from self._part(joined)
        elif self.engine.dialect.name == "sqlite":
            with self._writers:
                yield from self._transaction()
        else:
            yield from self._transaction()

    def _part(self, unit: Unit) -> Iterator[Unit]:
        entries = len(unit.audit)
        unit.require_alive()
        # Set by hand: SQLAlchemy would compile each anew, which costs more than a small part itself.
        savepoint = f"part_{unit.depth}"
        unit.depth += 1
        with translated(self.engine):
            try:
                unit.run(f"SAVEPOINT {savepoint}")
                try:
                    yield unit
                except BaseException:
                    del unit.audit[entries:]
                    self._roll_back(unit, savepoint)
                    raise
                unit.run(f"RELEASE SAVEPOINT {savepoint}")
            finally:
                unit.depth -= 1

    def _roll_back(self, unit: Unit, savepoint: str) -> None:
        for undo in self.after_rollback:
            undo()
        unit.marked.clear()
        if unit.lost or unit.connection.invalidated:
            return
        try:
            unit.run(f"ROLLBACK TO SAVEPOINT {savepoint}")
        # On a full disk SQLite gives up the whole transaction, savepoints and all.
        except (DBAPIError, unit.connection.dialect.loaded_dbapi.Error):
            unit.lost = True

    def _transaction(self) -> Iterator[Unit]:
        outer = self.current
        with translated(self.engine), self.engine.connect() as plain:
            connection = plain.execution_options(**{WRITES: True})
            try:
                with connection.begin():
                    unit = Unit(connection, writes=True)
                    self._local.unit = unit
                    yield unit
                    unit.require_alive()
                    for act in self.before_commit:
                        act(unit)
            except BaseException:
                for undo in self.after_rollback:
                    undo()
                raise
            finally:
                self._local.unit = outer

    @contextmanager
    def reading(self) -> Iterator[Unit]:
        """Read from one consistent state of the database; inside a transaction, from that."""
        joined = self.current
        if joined is not None:
            yield joined
        elif self._readers is not None:
            with self._readers:
                yield from self._snapshot()
        else:
            yield from self._snapshot()

    def _snapshot(self) -> Iterator[Unit]:
        with translated(self.engine), self.engine.connect() as plain:
            server = self.engine.dialect.name != "sqlite"
            connection = plain.execution_options(isolation_level="REPEATABLE READ") if server else plain
            with connection.begin():
                unit = Unit(connection, writes=False)
                self._local.unit = unit
                try:
                    yield unit
                finally:
                    self._local.unit = None
