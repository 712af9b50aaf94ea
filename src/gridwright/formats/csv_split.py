"""Bytes of a CSV file to rows and columns, with the exact line of every row, whatever is broken around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gridwright.domain.verdict import Reject
from gridwright.formats.layout import Batch, Layout
from gridwright.formats.row_verdicts import LONGEST_RECORD
from gridwright.formats.source import KEPT_REJECTS, Chunk
from gridwright.formats.text import Encoding, is_open, rows_of, shortened

if TYPE_CHECKING:
    import pyarrow as pa

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

CHUNK_BYTES = 16 * 2**20
USUAL_ROW = 2**16  # bytes that hardly any row has
NEWLINE, RETURN, QUOTE = 10, 13, 34
OPEN = ("a quote is opened and not closed", "close it or leave it out; the file may be cut off there")
# What pyarrow may read as "no value" beside numbers; anything else is looked at one by one.
NULLS = ["", "Null", "NULL", "null", "NA", "N/A", "n/a", "na", "-", "--", "NaN", "nan", "None", "NAN"]


@dataclass(frozen=True, slots=True)
class Framing:
    """How the file is cut into rows: `start` is the byte of its first data row, on line `line`; `width` its columns.

    `multiline`: quoted fields may hold newlines. `order`: which column of the layout each of its columns is, where a
    header in between changes their order; `end`: the byte at which the next such header begins, 0 where none does.
    `foreign`: the header above it, where it names other columns than the first one: its rows are refused.
    """

    encoding: Encoding
    separator: str
    start: int
    line: int
    width: int
    multiline: bool = False
    order: tuple[int, ...] = ()
    end: int = 0
    foreign: str = ""

    @property
    def places(self) -> Sequence[int]:
        """The column of the layout that stands in each column of the file."""
        return self.order or range(self.width)


def cut(data: memoryview, framing: Framing, after: int = 0, *, size: int = CHUNK_BYTES) -> Iterator[Chunk]:
    """Cut the data rows into chunks of about `size` bytes that end with a row."""
    start = max(after, framing.start)
    data = data[: framing.end or len(data)]
    line = framing.line + newlines_in(data[framing.start : start], framing)
    while start < len(data):
        end = _row_end(data, start, min(start + size, len(data)), framing)
        yield Chunk(start, end, line)
        line += newlines_in(data[start:end], framing)
        start = end


def units_of(data: memoryview, framing: Framing) -> npt.NDArray[np.uint8]:
    """Return the code units of some bytes."""
    width = framing.encoding.width
    usable = data[: len(data) // width * width]
    return np.frombuffer(usable, np.dtype(framing.encoding.unit))


def newlines_in(data: memoryview, framing: Framing) -> int:
    """Count the line ends of some bytes."""
    return int(np.count_nonzero(units_of(data, framing) == NEWLINE))


def _row_end(data: memoryview, start: int, end: int, framing: Framing) -> int:
    """Return where the last whole row before `end` ends; a longer row than that is taken whole."""
    if end >= len(data):
        return len(data)
    while True:
        near = start + max(0, end - start - USUAL_ROW) // framing.encoding.width * framing.encoding.width
        for begin in (start,) if framing.multiline else (near, start):
            last = _last_closing(data[begin:end], framing)
            if last:
                return begin + last
        if end >= len(data):
            return len(data)
        end = min(len(data), end + (end - start))


def _last_closing(data: memoryview, framing: Framing) -> int:
    """Return how many bytes there are up to the end of the last whole row, 0 where none ends."""
    units = units_of(data, framing)
    closing = np.flatnonzero(units == NEWLINE)
    if framing.multiline and closing.size:
        closing = np.asarray(closing[~_inside_quotes(units)[closing]])
    return (int(closing[-1]) + 1) * framing.encoding.width if closing.size else 0


def _inside_quotes(units: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    return np.asarray(np.logical_xor.accumulate(units == QUOTE))


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The rows of a piece of UTF-8 text: bytes [start, end) and 1-based line of each that is not blank."""

    text: bytes
    start: Ints
    end: Ints
    line: Ints

    def record(self, row: int) -> str:
        """Return the text of a row."""
        return self.text[int(self.start[row]) : int(self.end[row])].decode("utf-8", "replace")


def rows_in(text: bytes, first_line: int, *, multiline: bool) -> Rows:
    """Find the rows of a text."""
    units: Bytes = np.frombuffer(text, np.uint8)
    newlines: Ints = np.flatnonzero(units == NEWLINE)
    closing = newlines[~_inside_quotes(units)[newlines]] if multiline and newlines.size else newlines
    start = np.r_[0, closing + 1]
    end = np.r_[closing, units.size]
    if start[-1] == units.size:  # behind the last line end
        start, end = start[:-1], end[:-1]
    before: Ints = np.arange(start.size) if not multiline else np.asarray(np.searchsorted(newlines, start))
    line = before + first_line
    if b"\r" in text:
        last = np.asarray(units[np.maximum(end - 1, 0)])
        end = end - ((end > start) & (last == RETURN))
    filled = end > start
    return Rows(text, start, end, line) if filled.all() else Rows(text, start[filled], end[filled], line[filled])


def to_text(data: memoryview, chunk: Chunk, framing: Framing) -> bytes:
    """Return a chunk as valid UTF-8 bytes; broken characters become U+FFFD."""
    piece = bytes(data[chunk.start : chunk.end])
    if framing.encoding.is_bytewise and piece.isascii():
        return piece
    return framing.encoding.to_utf8(piece)


def split(data: memoryview, chunk: Chunk, layout: Layout, framing: Framing, *, as_text: bool = False) -> Batch:
    """Split a chunk into the columns of a layout, `as_text` its numbers too; rows of another width are rejected."""
    text = to_text(data, chunk, framing)
    rows = rows_in(text, chunk.first_line, multiline=framing.multiline)
    if not rows.line.size:
        return Batch({index: _empty() for index in layout.columns}, rows.line, rows.record)
    quick = _quick(rows, layout, framing, as_text=as_text)
    if quick is not None:
        return quick
    careful = _careful(rows, layout, framing)
    if not framing.multiline or not careful.rejected:
        return careful
    # A lost quote swallows the rows behind it: line by line, more of them may stand.
    lines = rows_in(text, chunk.first_line, multiline=False)
    by_line = _careful(lines, layout, replace(framing, multiline=False))
    return by_line if by_line.rows > careful.rows else careful


def _empty() -> pa.Array:
    import pyarrow as pa

    return pa.array([], pa.binary())


def _quick(rows: Rows, layout: Layout, framing: Framing, *, as_text: bool) -> Batch | None:
    """Split with pyarrow; None when its rows are not the ones we counted, as after a stray quote."""
    import pyarrow as pa

    if _is_open(rows.record(rows.line.size - 1), framing):
        return None
    odd: list[tuple[int, int]] = []
    table = None
    with suppress(pa.ArrowInvalid):
        table = _arrow(rows.text, layout, framing, odd, numbers=not as_text)
    if table is None or _is_infinite(table):  # as text, what is no number is shown as it was written
        odd.clear()
        try:
            table = _arrow(rows.text, layout, framing, odd, numbers=False)
        except pa.ArrowInvalid:
            return None
    if table.num_rows + len(odd) != rows.line.size:
        return None
    kept = np.ones(rows.line.size, np.bool_)
    kept[[number - 1 for number, _ in odd]] = False
    rejects = _wrong_width(rows, odd, framing)
    columns = {index: _whole(table.column(place)) for place, index in enumerate(layout.columns)}
    if not odd:
        return Batch(columns, rows.line, rows.record)
    place = np.flatnonzero(kept)
    return Batch(columns, rows.line[kept], _record_of(rows, place), 0, rejects, len(odd))


def _is_infinite(table: pa.Table) -> bool:
    """Tell whether any number is too large for a float."""
    import pyarrow as pa
    from pyarrow import compute

    numbers = (column for column in table.columns if pa.types.is_floating(column.type))
    return any(compute.any(compute.is_inf(column)).as_py() for column in numbers)


def _record_of(rows: Rows, place: Ints) -> Callable[[int], str]:
    return lambda row: rows.record(int(place[row]))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    import pyarrow as pa

    if column.num_chunks == 1:
        return column.chunk(0)
    unified = column.unify_dictionaries() if pa.types.is_dictionary(column.type) else column
    return unified.combine_chunks() if unified.num_chunks else pa.array([], column.type)


def _arrow(text: bytes, layout: Layout, framing: Framing, odd: list[tuple[int, int]], *, numbers: bool) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv

    # Otherwise it takes Ctrl-C for itself while it reads, and loses it where the text turns out not to parse.
    pa.enable_signal_handlers(False)  # noqa: FBT003 - its only parameter
    names = [str(index) for index in framing.places]
    types = {str(index): pa.binary() for index in layout.texts}
    coded = (layout.point, layout.unit, layout.quality, layout.register, layout.multiplier, layout.dials)
    types |= {str(index): pa.dictionary(pa.int32(), pa.binary()) for index in coded if index is not None}
    types |= {str(index): pa.float64() if numbers else pa.binary() for index in layout.numbers}

    def on_odd_row(row: csv.InvalidRow) -> str:
        odd.append((row.number, row.actual_columns))
        return "skip"

    return csv.read_csv(
        pa.BufferReader(text),
        read_options=csv.ReadOptions(use_threads=False, column_names=names, block_size=len(text) + 1),
        parse_options=csv.ParseOptions(
            delimiter=framing.separator, invalid_row_handler=on_odd_row, newlines_in_values=framing.multiline
        ),
        convert_options=csv.ConvertOptions(
            column_types=types,
            include_columns=[str(index) for index in layout.columns],
            check_utf8=False,
            strings_can_be_null=False,
            null_values=NULLS,
            decimal_point=layout.numerals.decimal,
        ),
    )


def _wrong_width(rows: Rows, odd: list[tuple[int, int]], framing: Framing) -> tuple[Reject, ...]:
    usual = "complete the row, or quote values that hold the separator"
    return tuple(
        Reject(
            int(rows.line[number - 1]),
            *(OPEN if count < 0 else (f"{count} columns where the file has {framing.width}", usual)),
            record=shortened(rows.record(number - 1), LONGEST_RECORD),
        )
        for number, count in odd[:KEPT_REJECTS]
    )


def _careful(rows: Rows, layout: Layout, framing: Framing) -> Batch:
    """Split row by row, so that a stray quote damages its own row only."""
    import pyarrow as pa

    fields: list[list[str]] = []
    kept: list[int] = []
    odd: list[tuple[int, int]] = []
    for row in range(rows.line.size):
        record = rows.record(row)
        cells = _cells(record, framing)
        if _is_open(record, framing):
            odd.append((row + 1, -1))
        elif len(cells) == framing.width:
            fields.append(cells)
            kept.append(row)
        else:
            odd.append((row + 1, len(cells)))
    place_of = {index: place for place, index in enumerate(framing.places)}
    columns = {
        index: pa.array([cells[place_of[index]].encode() for cells in fields], pa.binary()) for index in layout.columns
    }
    place = np.array(kept, np.int64)
    return Batch(columns, rows.line[place], _record_of(rows, place), 0, _wrong_width(rows, odd, framing), len(odd))


def _cells(record: str, framing: Framing) -> list[str]:
    found = rows_of(_lines(record, framing), framing.separator)
    return found[0] if len(found) == 1 else []


def _is_open(record: str, framing: Framing) -> bool:
    return '"' in record and is_open(_lines(record, framing), framing.separator)


def _lines(record: str, framing: Framing) -> list[str]:
    return record.splitlines(keepends=True) if framing.multiline else [record.replace("\r", " ")]
