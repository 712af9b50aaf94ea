"""Cutting a document into pieces that begin with an element, and finding places and lines in it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gridwright.formats.source import Chunk

WINDOW = 1 << 20
BEHIND_NAME = rb"(?=[ \t\r\n/>]|\Z)"
TAIL_BYTES = 4096


def positions(data: memoryview, mark: bytes, start: int = 0) -> Iterator[int]:
    """Yield the places from `start` on where an element begins whose `<` and name are `mark`."""
    # Where `<` is nearly everywhere, an expression finds the mark twice as quickly as `find` does.
    whole = re.compile(re.escape(mark) + BEHIND_NAME)
    while start < len(data):
        window = bytes(data[start : start + WINDOW + len(mark)])
        yield from (start + found.start() for found in whole.finditer(window) if found.start() < WINDOW)
        start += WINDOW


def cut(data: memoryview, mark: bytes, chunk_bytes: int, after: int = 0) -> Iterator[Chunk]:
    """Cut before elements, each piece at least `chunk_bytes` long; the first holds what stands before any."""
    line, start, total = 1 + line_feeds(data, 0, after), after, len(data)
    while start < total:
        end = _boundary(data, mark, start, start + chunk_bytes)
        yield Chunk(start, end, line)
        line += line_feeds(data, start, end)
        start = end


def _boundary(data: memoryview, mark: bytes, start: int, place: int) -> int:
    """Return where an element begins at or behind a place, outside comments; the end of the data where none does."""
    while True:
        found = next(positions(data, mark, place), len(data))
        if found >= len(data):
            return found
        before = bytes(data[max(start, found - WINDOW) : found])
        if before.rfind(b"<!--") <= before.rfind(b"-->"):
            return found
        place = _find(data, b"-->", found)


def _find(data: memoryview, text: bytes, start: int) -> int:
    """Return the place of a text at or behind `start`, the end of the data where there is none."""
    while start < len(data):
        place = bytes(data[start : start + WINDOW + len(text)]).find(text)
        if place >= 0:
            return start + place
        start += WINDOW
    return len(data)


def line_feeds(data: memoryview, start: int, end: int) -> int:
    """Count the line feeds in bytes [start, end), a window at a time."""
    return sum(bytes(data[at : min(at + WINDOW, end)]).count(b"\n") for at in range(start, end, WINDOW))


def line_of(data: memoryview, place: int) -> int:
    """Return the number of the line that a place is in."""
    return 1 + line_feeds(data, 0, place)


def is_cut_off(data: memoryview, root: bytes) -> bool:
    """Tell whether a document ends before its root element does."""
    return b"</" + root not in bytes(data[-TAIL_BYTES:])
