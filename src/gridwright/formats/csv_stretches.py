"""Headers between the rows of a CSV file, as in files that were joined: other orders of the columns, or others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from gridwright.formats.columns import kind_of
from gridwright.formats.csv_split import NEWLINE, Framing, newlines_in, units_of
from gridwright.formats.roles import role_of
from gridwright.formats.text import is_no_value, split_line

Ints = npt.NDArray[np.int64]

WINDOW_BYTES = 2**20
# A header is no longer than this, and has fewer digits than a row with a date and a number.
LONGEST_HEADER, MOST_DIGITS = 2**16, 6
WORTH_COUNTING = 64  # rows of a window, from which on their digits are counted at once
MOST_HITS = 10_000  # of a name that is no header after all
DIGITS = b"0123456789"
TIMES = frozenset({"time", "date", "end"})
# What a row must not begin or end with to be looked at: so do most rows of readings, and a few names of columns.
NUMERIC_EDGE = re.compile(r"^.?\d\d|^\d.\d|\d\d$")


def stretches(data: memoryview, framing: Framing, header: Sequence[str]) -> tuple[Framing, ...]:
    """Return how the rows up to each such header are framed, and those behind the last; mostly it is one framing."""
    if not any(header):
        return (framing,)
    framed = [framing]
    for start, end, cells in headers_in(data, framing, header):
        last = framed[-1]
        order, foreign = _order(cells, header), ""
        if order is None:
            order, foreign = (), framing.separator.join(cells)
        if foreign == last.foreign and (foreign or order == tuple(last.places)):
            continue
        line = last.line + newlines_in(data[last.start : end], framing)
        framed[-1] = replace(last, end=start)
        framed.append(replace(framing, start=end, line=line, order=order, foreign=foreign))
    return tuple(framed)


def ends_table(cells: Sequence[str], header: Sequence[str]) -> bool:
    """Tell whether a row is a header: the names of the columns in whatever order, or others that we know."""
    if any(cell.replace(".", "", 1).isdecimal() and cell not in header for cell in cells):
        return False  # as most rows of readings are told, at a tenth of the cost of a look at all their cells
    names = {cell.strip() for cell in cells if not is_no_value(cell)}
    shared = names & set(header)
    if len(names) < 2 or any(kind_of([name]) != "text" for name in names - shared):  # noqa: PLR2004 - two names
        return False
    if _order(cells, header) is not None or len(shared) > 1:
        return True
    # No row of readings holds the name of the column of its times, whatever else it names.
    if TIMES.intersection(map(role_of, shared)):
        return True
    roles = set(filter(None, map(role_of, names)))
    return len(roles) > 1 and bool(roles & TIMES)


def names_of(head: Sequence[str], width: int) -> tuple[str, ...]:
    """Return a name for each column: unnamed ones are numbered from 1, repeated ones are told apart."""
    names: list[str] = []
    for place in range(width):
        name = head[place].strip().strip("\ufeff") if place < len(head) else ""
        name = name or (f"column {place + 1}" if not head else "")
        names.append(f"{name} ({place + 1})" if name and name in names else name)
    return tuple(names)


def _order(cells: Sequence[str], header: Sequence[str]) -> tuple[int, ...] | None:
    """Return which column of the header each cell names, None where they are not its names."""
    if len(cells) > len(header):
        return None
    names = [name.casefold() for name in names_of(cells, len(header))]
    ours = [name.casefold() for name in header]
    return tuple(map(ours.index, names)) if sorted(names) == sorted(ours) else None


def headers_in(data: memoryview, framing: Framing, header: Sequence[str]) -> Iterator[tuple[int, int, list[str]]]:
    """Yield (start, end, cells) of each header behind a row of the table."""
    rows = _rows_of_few_digits(data, framing)
    if _digits("".join(header).encode()) > MOST_DIGITS or any(map(NUMERIC_EDGE.search, header)):
        rows = iter(sorted({*rows, *_rows_that_name(data, framing, max(header, key=len))}))
    leading = framing.start  # what stands above all rows belongs to the first header
    for start, end in rows:
        text = framing.encoding.to_utf8(bytes(data[start:end])).decode().rstrip("\r\n").strip("\ufeff")
        cells = [cell.strip() for cell in split_line(text, framing.separator)]
        if not ends_table(cells, header) or (framing.multiline and _is_quoted(data[framing.start : start], framing)):
            continue
        if start - leading < LONGEST_HEADER and not bytes(data[leading:start]).strip(b"\0\r\n"):
            leading = end
        else:
            yield start, end, cells


def _is_quoted(before: memoryview, framing: Framing) -> bool:
    return bool(np.count_nonzero(units_of(before, framing) == ord('"')) % 2)


def _digits(text: bytes) -> int:
    return len(text) - len(text.translate(None, DIGITS))


def _rows_of_few_digits(data: memoryview, framing: Framing) -> Iterator[tuple[int, int]]:
    """Yield the bytes of each line that holds too few digits to be a reading."""
    width, begin, size = framing.encoding.width, framing.start, WINDOW_BYTES
    while begin + width <= len(data):  # half a character may close a broken file
        units = units_of(data[begin : begin + size], framing)
        closing = np.flatnonzero(units == NEWLINE)
        whole = begin + size >= len(data)
        if not closing.size and not whole:
            size *= 2
            continue
        end = np.r_[closing, units.size] if whole else closing
        start = np.r_[0, closing + 1][: end.size]
        for row in _few(units, start, end).tolist():
            first, last = begin + int(start[row]) * width, begin + int(end[row]) * width
            if last - first < LONGEST_HEADER and _digits(bytes(data[first:last])) <= MOST_DIGITS:
                yield first, min(last + width, len(data))
        begin = len(data) if whole else begin + (int(closing[-1]) + 1) * width
        size = WINDOW_BYTES


def _few(units: npt.NDArray[np.uint8], start: Ints, end: Ints) -> Ints:
    """Return the rows that have no digits at either end, and hardly any between, by a look at a few places."""
    # Most rows end with a number: both of its last bytes tell them from all headers.
    left = np.flatnonzero(~(_is_digit(units, end - 1) & _is_digit(units, end - 2)))
    left = left[end[left] > start[left]]
    left = left[_counted(units, [start[left] + place for place in (0, 1, 2)]) < 2]  # noqa: PLR2004 - of three
    length = end[left] - start[left]
    between = [start[left] + length * place // 8 for place in range(1, 8)]
    left = np.asarray(left[_counted(units, between) < 4])  # noqa: PLR2004 - of seven
    return left if left.size < WORTH_COUNTING else left[_digits_of(units, start[left], end[left]) <= MOST_DIGITS]


def _is_digit(units: npt.NDArray[np.uint8], places: Ints) -> npt.NDArray[np.bool_]:
    """Tell which places hold a digit."""
    return np.asarray(units.take(places, mode="clip") - np.uint8(48) < np.uint8(10))


def _digits_of(units: npt.NDArray[np.uint8], start: Ints, end: Ints) -> Ints:
    """Return how many digits each row has."""
    bounds = np.minimum(np.stack([start, end], axis=1).ravel(), units.size - 1)
    return np.add.reduceat(units - np.uint8(48) < np.uint8(10), bounds, dtype=np.int64)[::2]


def _counted(units: npt.NDArray[np.uint8], places: Sequence[Ints]) -> npt.NDArray[np.uint8]:
    """Return how many of some places hold a digit, for each row."""
    return np.asarray(np.sum([_is_digit(units, place) for place in places], axis=0, dtype=np.uint8))


def _rows_that_name(data: memoryview, framing: Framing, name: str) -> Iterator[tuple[int, int]]:
    """Yield the bytes of each line that holds a name, for headers of many digits, such as the times of a day."""
    text, sought = bytes(data[framing.start :]), name.encode(framing.encoding.name, "replace")
    newline = "\n".encode(framing.encoding.name)
    at = text.find(sought)
    for _ in range(MOST_HITS):
        if at < 0:
            return
        begin, end = text.rfind(newline, 0, at) + 1, text.find(newline, at) + 1
        begin, end = (begin + len(newline) - 1 if begin else 0), (end + len(newline) - 1 if end else len(text))
        if end - begin < LONGEST_HEADER:
            yield framing.start + begin, framing.start + end
        at = text.find(sought, end)
