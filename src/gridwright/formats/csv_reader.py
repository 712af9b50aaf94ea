"""CSV files: one row a reading, or one row a day; what is detected is shown and can be overridden."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

import numpy as np

from gridwright.domain.errors import GridwrightError, UnreadableFile
from gridwright.domain.verdict import Evidence, Reject
from gridwright.formats.columns import Assignment, Preview, assign
from gridwright.formats.csv_sniff import HEAD_BYTES, Sniffed, sniff
from gridwright.formats.csv_split import Framing, cut, rows_in, split, to_text
from gridwright.formats.csv_stretches import stretches
from gridwright.formats.detect import detect_layout, draft_layout, placed, point_evidence
from gridwright.formats.instants import row_stamps, to_instants
from gridwright.formats.layout import Batch, Layout
from gridwright.formats.numerals import Numerals, numerals_of
from gridwright.formats.row_verdicts import LONGEST_RECORD, LONGEST_VALUE, word_of
from gridwright.formats.source import KEPT_REJECTS, Chunk, Decoded, ReadOptions
from gridwright.formats.table import decode_batch, is_typed, labels
from gridwright.formats.text import shortened

# Files up to this size are looked at whole; of longer ones the head and pieces spread over the rest.
SAMPLE_BYTES = 3 * 2**20
SLICES, SLICE_BYTES = 24, 2**16
# How far back the rows of a repeated hour are looked for, when a chunk begins inside one.
CONTEXT_BYTES = 4 * 2**20
APART = "import the rows behind that header as a file of their own"


@dataclass(frozen=True, slots=True)
class CsvDialect:
    """How one CSV file is read; `later`: its stretches behind headers that change the order of the columns."""

    framing: Framing
    layout: Layout
    evidence: tuple[Evidence, ...] = ()
    later: tuple[Framing, ...] = ()
    header: tuple[str, ...] = ()

    def at(self, place: int) -> CsvDialect:
        """Return how the rows at a byte are read: behind another header the columns stand in another order."""
        framing = next((each for each in reversed(self.later) if each.start <= place), self.framing)
        return replace(self, framing=framing)


class CsvReader:
    """Reads long and wide CSV of any separator, encoding, date order and unit."""

    name = "csv"

    def recognises(self, head: bytes, file_name: str) -> float:
        """Return how sure we are: a table of text with a column of dates and one of numbers."""
        suffix = PurePath(file_name.lower()).suffix
        named = suffix in {".csv", ".tsv", ".txt", ".tab"}
        try:
            sniffed = sniff(memoryview(head[:HEAD_BYTES]), ReadOptions())
        except GridwrightError:
            return 0.2 if named and _is_texty(head) else 0.0
        kinds = set(sniffed.preview.kinds)
        tabular = bool({"stamp", "date"} & kinds) and "number" in kinds
        return 0.7 if tabular else 0.4 if named else 0.1

    def inspect(self, data: memoryview, file_name: str, options: ReadOptions) -> CsvDialect:
        """Find out how to read the file, from its head and a sample of its rows."""
        with placed(file_name):
            return _inspect(data, file_name, options)

    def chunks(self, data: memoryview, dialect: CsvDialect, after: int = 0) -> Iterator[Chunk]:
        """Cut the data rows into pieces of some 16 MB."""
        for framing in (dialect.framing, *dialect.later):
            yield from cut(data, framing, after)

    def decode(self, data: memoryview, chunk: Chunk, dialect: CsvDialect) -> Decoded:
        """Decode one piece."""
        dialect = dialect.at(chunk.start)
        if dialect.framing.foreign:
            return _refused(data, chunk, dialect)
        batch = split(data, chunk, dialect.layout, dialect.framing)
        if chunk.start > dialect.framing.start and _begins_in_doubt(batch, dialect.layout):
            batch = _with_context(data, chunk, dialect)
        return decode_batch(batch, dialect.layout)


def _is_texty(head: bytes) -> bool:
    return b"\0" not in head[:1000] and bool(head.strip())


def _inspect(data: memoryview, file_name: str, options: ReadOptions) -> CsvDialect:
    sniffed = sniff(data, options)
    if sniffed.preview.has_header and not any(map(len, sniffed.preview.texts)):
        raise _without_rows(data, sniffed.framing)
    found, told = assign(sniffed.preview, options)
    numerals, told_mark = _numerals(sniffed, found, options)
    draft = draft_layout(found, sniffed.preview.names, options)
    draft = replace(draft, numerals=numerals, default_point=options.point or _point_from(file_name))
    framing, *later = stretches(data, sniffed.framing, sniffed.preview.names if sniffed.preview.has_header else ())
    known = tuple(each for each in (framing, *later) if not each.foreign)
    sample = _samples(data, draft, known)
    if not sample.rows:
        raise _without_rows(data, framing)
    draft, sample, told_mark = _settled(data, draft, known, (sample, told_mark), options)
    layout, detected = detect_layout(draft, sample, options)
    detected += point_evidence(layout, options)
    evidence = (*sniffed.evidence, *told, told_mark, *detected)
    evidence += _told_headers(later)
    return CsvDialect(framing, layout, evidence, tuple(later), sniffed.preview.names)


def _without_rows(data: memoryview, framing: Framing) -> UnreadableFile:
    """Return why a file has no row: nothing stands below its header, or nothing that can be a row."""
    head = bytes(data[framing.start : framing.start + 4 * LONGEST_RECORD])
    first = head.decode(framing.encoding.name, "replace").strip()
    if not first:
        return UnreadableFile("the file has a header and no readings", remedy="export a period that has readings")
    shown = shortened(first, LONGEST_VALUE)
    size = f"{len(data) - framing.start:,} bytes below the header"
    return UnreadableFile(
        f"line {framing.line} and what follows it, {size}, hold no row that can be read: {shown!r}",
        remedy="is a field without end, or a quote open? Correct it, or export the file anew",
    )


def _told_headers(later: Sequence[Framing]) -> tuple[Evidence, ...]:
    """Say where headers between the rows change the order of the columns, and where they name others."""
    turned = ", ".join(str(each.line - 1) for each in later if each.order not in {(), tuple(range(each.width))})
    refused = ", ".join(str(each.line - 1) for each in later if each.foreign)
    told = [
        (f"in another order behind line {turned}", "a header stands there", turned),
        (f"not read behind line {refused}", "a header stands there that names other columns", refused),
    ]
    return tuple(Evidence("columns", value, because) for value, because, lines in told if lines)


def _refused(data: memoryview, chunk: Chunk, dialect: CsvDialect) -> Decoded:
    """Refuse the rows behind a header of other columns: what they mean is not guessed."""
    framing = dialect.framing
    rows = rows_in(to_text(data, chunk, framing), chunk.first_line, multiline=framing.multiline)
    other, first = (
        shortened(text, LONGEST_VALUE) for text in (framing.foreign, framing.separator.join(dialect.header))
    )
    reason = f"the header of line {framing.line - 1} names other columns, {other!r}, than that of the file, {first!r}"
    rejects = tuple(
        Reject(int(rows.line[row]), reason, APART, record=shortened(rows.record(row), LONGEST_RECORD))
        for row in range(min(rows.line.size, KEPT_REJECTS))
    )
    return Decoded(records=rows.line.size, rejects=rejects, rejected=rows.line.size)


def _point_from(file_name: str) -> str:
    """Name the usage point of a file that names none after the file."""
    name = PurePath(file_name).name
    for suffix in (".gz", ".csv", ".tsv", ".txt", ".parquet"):
        name = name.removesuffix(suffix)
    return name or "1"


def _numerals(sniffed: Sniffed, found: Assignment, options: ReadOptions) -> tuple[Numerals, Evidence]:
    indexes = [slot.index for slot in found.days.slots] if found.days else found.values
    texts = [text for index in indexes for text in _column(sniffed.preview, index)]
    return numerals_of(texts, options.decimal)


def _column(preview: Preview, index: int) -> tuple[str, ...]:
    return preview.texts[index]


def _settled(
    data: memoryview,
    draft: Layout,
    framings: tuple[Framing, ...],
    looked: tuple[Batch, Evidence],
    options: ReadOptions,
) -> tuple[Layout, Batch, Evidence]:
    """Decide the decimal mark again by the whole sample where some of its numbers do not fit that of the first rows."""
    sample, told = looked
    if options.decimal or all(is_typed(sample.columns[index]) for index in draft.numbers):
        return draft, sample, told
    texts = _samples(data, draft, framings, as_text=True)
    cells = (word_of(cell) for index in draft.numbers for cell in texts.columns[index].to_pylist())
    numerals, told = numerals_of(cells)
    if numerals != draft.numerals:
        draft = replace(draft, numerals=numerals)
        sample = _samples(data, draft, framings)
    return draft, sample, told


def _samples(data: memoryview, layout: Layout, framings: tuple[Framing, ...], *, as_text: bool = False) -> Batch:
    return _join([_sample(data, layout, framing, as_text=as_text) for framing in framings], layout)


def _sample(data: memoryview, layout: Layout, framing: Framing, *, as_text: bool) -> Batch:
    """Split the head of a file and pieces spread over the rest, at row ends."""
    chunks = [next(cut(data, framing, size=SAMPLE_BYTES), Chunk(framing.start, framing.start, framing.line))]
    if chunks[0].end < (framing.end or len(data)) and not framing.multiline:
        step = (len(data) - chunks[0].end) // SLICES
        width = framing.encoding.width
        for place in range(SLICES):
            start = chunks[0].end + place * step // width * width
            chunks.extend(_slice(data, start, framing))
    return _join([split(data, chunk, layout, framing, as_text=as_text) for chunk in chunks], layout)


def _slice(data: memoryview, start: int, framing: Framing) -> list[Chunk]:
    """Return the whole rows of a piece, which may begin inside a row."""
    rows = list(cut(data[: start + SLICE_BYTES], replace(framing, start=start), size=SLICE_BYTES))
    first = bytes(data[start : start + SLICE_BYTES]).find("\n".encode(framing.encoding.name)) if rows else -1
    if first < 0:
        return []
    begin = start + first + framing.encoding.width
    return [Chunk(begin, rows[0].end, 1)] if begin < rows[0].end else []


def _join(batches: list[Batch], layout: Layout) -> Batch:
    import pyarrow as pa

    def joined(index: int) -> pa.Array:
        pieces = [batch.columns[index] for batch in batches if batch.rows]
        if not pieces:
            return pa.array([], pa.binary())
        if any(piece.type != pieces[0].type for piece in pieces):
            pieces = [_as_text(piece) for piece in pieces]
        whole = pa.chunked_array(pieces)
        unified = whole.unify_dictionaries() if pa.types.is_dictionary(whole.type) else whole
        return unified.combine_chunks() if unified.num_chunks > 1 else unified.chunk(0)

    columns = {index: joined(index) for index in layout.columns}
    return Batch(columns, np.concatenate([batch.line for batch in batches]), lambda _: "")


def _as_text(piece: object) -> object:
    """Return a piece of numbers as text, to stand beside pieces that were not all numbers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_floating(piece.type):  # type: ignore[attr-defined]
        return pc.fill_null(pc.cast(pc.cast(piece, pa.string()), pa.binary()), b"")
    return pc.cast(piece, pa.binary())


def _begins_in_doubt(batch: Batch, layout: Layout) -> bool:
    """Tell whether some usage point's first row of a batch stands in a repeated hour, in either pass."""
    if layout.slots or layout.clock.fixed_s is not None or not batch.rows:
        return False
    column = layout.point
    points = np.zeros(batch.rows, np.int32) if column is None else labels(batch.columns[column]).code
    repeated = to_instants(row_stamps(batch, layout), points, layout).repeated
    if not repeated.any():
        return False
    return bool(repeated[np.unique(points, return_index=True)[1]].any())


def _with_context(data: memoryview, chunk: Chunk, dialect: CsvDialect) -> Batch:
    """Split a chunk together with the rows before it, which are marked as context."""
    framing = dialect.framing
    start = max(framing.start, chunk.start - CONTEXT_BYTES)
    earlier = _slice_before(data, start, chunk, framing)
    lead = split(data, earlier, dialect.layout, framing)
    whole = split(data, Chunk(earlier.start, chunk.end, chunk.first_line), dialect.layout, framing)
    own = split(data, chunk, dialect.layout, framing)
    record = own.record
    return replace(
        whole,
        line=np.concatenate([np.zeros(lead.rows, np.int64), own.line]),
        lead=lead.rows,
        rejects=own.rejects,
        rejected=own.rejected,
        record=lambda row: record(row - lead.rows),
    )


def _slice_before(data: memoryview, start: int, chunk: Chunk, framing: Framing) -> Chunk:
    """Return the rows between a byte, which may stand inside a row, and a chunk."""
    if start == framing.start or framing.multiline:
        return Chunk(framing.start if start == framing.start else chunk.start, chunk.start, 1)
    first = bytes(data[start : chunk.start]).find("\n".encode(framing.encoding.name))
    return Chunk(start + first + framing.encoding.width, chunk.start, 1)
