"""How large the columns of a Parquet file become: a few kilobytes may hold gigabytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gridwright.domain.errors import UnreadableFile
from gridwright.formats.unpacking import LARGE, LARGE_RATIO

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet as pq

TEXT_BYTES = 128 << 20  # of a column of texts, in the rows that are decoded together
WIDEST = 64  # bytes of a value of fixed length that may be the name of something


def text_columns(schema: pa.Schema) -> list[str]:
    """Return the columns of text: read as codes and words, a long one takes memory once and not in each row."""
    import pyarrow.types as pt

    kinds = (pt.is_string, pt.is_large_string, pt.is_string_view, pt.is_binary, pt.is_large_binary, pt.is_binary_view)
    return [field.name for field in schema if any(is_kind(field.type) for is_kind in kinds)]


def holds_no_reading(kind: pa.DataType) -> bool:
    """Tell whether a column is of a type that no part of a reading has: a list, or long bytes."""
    import pyarrow.types as pt

    return bool(pt.is_nested(kind) or (pt.is_fixed_size_binary(kind) and kind.byte_width > WIDEST))


def require_plausible(meta: pq.FileMetaData) -> None:
    """Refuse a file of which a column says that it unpacks to more than readings would."""
    for group in range(meta.num_row_groups):
        for place in range(meta.num_columns):
            column = meta.row_group(group).column(place)
            size, packed = column.total_uncompressed_size, column.total_compressed_size
            if size > LARGE and size > LARGE_RATIO * packed:
                what = f"column {column.path_in_schema} of row group {group + 1}"
                raise UnreadableFile(
                    f"{what} unpacks to {size:,} bytes from {packed:,}",
                    remedy="leave the column out, or write smaller row groups",
                )


def require_short(column: pa.ChunkedArray) -> None:
    """Refuse a column of codes and words whose texts would fill the memory."""
    import pyarrow.compute as pc

    total = 0
    for chunk in column.chunks:
        lengths = pc.fill_null(pc.binary_length(chunk.dictionary), 0)
        if (pc.max(lengths).as_py() or 0) * len(chunk) > TEXT_BYTES:
            total += pc.sum(lengths.cast("int64").take(chunk.indices)).as_py() or 0
    if total > TEXT_BYTES:
        raise UnreadableFile(
            f"the texts of a column are {total:,} bytes in {len(column):,} rows", remedy="leave the column out"
        )
