"""Where a header between the rows of a CSV file changes the order of the columns, as in files that were joined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from gridwright.formats.csv_split import Framing
from gridwright.formats.text import split_line

SEARCHED_BYTES = 64 * 2**20
MOST_HITS = 10_000  # of a name that is no header after all


def stretches(data: memoryview, framing: Framing, header: Sequence[str]) -> tuple[Framing, ...]:
    """Return how the rows up to each such header are framed, and those behind the last one; mostly it is one framing.

    A longer file is not searched: its rows behind such a header are refused, as they do not fit.
    """
    if not any(header) or framing.multiline or framing.encoding.width > 1 or len(data) > SEARCHED_BYTES:
        return (framing,)
    framed = [framing]
    for start, end, cells in _headers(data, framing, header):
        order = tuple(map(header.index, cells))
        last = framed[-1]
        if order == tuple(last.places):
            continue
        line = last.line + bytes(data[last.start : end]).count(b"\n")
        framed[-1] = replace(last, end=start)
        framed.append(replace(framing, start=end, line=line, order=order))
    return tuple(framed)


def is_header_again(cells: Sequence[str], header: Sequence[str]) -> bool:
    """Tell whether a row holds the names of the columns, in whatever order."""
    return len(cells) == len(header) and {cell.strip() for cell in cells} == set(header)


def _headers(data: memoryview, framing: Framing, header: Sequence[str]) -> Iterator[tuple[int, int, list[str]]]:
    """Yield (start, end, cells) of each line behind the first that holds all names of the header."""
    text = bytes(data[framing.start :])
    name = max(header, key=len).encode(framing.encoding.name, "replace")
    at = text.find(name)
    for _ in range(MOST_HITS):
        if at < 0:
            return
        begin, end = text.rfind(b"\n", 0, at) + 1, text.find(b"\n", at) + 1 or len(text)
        cells = [cell.strip() for cell in split_line(_line(text[begin:end], framing), framing.separator)]
        if is_header_again(cells, header):
            yield framing.start + begin, framing.start + end, cells
        at = text.find(name, end)


def _line(raw: bytes, framing: Framing) -> str:
    return framing.encoding.to_utf8(raw[: 1 << 16]).decode().rstrip("\r\n")
