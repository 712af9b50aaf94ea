"""Names of files that come from anywhere: made safe, shown to people, and kept apart when two are the same."""

from __future__ import annotations

import hashlib
import os
import stat
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from gridwright.domain.errors import InputError

LONGEST_NAME = 180  # bytes; the endings that are added fit into the 255 of a file system
PIECE = 1 << 20


def safe_name(name: str) -> str:
    """Return a name that every database and terminal can hold: printable, valid UTF-8, not too long."""
    plain = "".join(mark if mark.isprintable() and not _is_stray(mark) else "_" for mark in name).lstrip(".") or "_"
    if plain == name and len(plain.encode()) <= LONGEST_NAME:
        return plain
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:8]
    stem, dot, ending = plain.rpartition(".")
    stem, ending = (stem, dot + ending) if dot and len(ending) <= 12 else (plain, "")  # noqa: PLR2004 - no ending is longer
    room = LONGEST_NAME - len(ending.encode()) - len(digest) - 1
    return f"{stem.encode()[:room].decode('utf-8', 'ignore')}.{digest}{ending}"


def _is_stray(mark: str) -> bool:
    return unicodedata.category(mark) in {"Cs", "Cc", "Cf"}


def shown(name: str) -> str:
    """Return a name as people may see it: what cannot be printed is written as an escape."""
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in name)


def free_name(folders: Sequence[Path], claimed: Path) -> str:
    """Return the name a file has when it is put aside: its own, or one with its digest where that is taken.

    It is the same after a crash, so that the rejects of an interrupted import go on in the same file.
    """
    if not _taken(folders, claimed.name):
        return claimed.name
    digest = _digest(claimed)[:12] if stat.S_ISREG(claimed.lstat().st_mode) else "special"
    stem, ending = claimed.stem, claimed.suffix
    for number in range(1, 1000):
        name = f"{stem}.{digest}{'' if number == 1 else f'-{number}'}{ending}"
        if not _taken(folders, name):
            return name
    raise InputError(f"{claimed.name} came a thousand times", remedy="clear the folders done and failed")


def _taken(folders: Sequence[Path], name: str) -> bool:
    return any(os.path.lexists(folder / name) for folder in folders)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                digest.update(piece)
    except PermissionError:
        return "unreadable"
    return digest.hexdigest()
