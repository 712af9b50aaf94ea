"""What a driver's error means: locked, full, corrupt or outdated, each with its place and the next step."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as NoneIsFree

from gridwright.domain.errors import Conflict, StoreCorrupt, StoreError, StoreFull, StoreLocked
from gridwright.store.engine import file_of, is_memory, place

LOCKED = (
    StoreLocked,
    "another process is writing and holds the lock",
    "wait until it has finished, or stop it, and try again",
)
FULL = (StoreFull, "there is no room left", "free some space; what was acknowledged is safe, the rest was not written")
CORRUPT = (
    StoreCorrupt,
    "the file is not a healthy Gridwright database",
    "check the name of the file, or restore it from a backup",
)
READ_ONLY = (StoreError, "the database may only be read", "check the permissions of the file and its folder")
UNREACHABLE = (StoreError, "the database does not answer", "start the server, or check the address and the account")
BUSY = "all connections of this process to the database are in use"
UNOPENED = (
    StoreError,
    "the database file cannot be opened",
    "let this user write to the file and its folder: SQLite keeps its log beside it, even while it only reads",
)
DISK = (StoreError, "the disk reported an error", "check the disk; what was acknowledged is safe")
INDEX_BYTES = 32_768  # the least that SQLite asks for beside a database with a write-ahead log
TWICE = (Conflict, "it exists already", "use another id")
# No SQLSTATE, or one of class 08 (connection) or 57P0x (the server stops).
CONNECTION = {None, "08000", "08001", "08004", "08006", "08S01", "57P01", "57P02", "57P03"}
GONE = {0, 1053, 1927, 2006, 2013, 2055, 4031}  # MariaDB and MySQL: the server stops, or hung up
Meaning = tuple[type[StoreError | Conflict], str, str]

# SQLite's primary result codes, PostgreSQL's SQLSTATE (class or code), MariaDB's and MySQL's error numbers.
SQLITE: dict[int, Meaning] = {
    5: LOCKED,
    6: LOCKED,
    8: READ_ONLY,
    10: DISK,
    11: CORRUPT,
    13: FULL,
    14: UNOPENED,
    19: TWICE,
    26: CORRUPT,
}
POSTGRES: dict[str, Meaning] = {
    "53100": FULL,
    "55P03": LOCKED,
    "40P01": LOCKED,
    "40001": LOCKED,
    "25006": READ_ONLY,
    "23505": TWICE,
    "XX001": CORRUPT,
    "XX002": CORRUPT,
}
MYSQL: dict[int, Meaning] = {
    1205: LOCKED,
    1213: LOCKED,
    1021: FULL,
    1114: FULL,
    1290: READ_ONLY,
    1062: TWICE,
    1034: CORRUPT,
    126: CORRUPT,
}


def meaning(error: BaseException, dialect: str) -> Meaning | None:
    """Return what a driver's own exception means, None for one that is not expected."""
    if dialect == "sqlite":
        return SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    if dialect == "postgresql":
        return POSTGRES.get(getattr(error, "sqlstate", None) or "")
    number = error.args[0] if error.args else None
    return MYSQL.get(number) if isinstance(number, int) else None


def translate(error: BaseException, engine: Engine) -> StoreError | Conflict:
    """Return the store's own error for a driver's."""
    original = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    known = meaning(original, engine.dialect.name)
    text = " ".join(str(original).split())
    if known is None and is_lost(error, engine):
        known = UNREACHABLE
    if known is None:
        return StoreError(f"the database refused: {text}", where=place(engine.url))
    kind, message, remedy = FULL if known is DISK and _is_disk_full(engine) else known
    return kind(f"{message} ({text})", where=place(engine.url), remedy=remedy)


def _is_disk_full(engine: Engine) -> bool:
    """Tell whether a SQLite file has no room: for the index of its log SQLite then reports an error of the disk."""
    if is_memory(engine.url):
        return False
    try:
        found = os.statvfs(Path(file_of(engine.url)).resolve().parent)
    except OSError:
        return False
    blocks = found.f_bavail if os.geteuid() else found.f_bfree
    no_names = found.f_files > 0 and (found.f_favail if os.geteuid() else found.f_ffree) == 0
    return blocks * found.f_frsize < INDEX_BYTES or no_names


def is_lost(error: BaseException, engine: Engine) -> bool:
    """Tell whether the connection failed: then the servers' drivers give no code of their own."""
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None)
        return error.connection_invalidated or (isinstance(error, OperationalError) and state in CONNECTION)
    # From a raw cursor. SQLite has no server that could be away.
    if engine.dialect.name == "sqlite" or not isinstance(error, engine.dialect.loaded_dbapi.Error):
        return False
    if engine.dialect.name == "postgresql":
        failed = isinstance(error, engine.dialect.loaded_dbapi.OperationalError)
        return failed and getattr(error, "sqlstate", None) in CONNECTION
    return bool(error.args) and error.args[0] in GONE


def is_full(error: BaseException, engine: Engine) -> bool:
    """Tell whether the disk is full, by the store's own error or a driver's."""
    if isinstance(error, (DBAPIError, engine.dialect.loaded_dbapi.Error)):
        error = translate(error, engine)
    return isinstance(error, StoreFull)


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """Turn every driver error inside the block into the store's own."""
    try:
        yield
    except (DBAPIError, engine.dialect.loaded_dbapi.Error) as error:
        raise translate(error, engine) from error
    except NoneIsFree as error:
        raise StoreError(BUSY, where=place(engine.url), remedy="try it again in a moment") from error
