"""What is written past Gridwright into a town without what protects it, and undone: the next one begins as before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import text

from gridwright.store import Store
from gridwright.store.session import Unit


class _Undo(Exception):
    """Ends a unit of work, so that nothing of it stays."""


@contextmanager
def undone(store: Store) -> Iterator[Unit]:
    """Give a unit of work of which nothing stays."""
    with suppress(_Undo), store._session.writing() as unit:
        yield unit
        raise _Undo


def unprotect(store: Store) -> None:
    """Take from a SQLite database the triggers and keys that keep whoever writes SQL from what is in it."""
    raw = store._engine.raw_connection()
    raw.driver_connection.execute("PRAGMA foreign_keys = OFF")  # type: ignore[union-attr]
    raw.close()
    with store._engine.begin() as connection:
        for (name,) in connection.execute(text("SELECT name FROM sqlite_schema WHERE type = 'trigger'")).all():
            connection.execute(text(f"DROP TRIGGER {name}"))
