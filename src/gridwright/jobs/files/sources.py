"""Open what a path names: a plain file, or the files inside a zip or gzip, with errors that say what to do."""

from __future__ import annotations

import mmap
from pathlib import Path

from gridwright.domain.errors import NotFound, UnreadableFile
from gridwright.formats.container import Content, unwrap

MAPPED_FROM = 64 << 20  # smaller files are read at once, so that one cut short meanwhile cannot hurt


def open_source(path: Path) -> list[Content]:
    """Return the plain files that `path` holds; NotFound or UnreadableFile when there is none."""
    if path.is_dir():
        raise UnreadableFile("this is a directory", where=str(path), remedy="name one file in it")
    try:
        data = _bytes(path)
    except FileNotFoundError as error:
        raise NotFound("no such file", where=str(path), remedy="check the path") from error
    except PermissionError as error:
        raise UnreadableFile("permission denied", where=str(path), remedy="allow reading, e.g. chmod u+r") from error
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"cannot be read: {error}", where=str(path)) from error
    if len(data) == 0:
        raise UnreadableFile("the file is empty", where=str(path), remedy="fetch it again")
    return unwrap(data, path.name)


def _bytes(path: Path) -> memoryview:
    with path.open("rb") as file:
        if not path.is_file() or path.stat().st_size < MAPPED_FROM:
            return memoryview(file.read())
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
