"""A restored SQLite file takes the place of what is there: never while that is open, whole at every moment."""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gridwright.domain.errors import StoreLocked
from gridwright.durable import sync
from gridwright.store.engine import KEPT, SQLITE_BUSY

PATIENCE_S = 2.0  # for somebody who only looks: a server holds the file for as long as it runs
LOG_FILES = ("-wal", "-shm")
LOCKED_AT, LOCKED_BYTES = 0x40000002, 510  # where each SQLite connection with a write-ahead log holds a shared lock


@contextmanager
def held(target: Path) -> Iterator[Any]:
    """Hold a SQLite file that nobody else has open, with all of it in one file; StoreLocked where somebody has.

    Yields the connection that holds it, also outside of a transaction; None where there is no file.
    """
    from pysqlite3 import dbapi2

    if not target.exists():
        yield None
        return
    connection = dbapi2.connect(str(target), isolation_level=None, timeout=0.0)
    try:
        try:
            _lock(connection, time.monotonic() + PATIENCE_S)
        except dbapi2.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == SQLITE_BUSY:
                raise _in_use(target) from error
            connection.close()  # damaged, or the disk is full: its log stays beside it
            _require_alone(target)
        yield connection
    finally:
        connection.close()


def _lock(connection: Any, until: float) -> None:  # noqa: ANN401 - a driver's own
    while True:
        try:
            # To leave the write-ahead log takes a lock that no other connection, idle or not, lets pass.
            connection.execute("PRAGMA journal_mode=DELETE").fetchall()
            connection.execute("PRAGMA locking_mode=EXCLUSIVE").fetchall()
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("COMMIT")  # the lock stays until the connection is closed
        except Exception as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF != SQLITE_BUSY or time.monotonic() >= until:
                raise
            time.sleep(0.05)
        else:
            return


def _require_alone(target: Path) -> None:
    """Ask the system for SQLite's lock on a file that SQLite itself cannot read."""
    with suppress(PermissionError), target.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, LOCKED_BYTES, LOCKED_AT)
        except OSError as error:
            raise _in_use(target) from error


def _in_use(target: Path) -> StoreLocked:
    return StoreLocked(
        "another process has the database open",
        where=str(target),
        remedy="stop the server, and whatever else uses it, and restore again",
    )


def take_the_place(draft: Path, target: Path) -> None:
    """Rename a whole file over the one there, which is kept under another name; a kill leaves one or the other."""
    for end in LOG_FILES:
        with suppress(OSError):
            draft.with_name(draft.name + end).unlink()
    kept = target.with_name(f"{target.name}{KEPT}{secrets.token_hex(4)}")
    with held(target):
        beside = [end for end in ("", *LOG_FILES) if target.with_name(target.name + end).exists()]
        for end in beside:
            _keep(target.with_name(target.name + end), kept.with_name(kept.name + end))
        sync(target.parent)
        for end in LOG_FILES:  # the log of another file would be taken for that of the new one
            target.with_name(target.name + end).unlink(missing_ok=True)
        draft.replace(target)
        sync(target.parent)


def _keep(old: Path, kept: Path) -> None:
    try:
        os.link(old, kept)
    except OSError:  # a file system without second names: then it is away for a moment
        old.rename(kept)
