"""Files that need room beside a database: what a place says that has none, and those that are gone afterwards."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gridwright.domain.errors import StoreError, StoreFull
from gridwright.store.backup.draft import drafted
from gridwright.store.backup.file import SUFFIX


def full(folder: Path) -> StoreFull:
    """Return what is told where a copy has no room."""
    return StoreFull(
        "there is no room for a copy of the database",
        where=str(folder),
        remedy="make room there, or name another place; the database is as it was",
    )


def unwritten(error: OSError, folder: Path) -> StoreError:
    """Return what a place said that a database was to be written to."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return full(folder)
    return StoreError(
        f"the file cannot be written: {error.strerror or error}",
        where=str(folder),
        remedy="check the folder, its permissions and the room there",
    )


@contextmanager
def temporary(beside: Path) -> Iterator[Path]:
    """Yield the path of a file in the same folder, which is gone afterwards unless it was renamed."""
    try:
        with drafted(beside, suffix=SUFFIX) as path:
            yield path
    except OSError as error:
        raise unwritten(error, beside) from error
