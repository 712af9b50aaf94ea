"""SQLite's write-ahead log: emptied where SQLite itself would not."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from sqlalchemy import Connection


def empty_log(connection: Connection) -> None:
    """Bring what SQLite's log holds into the database and give its room back, unless a reader is in the way.

    SQLite itself does so after a commit only. On a full disk none succeeds: its room would never come free.
    """
    if connection.dialect.name != "sqlite" or connection.in_transaction() or connection.invalidated:
        return
    driver: Any = connection.connection.driver_connection
    with suppress(connection.dialect.loaded_dbapi.Error):  # no room even for that: the first error says so
        patience = driver.execute("PRAGMA busy_timeout").fetchone()[0]
        driver.execute("PRAGMA busy_timeout=0")
        try:
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            driver.execute(f"PRAGMA busy_timeout={patience}")
