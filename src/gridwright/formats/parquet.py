"""Parquet files of readings: the same roles as CSV, typed columns, row groups as pieces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np

from gridwright.domain.errors import UnreadableFile
from gridwright.domain.verdict import Evidence
from gridwright.formats.columns import Assignment, Preview, assign, kind_of
from gridwright.formats.detect import detect_layout, draft_layout, placed, point_evidence
from gridwright.formats.layout import Batch, Layout
from gridwright.formats.source import Chunk, Decoded, ReadOptions
from gridwright.formats.table import decode_batch, scalar_text
from gridwright.formats.text import Numerals, numerals_of

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet as pq

MAGIC = b"PAR1"
PREVIEW_ROWS = 300
SAMPLE_ROWS = 200_000
SAMPLED_GROUPS = 4


@dataclass(frozen=True, slots=True)
class ParquetDialect:
    """How one Parquet file is read."""

    layout: Layout
    evidence: tuple[Evidence, ...] = ()
    notes: tuple[str, ...] = ()


class ParquetReader:
    """Reads Parquet; a chunk is a row group, its byte range the place of the group in the file."""

    name = "parquet"

    def recognises(self, head: bytes, file_name: str) -> float:
        """Return 1 for the magic number, a little for the name alone."""
        if head.startswith(MAGIC):
            return 1.0
        return 0.3 if PurePath(file_name.lower()).suffix in {".parquet", ".pq"} else 0.0

    def inspect(self, data: memoryview, file_name: str, options: ReadOptions) -> ParquetDialect:
        """Find out how to read the file; a truncated or corrupt one is UnreadableFile."""
        with placed(file_name):
            return _inspect(data, file_name, options)

    def chunks(self, data: memoryview, dialect: ParquetDialect, after: int = 0) -> Iterator[Chunk]:  # noqa: ARG002 - the protocol
        """Yield the row groups that begin at byte `after` or later, with the number of their first row."""
        meta = opened(data).metadata
        row = 1
        for group in range(meta.num_row_groups):
            start, size = _place(meta, group)
            if start >= after:
                yield Chunk(start, start + size, row)
            row += meta.row_group(group).num_rows

    def decode(self, data: memoryview, chunk: Chunk, dialect: ParquetDialect) -> Decoded:
        """Decode one row group."""
        file = opened(data)
        starts = [_place(file.metadata, group)[0] for group in range(file.metadata.num_row_groups)]
        table = _read(file, [starts.index(chunk.start)], dialect.layout)
        decoded = decode_batch(_batch(table, dialect.layout, chunk.first_line), dialect.layout)
        return replace(decoded, notes=(*dialect.notes, *decoded.notes))


def opened(data: memoryview) -> pq.ParquetFile:
    """Open a Parquet file held in memory."""
    import pyarrow as pa
    from pyarrow import parquet as pq

    try:
        return pq.ParquetFile(pa.BufferReader(pa.py_buffer(data)))
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
    import pyarrow as pa

    try:
        return file.read_row_groups(
            groups, columns=[layout.names[index] for index in layout.columns], use_threads=False
        )
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UnreadableFile(
            f"row group {groups[0] + 1} of this Parquet file is damaged: {error}", remedy="copy or export it again"
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
    layout, detected = detect_layout(draft, _sample(file, draft), options)
    detected += point_evidence(layout, options)
    kinds = ", ".join(str(file.schema_arrow.field(name).type) for name in preview.names)
    first = Evidence("columns", ", ".join(preview.names), f"the file's schema: {kinds}")
    return ParquetDialect(layout, (first, *told, *detected), notes)


def _preview(file: pq.ParquetFile) -> Preview:
    import pyarrow as pa

    names = tuple(file.schema_arrow.names)
    if len(set(names)) != len(names):
        raise UnreadableFile("two columns of this Parquet file have the same name", remedy="rename one of them")
    try:
        head = next(file.iter_batches(batch_size=PREVIEW_ROWS, use_threads=False))
    except (pa.ArrowException, OSError, ValueError, StopIteration) as error:
        raise UnreadableFile(f"the first rows cannot be read: {error}", remedy="copy or export it again") from error
    texts = tuple(tuple(map(scalar_text, column)) for column in head.columns)
    kinds = tuple(_kind(column.type, text) for column, text in zip(head.columns, texts, strict=True))
    return Preview(names, texts, kinds)


def _kind(kind: pa.DataType, texts: tuple[str, ...]) -> str:
    import pyarrow.types as pt

    if pt.is_timestamp(kind):
        return "stamp" if any(text[11:19] not in {"", "00:00:00"} for text in texts) else "date"
    if pt.is_date(kind):
        return "date"
    if pt.is_time(kind):
        return "clock"
    if pt.is_boolean(kind) or pt.is_nested(kind) or pt.is_binary(kind):
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
    return numerals_of(texts, "", options.decimal)[0]


def _sample(file: pq.ParquetFile, layout: Layout) -> Batch:
    """Read the rows at the head of a few row groups spread over the file."""
    import pyarrow as pa

    count = file.metadata.num_row_groups
    groups = sorted({place * count // SAMPLED_GROUPS for place in range(min(count, SAMPLED_GROUPS))})
    tables = [_read(file, [group], layout).slice(0, SAMPLE_ROWS // len(groups)) for group in groups]
    return _batch(pa.concat_tables(tables), layout, 1)
