"""Transactions: one durable commit for everything inside, with its audit records, and consistent reads."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from gridwright.domain.errors import StoreError, StoreLocked
from gridwright.store.engine import WRITES, is_memory
from gridwright.store.opened_file import OpenedFile
from gridwright.store.trouble import READ_ONLY, is_full, is_lost, translated
from gridwright.store.turns import Turns
from gridwright.store.write_ahead_log import empty_log

NEWEST = "SELECT MAX(id) FROM journal"
OLDEST = "SELECT MIN(id) FROM journal WHERE id <= ?"
ONE_STATE = "REPEATABLE READ"
NEXT_ONE = (
    f"SET TRANSACTION ISOLATION LEVEL {ONE_STATE}"  # set for the connection, and back, it would be four questions
)
ATTEMPTS = 3  # of folding, where another process's locks are in the way
TRIES, PAUSE_S, UNDONE_S = 5, 0.05, 10.0  # of a transaction which that of somebody else undoes
PATIENCE_S = 30.0  # of who reads, while another process holds the lock and nothing of what must be folded gets less


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What is going to be recorded at the end of a transaction."""

    at: datetime
    actor: str
    act: str
    subject: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class NameKeys:
    """Keys of usage points and reading types by their names, and the names of usage points by key."""

    points: MutableMapping[str, int] = field(default_factory=dict)
    types: MutableMapping[str, int] = field(default_factory=dict)
    codes: MutableMapping[int, str] = field(default_factory=dict)

    def add(self, others: NameKeys) -> None:
        """Add what others hold."""
        self.points.update(others.points)
        self.types.update(others.types)
        self.codes.update(others.codes)

    def clear(self) -> None:
        """Drop all of it."""
        for each in (self.points, self.types, self.codes):
            each.clear()


@dataclass(slots=True)
class Unit:
    """A unit of work: the connection of a transaction, or of a consistent read."""

    connection: Connection
    writes: bool
    audit: list[AuditEntry] = field(default_factory=list)
    lost: bool = False
    depth: int = 0  # parts within parts that are open
    # Whether all that was acknowledged is in its blocks; otherwise rows may wait in the journal.
    settled: bool = False
    # (Reading type, UTC day, slots a day, phase) of the blocks that were added.
    laid: set[tuple[int, int, int, int]] = field(default_factory=set)
    # Days [first, last) of each (reading type, usage point) that this very transaction has marked dirty.
    marked: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    # What every audit record of the transaction carries besides its own: the id of a cascade.
    chain: dict[str, str] = field(default_factory=dict)
    beside: bool = False  # see `beside_what_waits`
    registers: bool = False  # whether a usage point or an installation was added or changed
    held: set[int] = field(default_factory=set)  # usage points that nobody else writes to before this one ends
    kept_from: int | None = None  # see `store/forgotten.py`
    given: NameKeys | None = None  # looked up since this transaction gave some: for nobody else before it has ended

    def require_alive(self) -> None:
        """Raise StoreError when the database has given up the transaction, so that nothing is half written."""
        if self.lost:
            raise StoreError("the database has given up the transaction", remedy="begin it again from the start")

    @contextmanager
    def beside_what_waits(self) -> Iterator[None]:
        """Touch readings while others may wait, which have nothing to do with them or will touch them once more."""
        before, self.beside = self.beside, True
        try:
            yield
        finally:
            self.beside = before

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


class Folds(Protocol):
    """Brings rows of the journal into their blocks."""

    def __call__(self, unit: Unit, newest: int) -> int:
        """Fold some of the oldest rows up to `newest`, within the unit; returns how many, 0 when none is left."""
        ...


class Session:
    """Opens units of work on one engine; a unit inside another of the same thread joins it.

    Every unit is settled unless it is opened with `settled=False`: it begins with the readings that wait in the journal
    brought into their blocks, so that nobody reads less than was acknowledged, and writes follow each other as they
    came. Only what has nothing to do with readings may do without.
    """

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self.engine = engine
        self.clock = clock
        self.before_commit: list[Callable[[Unit], None]] = []
        self.after_rollback: list[Callable[[], None]] = []
        self.after_commit: list[Callable[[Unit], None]] = []
        self.folds: Folds | None = None
        self._file = OpenedFile(engine.url)
        self._local = threading.local()
        # SQLite has one writer: threads of this process wait here in order, other processes on the file's lock.
        self._writers = Turns()
        self._readers = self._writers if is_memory(engine.url) else None

    @property
    def _commits(self) -> int:
        """How many transactions this thread has ended well, but for those that fold the journal."""
        commits: int = getattr(self._local, "commits", 0)
        return commits

    @property
    def current(self) -> Unit | None:
        """The unit of work this thread is in."""
        unit: Unit | None = getattr(self._local, "unit", None)
        return unit

    @contextmanager
    def writing(self, *, settled: bool = True) -> Iterator[Unit]:
        """Begin a transaction, or a part of the current one; it commits when the outermost block ends well.

        A part that fails leaves nothing behind, so that the caller may catch the error and go on with the rest.
        """
        joined = self.current
        if joined is not None and joined.writes:
            if settled:
                self.settle_within(joined)
            yield from self._part(joined)
        elif self.engine.dialect.name == "sqlite":
            with self._writers:
                yield from self._transaction(settled=settled)
        else:
            yield from self._transaction(settled=settled)

    def _part(self, unit: Unit) -> Iterator[Unit]:
        entries, settled = len(unit.audit), unit.settled
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
                    unit.settled = settled
                    self._roll_back(unit, savepoint)
                    raise
                unit.run(f"RELEASE SAVEPOINT {savepoint}")
            finally:
                unit.depth -= 1

    def _roll_back(self, unit: Unit, savepoint: str) -> None:
        for undo in self.after_rollback:
            undo()
        unit.marked.clear()
        unit.kept_from = None
        unit.held.clear()
        if unit.given is not None:
            unit.given.clear()
        if unit.lost or unit.connection.invalidated:
            return
        try:
            unit.run(f"ROLLBACK TO SAVEPOINT {savepoint}")
        # On a full disk SQLite gives up the whole transaction, savepoints and all.
        except (DBAPIError, unit.connection.dialect.loaded_dbapi.Error):
            unit.lost = True

    def _transaction(self, *, settled: bool) -> Iterator[Unit]:
        outer = self.current
        self._file.require_same()
        with translated(self.engine), self.engine.connect() as plain:
            connection = plain.execution_options(**{WRITES: True})
            try:
                with connection.begin():
                    unit = Unit(connection, writes=True)
                    self._local.unit = unit
                    if settled:
                        self.settle_within(unit)
                    yield unit
                    unit.require_alive()
                    for act in self.before_commit:
                        act(unit)
                    self._file.require_same()
                self._local.commits = self._commits + 1
                for act in self.after_commit:
                    act(unit)
            except BaseException as error:
                for undo in self.after_rollback:
                    undo()
                if is_full(error, self.engine):
                    empty_log(plain)
                raise
            finally:
                self._local.unit = outer

    @contextmanager
    def reading(self, *, settled: bool = True) -> Iterator[Unit]:
        """Read from one consistent state of the database; inside a transaction, from that."""
        joined = self.current
        if joined is not None and (joined.writes or joined.settled or not settled):
            if settled:
                self.settle_within(joined)
            yield joined
        elif self._readers is not None:
            with self._readers:  # one connection for all: who reads within must find it settled
                yield from self._snapshot(settled=True)
        else:
            yield from self._snapshot(settled=settled)

    def _snapshot(self, *, settled: bool) -> Iterator[Unit]:
        with self._opened() as unit:
            newest = newest_row(unit) if settled and self.folds is not None else None
            if newest is None:
                unit.settled = settled
                yield unit
                return
        # What comes in from now on was not acknowledged when the reading began.
        self.settle(newest)
        with self._opened() as unit:
            unit.settled = True
            yield unit

    @contextmanager
    def _opened(self) -> Iterator[Unit]:
        outer = self.current
        self._file.require_same()
        with translated(self.engine), self.engine.connect() as plain:
            postgres = self.engine.dialect.name == "postgresql"
            unit = Unit(plain.execution_options(isolation_level=ONE_STATE) if postgres else plain, writes=False)
            transaction = unit.connection.begin()
            if unit.dialect == "mysql":
                unit.run(NEXT_ONE)
            self._local.unit = unit
            try:
                yield unit
            finally:
                self._local.unit = outer
            if unit.dialect != "mysql":  # that one is rolled back where it is given back, whatever was done before
                transaction.commit()

    def again(self, act: Callable[[], T]) -> T:
        """Do something; on a server once more, a few times, where a transaction of somebody else has undone its own.

        What is a part of another transaction went with that, and is not tried by itself. Nor is what has committed.
        """
        since, before = time.monotonic(), self._commits
        attempts = 1 if self.current is not None or self.engine.dialect.name == "sqlite" else TRIES
        for attempt in range(1, attempts):
            try:
                return act()
            except StoreLocked:
                # What takes so long was no deadlock, which is found at once.
                if self._commits != before or time.monotonic() - since >= UNDONE_S:
                    raise
                time.sleep(random.uniform(0, PAUSE_S * attempt))  # noqa: S311 - so that both do not meet once more
        return act()

    def settle_within(self, unit: Unit) -> None:
        """Bring all that waits in the journal into its blocks, within a transaction; all or nothing of it."""
        if unit.settled or self.folds is None:
            return
        with translated(self.engine):
            newest = newest_row(unit)
            if newest is not None:
                with contextmanager(self._part)(unit):
                    unit.settled = True  # for folding itself; a part that fails takes it back
                    while self.folds(unit, newest):
                        pass
        unit.settled = True

    def settle(self, newest: int | None = None, *, at_once: int | None = None) -> int:
        """Bring what waits in the journal (up to a row) into its blocks, some at a time; returns how many rows.

        `at_once`: so many transactions at most, with no more patience than a transaction has. Without it, another
        process that folds meanwhile is waited for.
        """
        if self.current is not None and self.current.writes:
            self.settle_within(self.current)
            return 0
        if newest is None:
            with self._opened() as unit:
                newest = newest_row(unit)
        rows, done = 0, 0
        fold = self._fold_patiently if at_once is None else self._fold_some
        while newest is not None and done != at_once and (some := fold(newest)):
            rows, done = rows + some, done + 1
        return rows

    def _fold_patiently(self, newest: int) -> int:
        """Fold some rows; who is locked out looks whether they get less, by somebody else's hand, and tries again."""
        oldest, since = None, time.monotonic()
        while True:
            try:
                return self._fold_some(newest)
            except StoreLocked:
                with self._opened() as unit:
                    ((left,),) = unit.fetch(OLDEST, (newest,))
                if left is None:
                    return 0
                if left != oldest:
                    oldest, since = left, time.monotonic()
                if time.monotonic() - since >= PATIENCE_S:
                    raise

    def _fold_some(self, newest: int) -> int:
        """Fold some rows in a transaction of their own."""
        commits = self._commits
        for attempt in range(ATTEMPTS):
            try:
                with self.writing(settled=False) as unit:
                    unit.settled = True  # nobody else joins it
                    return 0 if self.folds is None else self.folds(unit, newest)
            except StoreLocked:
                # SQLite has waited already; on a server two transactions may have waited for each other.
                if self.engine.dialect.name == "sqlite" or attempt == ATTEMPTS - 1:
                    raise
            except StoreError as error:
                raise _cannot_be_read(error) from error
            finally:
                self._local.commits = commits  # it is nothing that whoever reads has done
        return 0


def newest_row(unit: Unit) -> int | None:
    """Return the newest row that waits in the journal, None when none does."""
    ((newest,),) = unit.fetch(NEWEST)
    return None if newest is None else int(newest)


def _cannot_be_read(error: StoreError) -> StoreError:
    """Tell why a database that may only be read cannot be: what waits must be written first."""
    if not error.message.startswith(READ_ONLY[1]):
        return error
    return StoreError(
        "readings wait in the journal, and the database may only be read, so that they cannot be folded",
        where=error.where,
        remedy="open it once where it may be written, or read a backup of it",
    )
