"""A database written anew without the bytes that it has freed: what was plain before it was sealed stands in them.

A SQLite file is replaced by a copy of what counts, which takes it alone; a server rewrites the tables that were sealed.
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine

from gridwright.domain.errors import StoreError, StoreLocked
from gridwright.durable import sync
from gridwright.store.backup.replacing import LOG_FILES, held
from gridwright.store.backup.room import temporary
from gridwright.store.engine import file_of, is_memory, make_engine, place, resolve
from gridwright.store.sealing.sealing import REWRITTEN
from gridwright.store.trouble import translated

# A snapshot from before, of a report, a backup or an analysis of the server's own, would have old rows copied, too; so
# would any transaction of the whole server that began before, for every snapshot reaches back to the oldest of these.
POSTGRES_NOW = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::numeric::bigint"
POSTGRES_OLDER = """
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::numeric::bigint < %(now)s OR EXISTS (
        SELECT FROM (
            SELECT backend_xmin FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
            UNION ALL SELECT transaction FROM pg_prepared_xacts WHERE database = current_database()
            UNION ALL SELECT xmin FROM pg_replication_slots
        ) AS held (since) WHERE age(since) > age(mod(%(now)s, 4294967296)::text::xid))"""
PATIENCE_S, LOOK_S = 30.0, 0.1
# Other transactions are not kept waiting behind a table that is in use.
POSTGRES = ("SET lock_timeout = '5s'", "VACUUM (FULL) usage_point", "VACUUM (FULL) stored_answer")
MYSQL = ("SET SESSION lock_wait_timeout = 5", "OPTIMIZE TABLE usage_point, stored_answer")
STATEMENTS = {"postgresql": POSTGRES, "mysql": MYSQL, "mariadb": MYSQL}


def size_of(address: str | Path) -> int:
    """Return the bytes of a SQLite file with its log, 0 of any other database."""
    file = file_of(resolve(address))
    paths = [Path(file + end) for end in ("", *LOG_FILES)] if file else []
    return sum(path.stat().st_size for path in paths if path.exists())


def rewrite_database(address: str | Path) -> None:
    """Let go of freed bytes for good; StoreLocked where others use it, StoreFull without room for a copy of the file.

    Whoever holds a SQLite file open, this process too, has to close it first. A kill leaves it as it was, or rewritten.
    """
    url = resolve(address)
    if is_memory(url):
        return
    engine = make_engine(url, create=False)
    try:
        with translated(engine):
            if engine.dialect.name == "sqlite":
                _rewrite_file(Path(file_of(url)).resolve())
            else:
                _rewrite_tables(engine)
    finally:
        engine.dispose()


def _rewrite_file(target: Path) -> None:
    with held(target) as connection, temporary(target) as draft:
        # Not VACUUM itself: the driver would keep all of the copy in memory, and the old pages go through a log.
        connection.execute("VACUUM INTO ?", (str(draft),))
        _mark(draft)
        _take_over(target, draft)
        draft.replace(target)
        sync(target.parent)


def _mark(draft: Path) -> None:
    from pysqlite3 import dbapi2

    copy: Any = dbapi2.connect(str(draft), isolation_level=None)
    try:
        copy.execute(f"PRAGMA user_version={REWRITTEN}")
    finally:
        copy.close()


def _take_over(old: Path, new: Path) -> None:
    """Give a file the owner and the mode of another one, and make it durable."""
    found = old.stat()
    with suppress(PermissionError):  # not root, and it is another's: then the file is now whose program this is
        os.chown(new, found.st_uid, found.st_gid)
    new.chmod(stat.S_IMODE(found.st_mode))
    sync(new)


def _rewrite_tables(engine: Engine) -> None:
    with engine.connect() as plain:
        connection = plain.execution_options(isolation_level="AUTOCOMMIT")
        try:
            if engine.dialect.name == "postgresql":
                _outlast(connection, place(engine.url))
            for statement in STATEMENTS[engine.dialect.name]:
                result = connection.exec_driver_sql(statement)
                told = result.mappings().all() if result.returns_rows else ()
                for row in told:
                    if str(row["Msg_type"]).lower() == "error":
                        raise StoreError(
                            f"{row['Table']} was not rewritten: {row['Msg_text']}", where=place(engine.url)
                        )
        finally:
            plain.invalidate()  # its patience goes with it


def _outlast(connection: Connection, where: str) -> None:
    """Wait until nobody looks at what was there before now; StoreLocked where somebody goes on to."""
    now = connection.exec_driver_sql(POSTGRES_NOW).scalar_one()
    until = time.monotonic() + PATIENCE_S
    while connection.exec_driver_sql(POSTGRES_OLDER, {"now": now}).scalar_one():
        if time.monotonic() > until:
            raise StoreLocked("a transaction of the server that began before still sees what was there", where=where)
        time.sleep(LOOK_S)
