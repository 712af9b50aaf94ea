"""Whether a SQLite file is still the one that was opened: what is moved or replaced takes writes that nobody finds."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import URL

from gridwright.domain.errors import StoreMoved
from gridwright.store.engine import file_of


class OpenedFile:
    """The file of a database as it was when it was opened; of a server's, and of one in memory, nothing is known."""

    def __init__(self, url: URL) -> None:
        local = file_of(url)
        self._path = os.path.abspath(local) if local else ""  # noqa: PTH100 - looked at for each commit
        self._opened = _identity(self._path) if local else None

    def require_same(self) -> None:
        """Raise StoreMoved when another file, or none, is in its place."""
        if self._opened is None:
            return
        found = _identity(self._path)
        if found == self._opened:
            return
        raise StoreMoved(
            f"the database file was {'moved away' if found is None else 'replaced by another'} while it was open",
            where=str(Path(self._path)),
            remedy="bring it back, or stop what uses the database and start it again; until then nothing is taken",
        )


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - a third of what a Path costs, for each commit
    except OSError:
        return None
    return found.st_dev, found.st_ino
