"""Who seals with a key file, written beside it: of two that share one, neither may forget keys that the other needs."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

SUFFIX = ".users"


def users_file(key_file: Path) -> Path:
    """Return where the users of a key file are written."""
    return key_file.with_name(key_file.name + SUFFIX)


def seen_from(key_file: Path, where: Path) -> str:
    """Return a path as it is written there: from the key file's folder, so that both may be moved together."""
    return os.path.relpath(where.resolve(), key_file.resolve().parent)


def note_user(key_file: Path, user: str) -> None:
    """Write down, once, that somebody seals with the file; a folder that takes no file keeps no such list."""
    with contextlib.suppress(OSError):
        if user not in users(key_file):
            handle = os.open(users_file(key_file), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with os.fdopen(handle, "a", encoding="utf-8") as file:
                file.write(f"{user}\n")


def users(key_file: Path) -> tuple[str, ...]:
    """Return who is known to seal with the file; none where nobody wrote it down."""
    with contextlib.suppress(OSError):
        lines = users_file(key_file).read_text(encoding="utf-8", errors="replace").splitlines()
        return tuple(dict.fromkeys(line for line in lines if line.strip()))
    return ()
