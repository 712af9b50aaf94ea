"""Who changes a key file has it alone, from reading it until nothing needs the keys that go: of two, one loses a key.

A lock of the system (flock) on a file beside it, which goes with the process that holds it, however that ends. A file
system that gives no locks is told, and nothing is changed there: a mark in its place would outlast a killed process.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gridwright.domain.errors import StoreError, StoreLocked

SUFFIX = ".lock"


@contextmanager
def key_file_alone(key_file: Path) -> Iterator[None]:
    """Hold a key file; StoreLocked at once where somebody else changes its keys."""
    real = key_file.resolve()  # by whatever name it is reached
    path = real.with_name(real.name + SUFFIX)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _not_held(path, error, "make the folder writable for this user") from error
    try:
        _lock(handle, key_file, path)
        yield
    finally:
        os.close(handle)  # the file stays: one that is deleted could be held twice


def _lock(handle: int, key_file: Path, path: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StoreLocked(
            "another process changes the master key",
            where=str(key_file),
            remedy="wait until it is done, and call again: the keys are as that one leaves them",
        ) from error
    except OSError as error:
        remedy = "no key is changed without a lock (flock): keep the key file on a file system that gives locks"
        raise _not_held(path, error, remedy) from error


def _not_held(path: Path, error: OSError, remedy: str) -> StoreError:
    reason = (error.strerror or str(error)).lower()
    return StoreError(f"the key file cannot be locked: {reason}", where=str(path), remedy=remedy)
