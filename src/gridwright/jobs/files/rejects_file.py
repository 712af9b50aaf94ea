"""The file of what could not be taken: line, reason, remedy, value and record, safe to continue after a crash."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path

from gridwright.domain.errors import UsageError
from gridwright.domain.verdict import Reject

COLUMNS = ("line", "reason", "remedy", "value", "record")
RISKY = ("=", "+", "-", "@", "\t")  # a spreadsheet would run a cell that begins so


class RejectsFile:
    """Appends rejects as CSV; `size` after each append is what a resumed import cuts the file back to.

    The file appears with its first reject, so that no file means that nothing was refused.
    """

    def __init__(self, path: Path, source: Path, *, keep_bytes: int) -> None:
        if path.resolve() == source.resolve():
            raise UsageError("the rejects would overwrite the file that is read", where=str(path))
        self.path = path
        self.size = keep_bytes if path.exists() else 0
        try:
            if path.exists():
                os.truncate(path, min(self.size, path.stat().st_size))
            if self.size == 0:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(path, error) from error

    def append(self, rejects: Sequence[Reject]) -> int:
        """Write the rejects through to the disk and return the size of the file."""
        if not rejects:
            return self.size
        try:
            with self.path.open("a", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                if self.size == 0:
                    writer.writerow(COLUMNS)
                writer.writerows([(r.line, *map(_harmless, (r.reason, r.remedy, r.value, r.record))) for r in rejects])
                file.flush()
                os.fsync(file.fileno())
                self.size = file.tell()
        except OSError as error:
            raise _unwritable(self.path, error) from error
        return self.size


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(RISKY) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text.partition(" ")[0])
    except ValueError:
        return False
    return True


def _unwritable(path: Path, error: OSError) -> UsageError:
    return UsageError(f"rejects cannot be written: {error.strerror}", where=str(path), remedy="name another file")
