"""Backups of a whole database while others write: one consistent state out, and back into an empty place.

SQLite goes out as its own pages (the backup API, within one read transaction, so that writers neither wait nor make it
begin again), the servers as rows of one snapshot. Either goes back into any of the databases.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, func, select

from gridwright.domain.errors import Conflict, StoreCorrupt, StoreOutdated
from gridwright.durable import sync
from gridwright.store.backup.alone import Alone, alone_at, whoever
from gridwright.store.backup.file import BackupWriter, Header, check_whole, opened
from gridwright.store.backup.guards import TABLE as GUARDS
from gridwright.store.backup.guards import guards_off
from gridwright.store.backup.replacing import held, take_the_place
from gridwright.store.backup.room import full, temporary, unwritten
from gridwright.store.backup.rows import Tables, emptied, load_rows, read_rows, write_rows
from gridwright.store.engine import WRITES, file_of, is_memory, make_engine, place, resolve
from gridwright.store.migrate import HEAD, VERSION_TABLE, known_revisions, prepare, revision_of, upgrade
from gridwright.store.schema import metadata
from gridwright.store.sealing.points import sealed_by_masters
from gridwright.store.sealing.sealing import Master
from gridwright.store.trouble import translated

PAGES, ROWS = "pages", "rows"
PAGES_AT_ONCE = 1024
CHUNK = 1 << 20
SEEDED = {"audit_head", "number_series"}
Progress = Callable[[int, int], None]
Content = tuple[dict[str, int], list[bytes]]  # the rows of each table, and all that a master key has sealed


def create_backup(
    address: str | Path,
    path: Path,
    *,
    master: Master | None,
    created: datetime,
    force: bool = False,
    progress: Progress | None = None,
) -> Header:
    """Back up the database at `address` into one file; whoever writes to it goes on writing.

    A database of another schema than this program's is StoreOutdated. `master` None: not encrypted. A file that is
    there already is Conflict, unless `force`: it is replaced once the backup is whole.
    """
    engine = make_engine(resolve(address), create=False)
    try:
        with translated(engine):
            prepare(engine, create=False)
            writer = BackupWriter(path, master, force=force)
            try:
                sqlite = engine.dialect.name == "sqlite"
                tables, sealed = (_pages if sqlite else _rows)(engine, writer, progress)
                return writer.finish(
                    {
                        "program": version("gridwright"),
                        "revision": HEAD,
                        "database": engine.dialect.name,
                        "payload": PAGES if sqlite else ROWS,
                        "created": created.isoformat(),
                        "tables": tables,
                    },
                    needed=set() if master is None else {master.key_of(each) for each in sealed},
                )
            finally:
                writer.give_up()
    finally:
        engine.dispose()


def _pages(engine: Engine, writer: BackupWriter, progress: Progress | None) -> Content:
    """Copy the pages of a SQLite database beside the backup, then into it."""
    with temporary(writer.path) as copy:
        with engine.connect() as connection, connection.begin():
            revision_of(connection)  # reads, and so fixes the state that is copied
            _copy_pages(connection, copy, progress)
        with _file_engine(copy) as other, other.connect() as connection:
            content = _counts(connection), sealed_by_masters(connection)
        size = copy.stat().st_size
        with copy.open("rb") as file:
            while chunk := file.read(CHUNK):
                writer.write(chunk)
                if progress:
                    progress(size + file.tell(), 2 * size)
    return content


def _copy_pages(connection: Connection, copy: Path, progress: Progress | None) -> None:
    from pysqlite3 import dbapi2

    size = 0

    def told(_: int, remaining: int, total: int) -> None:
        nonlocal size
        size = size or total
        if progress and total:
            progress(total - remaining, 2 * total)

    source: Any = connection.connection.driver_connection
    target = dbapi2.connect(str(copy))
    try:
        source.backup(target, pages=PAGES_AT_ONCE, progress=told, sleep=0)
        # In one file, without a log beside it.
        target.execute("PRAGMA journal_mode=DELETE").fetchall()
    except dbapi2.OperationalError as error:
        if "disk is full" in str(error):  # the backup interface gives no code
            raise full(copy.parent) from error
        raise
    finally:
        target.close()


def _rows(engine: Engine, writer: BackupWriter, progress: Progress | None) -> Content:
    """Write the rows of every table, as one snapshot holds them."""
    with engine.connect() as plain:
        connection = plain.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            counts, sealed = _counts(connection), sealed_by_masters(connection)
            write_rows(connection, writer, sum(counts.values()), progress)
    return counts, sealed


def _counts(connection: Connection) -> dict[str, int]:
    count = {table.name: select(func.count()).select_from(table) for table in metadata.sorted_tables}
    return {name: int(connection.execute(query).scalar_one()) for name, query in count.items()}


def verify_backup(path: Path, master: Master | None, *, progress: Progress | None = None) -> Header:
    """Read a backup to its end: checksum, key, every frame and, of rows, their number; or StoreCorrupt."""
    header = check_whole(path)
    done = 0
    with opened(path, master) as stream:
        if header.payload == ROWS:
            for _, rows in read_rows(stream, header.tables):
                done += len(rows)
                _tell(progress, done, header.rows)
            found, wanted = done, header.rows
        else:
            while chunk := stream.read(CHUNK):
                done += len(chunk)
                _tell(progress, done, header.content_bytes)
            found, wanted = done, header.content_bytes
    if found != wanted:
        raise StoreCorrupt(f"the backup holds {found} instead of {wanted} {header.payload}", where=str(path))
    return header


def _tell(progress: Progress | None, done: int, total: int) -> None:
    if progress:
        progress(done, total)


def restore_backup(
    path: Path, address: str | Path, master: Master | None, *, force: bool = False, progress: Progress | None = None
) -> Header:
    """Put a backup into an empty database, or, with `force`, in place of what is there; return its header.

    A SQLite file that is replaced is kept beside the new one, with `.replaced-` in its name; a server's tables are
    emptied within the same transaction. A backup of a newer schema is StoreOutdated, a damaged one StoreCorrupt, and a
    place that others have open StoreLocked; then nothing is touched. One of an older schema is brought up to date, and
    so are tables of one that are there already.
    """
    header = check_whole(path)
    if header.revision not in known_revisions():
        raise StoreOutdated(
            f"the backup has schema revision {header.revision}, which this program does not know: a newer one made it",
            where=str(path),
            remedy=f"install Gridwright {header.program} or newer",
        )
    url = resolve(address)
    if url.get_backend_name() == "sqlite" and not is_memory(url):
        _into_file(path, header, Path(file_of(url)), master, force=force, progress=progress)
    else:
        engine = make_engine(url, create=True)
        alone = alone_at(engine)
        try:
            with translated(engine):
                if not force:
                    _refuse_filled(engine)
                alone()  # whoever uses it is told now, not after the work
                _into_server(path, header, engine, master, alone=alone, progress=progress)
        finally:
            engine.dispose()
    return header


def _into_file(
    path: Path, header: Header, target: Path, master: Master | None, *, force: bool, progress: Progress | None
) -> None:
    if target.exists() and target.stat().st_size and not force:
        with _file_engine(target) as engine:
            _refuse_filled(engine)
    with held(target):  # whoever uses it is told now, not after the work
        pass
    with temporary(target) as draft:
        if header.payload == PAGES:
            _write_pages(path, header, draft, master, progress)
        else:
            with _file_engine(draft, create=True) as engine:
                _fill(path, header, engine, master, progress=progress)
        with _file_engine(draft) as engine:
            _check_health(engine, path)
            prepare(engine, create=True)
        sync(draft)
        take_the_place(draft, target)


def _write_pages(path: Path, header: Header, draft: Path, master: Master | None, progress: Progress | None) -> None:
    done = 0
    with opened(path, master) as stream, os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        while chunk := stream.read(CHUNK):
            try:
                done += file.write(chunk)
                file.flush()
            except OSError as error:  # of the place it goes to: the backup itself is not to blame
                raise unwritten(error, draft.parent) from error
            _tell(progress, done, header.content_bytes)


def _check_health(engine: Engine, path: Path) -> None:
    with engine.connect() as connection:
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    if found != "ok":
        raise StoreCorrupt(f"the backup holds a damaged database: {found}", where=str(path), remedy="use another one")


def _into_server(
    path: Path, header: Header, engine: Engine, master: Master | None, *, alone: Alone, progress: Progress | None
) -> None:
    if header.payload != ROWS or not _takes(engine, header.revision):
        prepare(engine, create=True)
    if header.payload == ROWS and _takes(engine, header.revision):
        _fill(path, header, engine, master, alone=alone, progress=progress)
        return
    # Brought up to date beside it: the tables there take the rows of their own schema alone, in one transaction.
    with temporary(path) as copy:
        if header.payload == PAGES:
            _write_pages(path, header, copy, master, None)
        else:
            with _file_engine(copy, create=True) as target:
                _fill(path, header, target, master, progress=None)
        with _file_engine(copy) as source:
            prepare(source, create=True)
            with source.connect() as connection, connection.begin():
                counts = _counts(connection)
                rows = Tables(connection).batches()
                _load(engine, HEAD, rows, counts, alone=alone, progress=progress)


def _takes(engine: Engine, revision: str) -> bool:
    """Tell whether rows of a schema can go straight into a database: it is empty, or of that schema."""
    with engine.connect() as connection:
        return revision_of(connection) in {None, revision}


def _fill(
    path: Path,
    header: Header,
    engine: Engine,
    master: Master | None,
    *,
    alone: Alone = whoever,
    progress: Progress | None,
) -> None:
    with opened(path, master) as stream:
        _load(engine, header.revision, read_rows(stream, header.tables), header.tables, alone=alone, progress=progress)


def _load(
    engine: Engine,
    revision: str,
    batches: Iterator[Any],
    counts: Mapping[str, int],
    *,
    alone: Alone,
    progress: Progress | None,
) -> None:
    """Make the schema of that revision, load the rows in one transaction, and bring it up to date."""
    total, done = sum(counts.values()), 0
    with engine.connect() as plain:
        connection = plain.execution_options(**{WRITES: True})
        with connection.begin():
            if revision_of(connection) is None:
                upgrade(connection, revision)
            elif revision_of(connection) != revision:
                raise Conflict(
                    f"the tables there are of another schema than the backup ({revision})",
                    where=place(engine.url),
                    remedy="name an empty database",
                )
        with guards_off(engine), connection.begin():
            tables = emptied(connection, counts)
            alone()  # whoever came meanwhile; from here on they wait (PostgreSQL), or are refused (see `guards_off`)
            for more in load_rows(connection, tables, batches):
                done += more
                _tell(progress, done, total)
    prepare(engine, create=True)


def _refuse_filled(engine: Engine) -> None:
    """Raise Conflict when the database holds anything."""
    with translated(engine), engine.connect() as connection:
        if revision_of(connection) is None:
            return
        names = set(engine.dialect.get_table_names(connection)) - {VERSION_TABLE, GUARDS} - SEEDED
        for name in sorted(names):
            quoted = engine.dialect.identifier_preparer.quote(name)
            if connection.exec_driver_sql(f"SELECT 1 FROM {quoted} LIMIT 1").first():  # noqa: S608 - the database's own name
                raise Conflict(
                    f"there is a database already, with rows in {name}",
                    where=place(engine.url),
                    remedy="name an empty place, or give --force to put the backup in place of it",
                )


@contextmanager
def _file_engine(path: Path, *, create: bool = False) -> Iterator[Engine]:
    engine = make_engine(resolve(path), create=create)
    try:
        with translated(engine):
            yield engine
    finally:
        engine.dispose()
