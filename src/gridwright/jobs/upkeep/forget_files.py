"""Forget files that were put aside long ago."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def forget_files(folders: Iterable[Path], *, before_s: float) -> int:
    """Delete plain files that were put into folders before an instant (seconds since 1970), and return how many.

    A rename leaves the time of the content and sets that of the entry, so the latter counts.
    """
    gone = 0
    for folder in folders:
        for path in folder.iterdir() if folder.is_dir() else ():
            with suppress(OSError):
                if not path.is_symlink() and path.is_file() and path.stat().st_ctime < before_s:
                    path.unlink()
                    gone += 1
    return gone
