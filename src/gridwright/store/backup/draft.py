"""Files that are not whole yet: nobody else's eyes, held by a lock, and swept away after a process that was killed."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

DRAFT = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{12}\.tmp")
COMPANIONS = ("", "-wal", "-shm", "-journal")


@contextmanager
def drafted(beside: Path, *, suffix: str) -> Iterator[Path]:
    """Yield an empty file in the same folder, which is gone afterwards unless it was renamed.

    What a killed process left there (of a file of this name, or of any that ends in `suffix`) goes first: it may be
    the whole database in plain.
    """
    beside.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    sweep(beside, suffix)
    path = beside.with_name(f".{beside.name}.{secrets.token_hex(6)}.tmp")
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield path
    finally:
        os.close(lock)
        _unlink(path)


def sweep(beside: Path, suffix: str) -> None:
    """Delete drafts that no process holds."""
    for path in beside.parent.glob(".*.tmp"):
        match = DRAFT.fullmatch(path.name)
        if match is None or not (match["name"] == beside.name or match["name"].endswith(suffix)):
            continue
        with suppress(OSError):
            lock = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _unlink(path)
            finally:
                os.close(lock)


def _unlink(path: Path) -> None:
    for end in COMPANIONS:
        with suppress(OSError):
            path.with_name(path.name + end).unlink(missing_ok=True)
