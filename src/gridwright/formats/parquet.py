"""Parquet files of readings: the same roles as CSV, typed columns, row groups as pieces."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np

from gridwright.domain.errors import InputError, UnreadableFile
from gridwright.domain.interval import zone_of
from gridwright.domain.verdict import Evidence
from gridwright.formats.columns import Assignment, Preview, assign, kind_of
from gridwright.formats.detect import detect_layout, draft_layout, placed, point_evidence
from gridwright.formats.layout import Batch, Layout
from gridwright.formats.numerals import Numerals, numerals_of
from gridwright.formats.parquet_sizes import holds_no_reading, require_plausible, require_short, text_columns
from gridwright.formats.row_verdicts import scalar_text
from gridwright.formats.source import Chunk, Decoded, ReadOptions
from gridwright.formats.table import decode_batch

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet as pq

MAGIC = b"PAR1"
PREVIEW_ROWS = 300
PREVIEW_TEXT = 200  # characters of a text, by which its kind is told
SAMPLE_ROWS = 200_000
# A row that holds a day tells as much as a hundred rows of a reading each.
SAMPLE_CELLS = 1_000_000
SAMPLED_GROUPS = 4
PART_CELLS = 6_000_000


@dataclass(frozen=True, slots=True)
class ParquetDialect:
    """How one Parquet file is read."""

    layout: Layout
    evidence: tuple[Evidence, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of a row group that are decoded together: `first` of the group, `number` of them; `line` of the file.

    A row group of a million rows and a hundred columns would take gigabytes at once.
    """

    group: int
    first: int
    number: int
    chunk: Chunk


@dataclass(slots=True)
class _Stream:
    """A row group that is being read from its beginning on: `at` is the row that comes next."""

    data: memoryview
    group: int
    batches: Iterator[pa.RecordBatch]
    at: int = 0


class ParquetReader:
    """Reads Parquet; a chunk is a row group, its byte range the place of the group in the file, or a part of both."""

    name = "parquet"

    def __init__(self, part_cells: int = PART_CELLS) -> None:
        self._part_cells = part_cells
        self._stream: _Stream | None = None

    def __reduce__(self) -> tuple[type[ParquetReader], tuple[int]]:
        """Pickle without what is being read."""
        return ParquetReader, (self._part_cells,)

    def recognises(self, head: bytes, file_name: str) -> float:
        """Return 1 for the magic number, a little for the name alone."""
        if head.startswith(MAGIC):
            return 1.0
        return 0.3 if PurePath(file_name.lower()).suffix in {".parquet", ".pq"} else 0.0

    def inspect(self, data: memoryview, file_name: str, options: ReadOptions) -> ParquetDialect:
        """Find out how to read the file; a truncated or corrupt one is UnreadableFile."""
        with placed(file_name):
            return _inspect(data, file_name, options)

    def chunks(self, data: memoryview, dialect: ParquetDialect, after: int = 0) -> Iterator[Chunk]:
        """Yield the row groups, large ones in parts, that begin at byte `after` or later, each with its first row."""
        parts = self._parts(opened(data).metadata, dialect.layout)
        yield from (part.chunk for part in parts if part.chunk.start >= after)

    def decode(self, data: memoryview, chunk: Chunk, dialect: ParquetDialect) -> Decoded:
        """Decode one row group or a part of it; the parts of a group are cheap to read one after the other."""
        file = opened(data)
        part = next(one for one in self._parts(file.metadata, dialect.layout) if one.chunk.start == chunk.start)
        whole = part.number == file.metadata.row_group(part.group).num_rows
        table = (
            _read(file, [part.group], dialect.layout) if whole else self._read_part(data, file, part, dialect.layout)
        )
        decoded = decode_batch(_batch(table, dialect.layout, chunk.first_line), dialect.layout)
        return replace(decoded, notes=(*dialect.notes, *decoded.notes))

    def _parts(self, meta: pq.FileMetaData, layout: Layout) -> Iterator[Part]:
        line = 1
        for group in range(meta.num_row_groups):
            start, size = _place(meta, group)
            rows = meta.row_group(group).num_rows
            count = max(1, min(-(-rows * len(layout.columns) // self._part_cells), size))
            step = -(-rows // count)
            count = max(1, -(-rows // max(step, 1)))
            for at in range(count):
                first = at * step
                chunk = Chunk(start + size * at // count, start + size * (at + 1) // count, line + first)
                yield Part(group, first, min(step, rows - first), chunk)
            line += rows

    def _read_part(self, data: memoryview, file: pq.ParquetFile, part: Part, layout: Layout) -> pa.Table:
        """Read on in the stream of the group where it stands before the part, else from the group's beginning."""
        import pyarrow as pa

        stream = self._stream
        if stream is None or stream.data is not data or stream.group != part.group or stream.at > part.first:
            names = [layout.names[index] for index in layout.columns]
            rows = file.iter_batches(part.number, row_groups=[part.group], columns=names, use_threads=False)
            stream = self._stream = _Stream(data, part.group, rows)
        taken: list[pa.RecordBatch] = []
        with damage(part.group):
            while stream.at < part.first + part.number:
                batch = next(stream.batches)
                kept = batch.slice(
                    max(part.first - stream.at, 0), part.first + part.number - max(stream.at, part.first)
                )
                stream.at += batch.num_rows
                taken += [kept] if kept.num_rows else []
        # Let go at the group's end, and where a batch reached into the next part.
        if stream.at != part.first + part.number or stream.at >= file.metadata.row_group(part.group).num_rows:
            self._stream = None
        return pa.Table.from_batches(taken)


def opened(data: memoryview) -> pq.ParquetFile:
    """Open a Parquet file held in memory; its texts are read as codes and words."""
    import pyarrow as pa
    from pyarrow import parquet as pq

    try:
        source = pa.py_buffer(data)
        plain = pq.ParquetFile(pa.BufferReader(source))
        texts = text_columns(plain.schema_arrow)
        require_plausible(plain.metadata)
        return pq.ParquetFile(pa.BufferReader(source), metadata=plain.metadata, read_dictionary=texts)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UnreadableFile(
            f"this Parquet file cannot be opened: {error}", remedy="it may be truncated: copy or export it again"
        ) from error


def _place(meta: pq.FileMetaData, group: int) -> tuple[int, int]:
    """Return where a row group starts in the file, and its compressed size."""
    columns = [meta.row_group(group).column(place) for place in range(meta.num_columns)]
    offsets = [
        column.dictionary_page_offset if column.has_dictionary_page else column.data_page_offset for column in columns
    ]
    return min(offsets, default=0), sum(column.total_compressed_size for column in columns)


def _read(file: pq.ParquetFile, groups: list[int], layout: Layout) -> pa.Table:
    with damage(groups[0]):
        return file.read_row_groups(
            groups, columns=[layout.names[index] for index in layout.columns], use_threads=False
        )


@contextmanager
def damage(group: int) -> Iterator[None]:
    """Say what is wrong when a row group cannot be read."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, ValueError, StopIteration) as error:
        raise UnreadableFile(
            f"row group {group + 1} of this Parquet file is damaged: {error}", remedy="copy or export it again"
        ) from error


def _batch(table: pa.Table, layout: Layout, first_row: int) -> Batch:
    columns = {index: _whole(table.column(layout.names[index])) for index in layout.columns}

    def record(row: int) -> str:
        return ",".join(scalar_text(array[row]) for array in columns.values())

    return Batch(columns, first_row + np.arange(table.num_rows, dtype=np.int64), record)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    import pyarrow as pa
    import pyarrow.types as pt

    if pt.is_dictionary(column.type):
        column = column.unify_dictionaries()
        require_short(column)
    if pt.is_large_string(column.type) or pt.is_large_binary(column.type) or pt.is_string_view(column.type):
        column = column.cast(pa.binary())
    if column.num_chunks == 1:
        return column.chunk(0)
    return column.combine_chunks() if column.num_chunks else pa.array([], column.type)


def _inspect(data: memoryview, file_name: str, options: ReadOptions) -> ParquetDialect:
    file = opened(data)
    if not file.metadata.num_rows:
        raise UnreadableFile("the file has columns and no readings", remedy="export a period that has readings")
    preview = _preview(file)
    found, told = assign(preview, options)
    found, notes = _without_zeros(file, found, preview, options)
    draft = draft_layout(found, preview.names, options)
    point = options.point or PurePath(file_name).stem or "1"
    draft = replace(draft, default_point=point, numerals=_numerals(found, preview, options))
    named = _named_zone(file, draft)
    told_zone = replace(options, default_zone=named) if named and not options.zone else options
    layout, detected = detect_layout(draft, _sample(file, draft), told_zone)
    if told_zone is not options:
        by_type = Evidence("zone", named, "the type of its stamps names it", "--zone")
        detected = [by_type if each.what == "zone" else each for each in detected]
    detected += point_evidence(layout, options)
    kinds = ", ".join(str(field.type) for field in file.metadata.schema.to_arrow_schema())
    first = Evidence("columns", ", ".join(preview.names), f"the file's schema: {kinds}")
    return ParquetDialect(layout, (first, *told, *detected), notes)


def _named_zone(file: pq.ParquetFile, layout: Layout) -> str:
    """Return the zone that the type of the stamps names; empty for UTC, which tells nothing, and for bare offsets."""
    column = next((each for each in (layout.time, layout.date, layout.end) if each is not None), None)
    kind = None if column is None else file.schema_arrow.field(layout.names[column]).type
    zone = getattr(kind, "tz", None) or ""
    if zone in {"", "UTC"} or zone[0] in "+-":
        return ""
    try:
        zone_of(zone)
    except InputError:
        return ""
    return str(zone)


def _preview(file: pq.ParquetFile) -> Preview:
    import pyarrow as pa

    names = tuple(file.schema_arrow.names)
    if len(set(names)) != len(names):
        raise UnreadableFile("two columns of this Parquet file have the same name", remedy="rename one of them")
    read = [field.name for field in file.schema_arrow if not holds_no_reading(field.type)]
    try:
        head = next(file.iter_batches(batch_size=PREVIEW_ROWS, columns=read, use_threads=False))
    except (pa.ArrowException, OSError, ValueError, StopIteration) as error:
        raise UnreadableFile(f"the first rows cannot be read: {error}", remedy="copy or export it again") from error
    told = {name: _texts(head.column(name)) for name in read}
    texts = tuple(told.get(name, ("",) * head.num_rows) for name in names)
    kinds = tuple(_kind(field.type, text) for field, text in zip(file.schema_arrow, texts, strict=True))
    return Preview(names, texts, kinds)


def _texts(column: pa.Array) -> tuple[str, ...]:
    import pyarrow.types as pt

    if not pt.is_dictionary(column.type):
        return tuple(map(scalar_text, column))
    words = [scalar_text(word)[:PREVIEW_TEXT] for word in column.dictionary]
    return tuple("" if code is None else words[code] for code in column.indices.to_pylist())


def _kind(kind: pa.DataType, texts: tuple[str, ...]) -> str:
    import pyarrow.types as pt

    plain = kind.value_type if pt.is_dictionary(kind) else kind
    if pt.is_timestamp(kind):
        return "stamp" if any(text[11:19] not in {"", "00:00:00"} for text in texts) else "date"
    if pt.is_date(kind):
        return "date"
    if pt.is_time(kind):
        return "clock"
    if pt.is_boolean(kind) or pt.is_nested(kind) or pt.is_binary(plain):
        return "text"
    if pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind):
        return "number"
    return kind_of(texts)


def _without_zeros(
    file: pq.ParquetFile, found: Assignment, preview: Preview, options: ReadOptions
) -> tuple[Assignment, tuple[str, ...]]:
    """Leave out columns beside others that the statistics of every row group show to be zero throughout."""
    if options.columns.get("value") or len(found.values) < 2:  # noqa: PLR2004 - beside another one
        return found, ()
    empty = [column for column in found.values if _all_zero(file.metadata, preview.names[column])]
    if not empty or len(empty) == len(found.values):
        return found, ()
    found.values = [column for column in found.values if column not in empty]
    names = ", ".join(preview.names[column] for column in empty)
    return found, (f"columns that are zero in every row were left out: {names}",)


def _all_zero(meta: pq.FileMetaData, name: str) -> bool:
    for group in range(meta.num_row_groups):
        for place in range(meta.num_columns):
            column = meta.row_group(group).column(place)
            if column.path_in_schema == name:
                known = column.statistics
                if known is None or not known.has_min_max or known.min != 0 or known.max != 0:
                    return False
    return True


def _numerals(found: Assignment, preview: Preview, options: ReadOptions) -> Numerals:
    indexes = [slot.index for slot in found.days.slots] if found.days else found.values
    texts = [text for index in indexes if preview.kinds[index] == "number" for text in preview.texts[index]]
    return numerals_of(texts, options.decimal)[0]


def _sample(file: pq.ParquetFile, layout: Layout) -> Batch:
    """Read the rows at the head of a few row groups spread over the file."""
    import pyarrow as pa

    count = file.metadata.num_row_groups
    groups = sorted({place * count // SAMPLED_GROUPS for place in range(min(count, SAMPLED_GROUPS))})
    rows = max(min(SAMPLE_ROWS, SAMPLE_CELLS // len(layout.columns)) // len(groups), PREVIEW_ROWS)
    tables = [_head(file, group, layout, rows) for group in groups]
    return _batch(pa.concat_tables(tables), layout, 1)


def _head(file: pq.ParquetFile, group: int, layout: Layout, rows: int) -> pa.Table:
    """Read the first rows of a row group and no more of it."""
    import pyarrow as pa

    names = [layout.names[index] for index in layout.columns]
    with damage(group):
        batches = file.iter_batches(rows, row_groups=[group], columns=names, use_threads=False)
        first = list(islice(batches, 1))
    return pa.Table.from_batches(first) if first else _read(file, [group], layout)
