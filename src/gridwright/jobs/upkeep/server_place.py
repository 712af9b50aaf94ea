"""Where servers of a data folder listen: each leaves it there while it runs, whatever port it was given.

A lock of the system (flock) on the file tells whether its server runs: it goes with the process, however that ends.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

PATTERN = "server-{}.json"
TRIES, PAUSE_S = 20, 0.01


class ServerPlace(msgspec.Struct, frozen=True):
    """Where a server listens; `tls_cert`: the certificate by which it speaks HTTPS. `runs`: it did when it was read."""

    host: str
    port: int
    tls_cert: str = ""
    pid: int = 0
    runs: bool = False


@contextmanager
def left_place(folder: Path, place: ServerPlace) -> Iterator[bool]:
    """Leave where a server listens while it runs, and yield whether that was possible: without it the server serves."""
    file = folder / PATTERN.format(place.port)
    handle = _left(file, place)
    _tidy(folder)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            with suppress(OSError):
                file.unlink(missing_ok=True)
            handle.close()


def _left(file: Path, place: ServerPlace) -> BinaryIO | None:
    """Return the file, locked and written; None where the folder takes none, or the server of the port holds it."""
    handle: BinaryIO | None = None
    try:
        handle = os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
        _hold(handle)
        handle.truncate(0)
        handle.write(msgspec.json.encode(msgspec.structs.replace(place, pid=os.getpid())))
        handle.flush()
    except OSError:
        if handle is not None:
            with suppress(OSError):
                handle.close()
        return None
    return handle


def _hold(handle: BinaryIO) -> None:
    """Lock a file; whoever looks whether it is locked holds it for a moment, which is waited for."""
    for left in reversed(range(TRIES)):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not left:
                raise
            time.sleep(PAUSE_S)
        else:
            return


def _tidy(folder: Path) -> None:
    """Take away what servers left that ended without a word: one runs again."""
    for place in read_places(folder):
        if not place.runs:
            with suppress(OSError):
                (folder / PATTERN.format(place.port)).unlink(missing_ok=True)


def read_places(folder: Path) -> list[ServerPlace]:
    """Return where servers of a folder listen, and where those did that ended without a word, by port."""
    found = []
    for file in folder.glob(PATTERN.format("*")):
        with suppress(OSError, msgspec.DecodeError), file.open("rb") as handle:
            place = msgspec.json.decode(handle.read(), type=ServerPlace)
            found.append(msgspec.structs.replace(place, runs=_is_held(handle)))
    return sorted(found, key=lambda one: one.port)


def _is_held(handle: BinaryIO) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    fcntl.flock(handle, fcntl.LOCK_UN)
    return False
