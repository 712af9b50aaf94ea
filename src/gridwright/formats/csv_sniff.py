"""The first look at a CSV file: encoding, separator, preamble, header, and where the data begin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import dropwhile, takewhile

import numpy as np
import numpy.typing as npt

from gridwright.domain.errors import UnreadableFile
from gridwright.domain.verdict import Evidence
from gridwright.formats.columns import Preview, kind_of, kinds_of
from gridwright.formats.csv_split import NEWLINE, Framing
from gridwright.formats.csv_stretches import ends_table, names_of
from gridwright.formats.roles import role_of
from gridwright.formats.source import ReadOptions
from gridwright.formats.text import Encoding, encoding_of, separator_of, split_line

HEAD_BYTES = 2**16
# A head of fewer lines than this is looked at further: a field may be longer than it.
FEWEST_LINES, LONGEST_HEAD = 20, 2**26
LONGEST_CELL = 4096
PREVIEW_ROWS = 300
PREAMBLE_ROWS = 30
MOST_COLUMNS = 4096


@dataclass(frozen=True, slots=True)
class Sniffed:
    """What the head of a file shows."""

    framing: Framing
    preview: Preview
    evidence: tuple[Evidence, ...]


def sniff(data: memoryview, options: ReadOptions) -> Sniffed:
    """Look at the head of a file; an empty or binary one is UnreadableFile."""
    if not len(data) or not bytes(data[:HEAD_BYTES]).strip(b"\0\r\n\t ,;|\xef\xbb\xbf\xff\xfe"):
        raise UnreadableFile("the file is empty", remedy="export it again, or give another file")
    encoding, told_encoding = encoding_of(_spread(data), options.encoding)
    text, ends = _head(data, encoding)
    lines = text.splitlines(keepends=True) if "\n" in text else [text]
    separator, told_separator = separator_of(lines[:PREVIEW_ROWS], options.separator)
    records = _records(text, separator)
    first = _first_row(records)
    framing, preview, told_header = _frame(records, first, ends, Framing(encoding, separator, 0, 1, 0))
    told = (told_encoding, told_separator, told_header)
    return Sniffed(framing, preview, told)


def _spread(data: memoryview) -> bytes:
    """Return the head and, of a long file, pieces of the rest: an accent may come late."""
    pieces = [bytes(data[:HEAD_BYTES])]
    if len(data) <= 8 * 2**20:
        return bytes(data)
    step = len(data) // 16 // 4 * 4
    # Pieces begin at a newline, so that none starts inside a character.
    for start in range(step, len(data) - HEAD_BYTES, step):
        piece = bytes(data[start : start + HEAD_BYTES])
        at, to = piece.find(b"\n"), piece.rfind(b"\n")
        pieces.append(piece[at:to] if to > at else b"")
    return b"".join(pieces)


def _head(data: memoryview, encoding: Encoding) -> tuple[str, list[int]]:
    """Return the text of the head without its mark, cut at a line end, and the byte at which each line ends."""
    size = HEAD_BYTES
    head, newlines = _lines_of(data, encoding, size)
    while newlines.size < FEWEST_LINES and size < min(len(data), LONGEST_HEAD):
        size *= 4
        head, newlines = _lines_of(data, encoding, size)
    whole = len(data) <= size
    end = len(head) if whole or not newlines.size else int(newlines[-1])
    ends = (newlines + encoding.mark).tolist()
    text = encoding.to_utf8(bytes(head[:end])).decode()
    return text.replace("\0", "\ufffd"), [*ends, end + encoding.mark]


def _lines_of(data: memoryview, encoding: Encoding, size: int) -> tuple[memoryview, npt.NDArray[np.int64]]:
    """Return the head of a file without its mark, and the byte of it at which each line ends."""
    head = data[encoding.mark : size]
    units = np.frombuffer(head[: len(head) // encoding.width * encoding.width], np.dtype(encoding.unit))
    return head, (np.flatnonzero(units == NEWLINE) + 1) * encoding.width


@dataclass(frozen=True, slots=True)
class _Record:
    cells: list[str]
    lines: int


def _records(text: str, separator: str) -> list[_Record]:
    """Split the head into records, each with the number of lines up to its end."""
    import csv
    import io

    found: list[_Record] = []
    reader = csv.reader(io.StringIO(text, newline="\n"), delimiter=separator)
    while len(found) < PREVIEW_ROWS:
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error:
            cells = []
        if any(len(cell) > LONGEST_CELL for cell in cells):
            cells = []  # it tells nothing of the columns
        found.append(_Record(cells, reader.line_num))
    return found


def _first_row(records: Sequence[_Record]) -> int:
    """Return the first record of the table: preambles have fewer columns than the table."""
    counts = Counter(len(record.cells) for record in records if len(record.cells) > 1)
    if not counts:
        return 0
    most = max(counts.values())
    width = max(columns for columns, number in counts.items() if number * 2 > most)
    for place, record in enumerate(records[:PREAMBLE_ROWS]):
        # A header may lack the empty name behind a trailing separator.
        if len(record.cells) >= width - 1 and len(record.cells) > 1:
            return place
    return 0


def _frame(
    records: Sequence[_Record], first: int, ends: Sequence[int], framing: Framing
) -> tuple[Framing, Preview, Evidence]:
    head = records[first].cells
    names = [cell.strip() for cell in head]
    # Headers of two lines, as in two languages, are one.
    below = dropwhile(lambda record: not record.cells or ends_table(record.cells, names), records[first + 1 :])
    behind = takewhile(lambda record: not ends_table(record.cells, names), below)
    body = [record for record in behind if record.cells]
    widths = Counter(len(record.cells) for record in body)
    width = _width(widths, len(head))
    if width > MOST_COLUMNS:
        raise UnreadableFile(f"rows of {width:,} columns", remedy=f"at most {MOST_COLUMNS:,} are read: split the table")
    header, because = _is_header(head, [record.cells for record in body if len(record.cells) == width])
    skipped = records[first].lines if header else (records[first - 1].lines if first else 0)
    start = ends[min(skipped, len(ends)) - 1] if skipped else framing.encoding.mark
    shown = f"on line {records[first].lines}" if header else "none"
    rows = [record.cells for record in body if len(record.cells) == width]
    if not header:
        rows = [head, *rows] if len(head) == width else rows
    multiline = _has_newlines(rows, framing.separator)
    framed = Framing(framing.encoding, framing.separator, start, skipped + 1, width, multiline)
    return (
        framed,
        _preview(names_of(head if header else [], width), rows, header=header),
        Evidence("header", shown, because),
    )


def _width(widths: Counter[int], headed: int) -> int:
    """Return the columns most rows have; of two widths as frequent, the first row's own, for the other is damage."""
    return max(widths, key=lambda columns: (widths[columns], columns == headed), default=headed)


def _has_newlines(rows: Sequence[Sequence[str]], separator: str) -> bool:
    """Tell whether fields hold newlines; a field that holds whole rows is a lost quote, not text."""
    width = len(rows[0]) if rows else 0
    inner = [line for cells in rows for cell in cells if "\n" in cell for line in cell.splitlines()]
    return bool(inner) and not any(len(split_line(line, separator)) == width for line in inner)


def _is_header(head: Sequence[str], body: Sequence[Sequence[str]]) -> tuple[bool, str]:
    """Tell a header by names we know, or by words above numbers and stamps."""
    known = [cell for cell in head if role_of(cell)]
    values = [kind_of([cell]) for cell in head]
    if known and not {"stamp", "date"} & {kind for cell, kind in zip(head, values, strict=True) if not role_of(cell)}:
        return True, f"{known[0]!r} is a name we know"
    below = [kind_of([row[place] for row in body[:50] if place < len(row)]) for place in range(len(head))]
    worded = any(
        above == "text" and under in {"number", "stamp", "date"} for above, under in zip(values, below, strict=True)
    )
    if worded:
        return True, "words stand above numbers or dates"
    return False, "the first row looks like the others"


def _preview(names: tuple[str, ...], rows: Sequence[Sequence[str]], *, header: bool) -> Preview:
    texts = tuple(tuple(row[place] for row in rows) for place in range(len(names)))
    return Preview(names, texts, kinds_of(texts), header)
