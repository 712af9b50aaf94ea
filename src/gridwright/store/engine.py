"""From an address to a database engine: SQLite through `pysqlite3` alone, PostgreSQL, MariaDB and MySQL."""

from __future__ import annotations

import glob
import importlib.util
import os
import socket
import time
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sqlalchemy import URL, Connection, Engine, StaticPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.util import asbool

from gridwright.domain.errors import ConfigError, MissingExtra, NotFound, StoreError
from gridwright.store.pooled import look_before_use
from gridwright.store.silence import OPTION, end_silence, timeout_of
from gridwright.store.turnstile import Turnstile

FILE_NAME = "gridwright.db"
BUSY_MS = 5_000
SQLITE_BUSY = 5
PRAGMAS = (
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA mmap_size=209715200",
    "PRAGMA cache_size=-204800",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA journal_size_limit=67108864",
)
DRIVERS = {
    "postgresql": ("psycopg", "postgres", "PostgreSQL"),
    "mysql": ("pymysql", "mysql", "MariaDB or MySQL"),
    "mariadb": ("pymysql", "mysql", "MariaDB or MySQL"),
}
WRITES = "gridwright_writes"
NAME_CHARS = 63  # PostgreSQL cuts off the rest
KEPT = ".replaced-"  # in the name of a file that a restored one took the place of


def resolve(address: str | Path) -> URL:
    """Return the SQLAlchemy address of a database, a file, or a folder (the file in it is `gridwright.db`)."""
    if isinstance(address, Path) or "://" not in address:
        path = Path(address)
        folder = path.is_dir() or str(address).endswith("/")
        return URL.create("sqlite", database=str(path / FILE_NAME if folder else path))
    try:
        url = make_url(address)
    except ArgumentError as error:
        raise ConfigError(
            f"{address!r} is not a database address", remedy="write sqlite:///readings.db, or the path of a file"
        ) from error
    if url.drivername == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    return url.set(drivername=f"{url.drivername}+pymysql") if url.drivername in {"mysql", "mariadb"} else url


def place(url: URL) -> str:
    """Return the address as it may be shown: without password, a file as its path."""
    if url.get_backend_name() == "sqlite":
        return file_of(url) or "database in memory"
    return url.render_as_string(hide_password=True)


def file_of(url: URL) -> str:
    """Return the path of a SQLite file, also of an address that names a URI (`file:`); empty where there is none."""
    name = url.database or ""
    if url.get_backend_name() != "sqlite" or name == ":memory:":
        return ""
    if not (name.startswith("file:") and asbool(url.query.get("uri", False))):
        return name
    path = unquote(urlsplit(name).path)
    return "" if path == ":memory:" or url.query.get("mode") == "memory" else path


def is_memory(url: URL) -> bool:
    """Tell whether the database lives in memory alone."""
    return url.get_backend_name() == "sqlite" and not file_of(url)


def make_engine(url: URL, *, create: bool, busy_ms: int = BUSY_MS) -> Engine:
    """Return the engine for `url`; a missing driver is MissingExtra, a missing file without `create` NotFound."""
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, create=create, busy_ms=busy_ms)
    return _server(url)


def _named(url: URL) -> dict[str, str]:
    """Return what tells the server, and whoever asks it, which process is connected; nothing where that is told."""
    if "application_name" in url.query or "PGAPPNAME" in os.environ:
        return {}
    return {"application_name": f"gridwright, process {os.getpid()} on {socket.gethostname()}"[:NAME_CHARS]}


def _sqlite(url: URL, *, create: bool, busy_ms: int) -> Engine:
    from pysqlite3 import dbapi2

    _bind_quickly(dbapi2)
    options: dict[str, Any] = {"connect_args": {"check_same_thread": False, "timeout": busy_ms / 1000}}
    if is_memory(url):
        options["poolclass"] = StaticPool
    else:
        _prepare_file(Path(file_of(url)), create=create)
    engine = create_engine(url.set(drivername="sqlite"), module=dbapi2, **options)
    event.listen(engine, "connect", partial(_set_up_sqlite, busy_s=busy_ms / 1000))
    turnstile = None if is_memory(url) else Turnstile(file_of(url))
    event.listen(engine, "begin", partial(_begin_sqlite, turnstile=turnstile))
    return engine


def _bind_quickly(dbapi2: Any) -> None:  # noqa: ANN401 - a driver's own
    """Name an adapter that changes nothing for bytes and None: without one the driver searches both for every value.

    The search costs three times what SQLite itself needs for the row.
    """
    dbapi2.register_adapter(bytes, bytes)
    dbapi2.register_adapter(type(None), {}.get)


def _prepare_file(path: Path, *, create: bool) -> None:
    if create and not path.exists():
        _refuse_beside_kept(path)
    if not create and not path.exists():
        raise NotFound(
            "there is no database here", where=str(path), remedy="import a file first, or name another database"
        )
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"the folder cannot be made: {error.strerror}", where=str(path.parent), remedy="choose another folder"
        ) from error
    if not path.exists():
        _make_private(path.resolve())


def _refuse_beside_kept(path: Path) -> None:
    """Make no empty database where one was put aside: a restore may have ended before the new one was in its place."""
    ends = ("-wal", "-shm")
    kept = [each for each in path.parent.glob(f"{glob.escape(path.name)}{KEPT}*") if not each.name.endswith(ends)]
    if kept:
        newest = max(kept, key=lambda each: each.stat().st_mtime_ns)
        raise NotFound(
            f"there is no database here, but one that was put aside: {newest.name}",
            where=str(path),
            remedy="rename that back, or move it to another folder to begin with an empty database",
        )


def _make_private(path: Path) -> None:
    """Make an empty file for this user alone; SQLite gives the files beside it the same mode."""
    # What cannot be made, or was made meanwhile, SQLite itself tells of. An existing file is never opened here: closing
    # it would let go of the locks that this process holds on it.
    with suppress(OSError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _set_up_sqlite(connection: Any, _record: object, busy_s: float) -> None:  # noqa: ANN401 - a driver's own
    connection.isolation_level = None  # transactions begin where we say so, not where the driver guesses
    cursor = connection.cursor()
    _use_wal(cursor, time.monotonic() + busy_s)
    for pragma in PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _use_wal(cursor: Any, until: float) -> None:  # noqa: ANN401 - a driver's own cursor
    """Switch to the write-ahead log; while another process does so, SQLite refuses at once instead of waiting."""
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except Exception as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF != SQLITE_BUSY or time.monotonic() >= until:
                raise
            time.sleep(0.005)
        else:
            return


def _begin_sqlite(connection: Connection, turnstile: Turnstile | None) -> None:
    driver: Any = connection.connection.driver_connection  # by SQLAlchemy it would take twenty times as long
    if not connection.get_execution_options().get(WRITES, False):
        driver.execute("BEGIN")
        return
    # A transaction that reads first and writes later cannot wait for the lock; a writer takes it at once.
    with turnstile.passing() if turnstile is not None else nullcontext():
        driver.execute("BEGIN IMMEDIATE")


def _server(url: URL) -> Engine:
    backend = url.get_backend_name()
    if backend not in DRIVERS:
        raise ConfigError(
            f"{url.drivername} is not supported", remedy="use sqlite, postgresql+psycopg or mysql+pymysql"
        )
    module, extra, name = DRIVERS[backend]
    if importlib.util.find_spec(module) is None:
        raise MissingExtra(f"{name} needs the package {module}", remedy=f"pip install 'gridwright[{extra}]'")
    timeout_s = timeout_of(url)
    args: dict[str, Any] = {OPTION: timeout_s}
    options: dict[str, Any] = {"connect_args": args, "pool_timeout": 2 * timeout_s}
    if backend == "postgresql":
        args |= _named(url)
    else:
        url = url.update_query_dict({"charset": "utf8mb4"})
        options["isolation_level"] = "READ COMMITTED"  # a writer must see rows committed while it waited for a lock
    try:
        engine = create_engine(url, **options)
    except NoSuchModuleError as error:
        raise ConfigError(
            f"{url.drivername} is not supported", remedy="use sqlite, postgresql+psycopg or mysql+pymysql"
        ) from error
    if engine.driver == "pymysql":
        from gridwright.store.shared_tls import SharingConnection

        end_silence(engine, timeout_s, args, SharingConnection)
    elif engine.driver == "psycopg":
        end_silence(engine, timeout_s, args, engine.dialect.connect)
    look_before_use(engine)
    return engine
