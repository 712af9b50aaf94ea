"""Files of JSON lines that are on the disk when they are said to be; many lines at once cost one write."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from gridwright.domain.errors import ConfigError
from gridwright.durable import private, sync


class Lines:
    """Appends to a file; with `limit` bytes it is put aside as `….1` in time, in place of the one before."""

    def __init__(self, path: Path, limit: int | None = None) -> None:
        self.path, self._limit = path, limit
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def add(self, value: object) -> None:
        """Append one line and return once it is on the disk; OSError where that cannot be."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((msgspec.json.encode(value) + b"\n", done))
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write())
        await done

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            failure: OSError | None = None
            try:
                await asyncio.to_thread(self._append, b"".join(line for line, _ in batch))
            except OSError as error:
                failure = error
            for _, done in batch:
                if not done.done():
                    done.set_result(None) if failure is None else done.set_exception(failure)
        self._writing = None

    def _append(self, lines: bytes) -> None:
        size = self.path.stat().st_size if self.path.exists() else 0
        if self._limit is not None and size + len(lines) > self._limit and size:
            self.path.replace(older(self.path))
            size = 0
        with open(self.path, "ab", opener=private) as file:
            # A crash may have left half a line.
            file.write(b"\n" + lines if size and not _ends_well(self.path) else lines)
            file.flush()
            os.fsync(file.fileno())
        if not size:
            sync(self.path.parent)


def older(path: Path) -> Path:
    """Return where a full file is put aside."""
    return path.with_suffix(f".1{path.suffix}")


def read_lines(path: Path) -> Iterator[bytes]:
    """Yield the whole lines of a file and of the one put aside before it, oldest first; none where there is no file."""
    for each in (older(path), path):
        if each.exists():
            yield from (line for line in each.read_bytes().split(b"\n") if line)


def made(folder: Path) -> Path:
    """Make the folder of a listener, for this user alone."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"the listener's folder cannot be made: {(error.strerror or str(error)).lower()}",
            where=str(folder),
            remedy="set mqtt.folder to a folder that this user can write to",
        ) from error
    return folder


def _ends_well(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
