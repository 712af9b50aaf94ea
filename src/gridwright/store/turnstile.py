"""The turn of processes at one SQLite file: who has just written lets go first whoever waits for the lock.

SQLite wakes nobody who waits. He asks again, in the end each tenth of a second, and whoever writes one transaction
after another has the lock at nearly each of these moments.
"""

from __future__ import annotations

import fcntl
import os
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE_S = 0.5  # SQLite asks ten times a second
LOOK_S = 0.001


class Turnstile:
    """Lets one process at a time wait for the lock of a file; the others wait for that, at most half a second.

    It is a courtesy, that of SQLite the lock: where the system gives none, or the one who waits gets nothing, writers
    go on without. What a process holds goes with it, however it ends.
    """

    def __init__(self, file: str | Path) -> None:
        # The folder, for the file itself is SQLite's: closing it would let go of the locks that this process holds.
        self._folder = Path(os.path.abspath(file)).parent  # noqa: PTH100 - of a link, not of what it leads to
        self._handle: int | None = None
        self._useless = False

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Wait for the lock within; nobody who comes later waits for it meanwhile."""
        handle = self._first()
        try:
            yield
        finally:
            if handle is not None:
                fcntl.flock(handle, fcntl.LOCK_UN)

    def _first(self) -> int | None:
        """Return the handle with which this process is the one that waits; None where it is not."""
        until = time.monotonic() + PATIENCE_S
        while not self._useless:
            try:
                handle = self._opened()
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= until:
                    return None
                time.sleep(LOOK_S)
            except OSError:  # a file system without such locks
                self._useless = True
            else:
                return handle
        return None

    def _opened(self) -> int:
        if self._handle is None:
            self._handle = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            weakref.finalize(self, os.close, self._handle)  # not before: another thread might be waiting with it
        return self._handle
