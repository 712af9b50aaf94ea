"""Who else may read what holds readings and keys, as the doctor sees it: nobody but its owner should."""

from __future__ import annotations

import shlex
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from gridwright.jobs.upkeep.health import Check, fine, warns

BESIDE = ("", "-wal", "-shm")
NAMED = 3  # paths that a sentence names


def check_modes(name: str, paths: Sequence[Path]) -> Iterator[Check]:
    """Name the files and folders that others than their owner may read or write; what is not there is left out."""
    modes = {path: mode for path in paths if (mode := _mode(path)) is not None}
    open_ones = {path: mode for path, mode in modes.items() if stat.S_IMODE(mode) & 0o077}
    if not modes:
        return
    if not open_ones:
        yield fine(name, "for their owner alone")
        return
    first = list(open_ones.items())[:NAMED]
    told = ", ".join(f"{path} ({stat.S_IMODE(mode):o})" for path, mode in first)
    more = f" and {len(open_ones) - NAMED} more" if len(open_ones) > NAMED else ""
    # `X` lets a folder be entered, and makes no file a program.
    remedy = f"chmod u=rwX,go= {' '.join(shlex.quote(str(path)) for path, _ in first)}"
    yield warns(name, f"others may read {told}{more}", remedy)


def with_companions(file: Path) -> list[Path]:
    """Return a database file and those that SQLite keeps beside it."""
    return [file.with_name(file.name + end) for end in BESIDE]


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except OSError:  # absent, or hidden from us: other checks tell
        return None
