"""The folder of the buffer: its lock, and the mark of what the centre has."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec

from gridwright.domain.errors import ConfigError, NotFound, StoreCorrupt, StoreError, StoreFull, StoreLocked
from gridwright.durable import replace_file
from gridwright.edge.segment import NAME, Segment, sealed_path

FULL = (errno.ENOSPC, errno.EDQUOT)
MARK_FILE, LOCK_FILE, STATUS_FILE, QUARANTINE = "mark.json", "lock", "status.json", "quarantine"


class Sent(msgspec.Struct, frozen=True, array_like=True):
    """Under which name, and to which address, records went; `last_us`: when the last came in, None = unknown."""

    edge: str = ""
    to: str = ""
    last_us: int | None = None


UNKNOWN = Sent()


class Ended(msgspec.Struct, frozen=True, array_like=True):
    """An epoch of which the centre acknowledged all up to a number; `last_us`: when that came in, None = unknown."""

    epoch: str
    through: int
    last_us: int | None = None


class Forgotten(msgspec.Struct, frozen=True):
    """Numbers that the centre had acknowledged and has no more, and that are no more here either."""

    epoch: str
    first: int
    last: int
    until_us: int | None = None


class Mark(msgspec.Struct, frozen=True):
    """What the centre has: everything before `epoch`, and of it the numbers up to `through`; and what is gone.

    `untold`: (epoch, first, last) of epochs that were dropped to their end, which the centre does not know yet;
    `dropped_to`: the last record dropped for want of room; `ordinal`: the number of the last file; `sent`: how the last
    record went that is acknowledged; `ended`: the epochs before it, which a centre from an older backup may lack;
    `forgotten`: what it was found to lack.
    """

    epoch: str = ""
    through: int = 0
    dropped: int = 0
    dropped_to: tuple[str, int] = ("", 0)
    untold: tuple[tuple[str, int, int], ...] = ()
    damaged: int = 0
    ordinal: int = 0
    sent: Sent = UNKNOWN
    ended: tuple[Ended, ...] = ()
    forgotten: tuple[Forgotten, ...] = ()


def require_used(folder: Path) -> None:
    """Refuse a folder on which no edge ever ran, and make nothing there: a mistyped one must not look drained."""
    try:
        names = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        names = []
    except OSError as error:
        raise _unusable(folder, error) from error
    # A status alone does not tell: an edge that found its disk full wrote none, and may have records that wait.
    if not any(name in (STATUS_FILE, MARK_FILE) or NAME.fullmatch(name) for name in names):
        raise NotFound(
            "no edge has run on this folder", where=str(folder), remedy="gridwright edge run --folder DIR starts one"
        )


def _unusable(folder: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"the folder of the buffer cannot be used: {(error.strerror or str(error)).lower()}",
        where=str(folder),
        remedy="name a folder that this user can write to",
    )


def locked(folder: Path) -> IO[bytes]:
    """Make the folder and lock it for this process; StoreLocked where another one has it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (folder / LOCK_FILE).open("ab")
    except OSError as error:
        raise _unusable(folder, error) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise StoreLocked(
            "an edge is running on this folder", where=str(folder), remedy="end it, or name another folder"
        ) from error
    return file


def is_locked(folder: Path) -> bool:
    """Tell whether an edge runs on the folder."""
    try:
        with (folder / LOCK_FILE).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def read_mark(folder: Path) -> Mark:
    """Return the mark; one that cannot be read is as none: then records are sent again, and the centre knows them."""
    with suppress(OSError, msgspec.DecodeError):
        return msgspec.json.decode((folder / MARK_FILE).read_bytes(), type=Mark)
    return Mark()


def save_mark(folder: Path, mark: Mark, *, durable: bool) -> None:
    """Replace the mark at once; `durable`: and have it on the disk when this returns."""
    replace_file(folder / MARK_FILE, msgspec.json.encode(mark), durable=durable)


def note_dropped(folder: Path, mark: Mark, victim: Segment) -> None:
    """Save the mark that counts a file as dropped; where the disk has no room even for that, the file makes it."""
    try:
        save_mark(folder, mark, durable=True)
    except OSError as error:
        if error.errno not in FULL or victim.path != sealed_path(victim):
            raise trouble(error, folder) from error
        try:
            # Its name stays, and tells the numbers: after a crash here they are told as lost all the same.
            os.truncate(victim.path, 0)
            victim.size = 0
            save_mark(folder, mark, durable=True)
        except OSError as again:
            raise trouble(again, folder) from again


def trouble(error: OSError, folder: Path) -> StoreError:
    """Return what the disk said as an error of ours."""
    reason, place = (error.strerror or str(error)).lower(), str(folder)
    if error.errno in FULL:
        return StoreFull("the disk of the buffer is full", where=place, remedy="make room on it")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return StoreError(f"the buffer cannot be written: {reason}", where=place, remedy="make the disk writable again")
    return StoreCorrupt(f"the disk of the buffer fails: {reason}", where=place, remedy="check the disk")
