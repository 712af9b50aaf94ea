"""Files that are on the disk when a function returns, with their names."""

from __future__ import annotations

import os
from pathlib import Path


def private(path: str, flags: int) -> int:
    """Open a file so that, where it is made, it is for this user alone: an `opener` of `open`."""
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def replace_file(path: Path, content: bytes, *, durable: bool) -> None:
    """Write a file anew so that whoever reads it sees the old or the new one, never a half."""
    fresh = path.with_suffix(".new")
    with open(fresh, "wb", opener=private) as file:
        file.write(content)
        file.flush()
        if durable:
            os.fsync(file.fileno())
    fresh.replace(path)
    if durable:
        sync(path.parent)


def sync(path: Path) -> None:
    """Make a file durable, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
