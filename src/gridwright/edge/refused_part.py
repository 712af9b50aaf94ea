"""Of a body of which the centre refused a part, that part: what it took may have been corrected there since."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from gridwright.api.answer import Refused
from gridwright.api.edge.decode import FAR, READINGS, Decoders, Kept
from gridwright.api.entrance import media_kind
from gridwright.api.entrance_lines import V1, V2
from gridwright.api.ingest.json import pieces_of
from gridwright.domain.errors import InputError

ARROW_STREAM = "application/vnd.apache.arrow.stream"


def refused_part(kept: Kept, told: Mapping[str, Any], decoders: Decoders) -> Kept:
    """Return a body with those records alone which the centre named; the whole where it did not name each of them."""
    places = told.get("refused") or ()
    if not places:
        return kept
    indexes, lines = ({int(one[at]) for one in places} for at in (0, 1))
    with suppress(Refused, InputError, ValueError, IndexError, OSError):
        part = _part(kept, sorted(lines), sorted(indexes))
        # A cut that does not hold just these records is none: a quoted text, say, may go on over several lines.
        if part is not None and decoders.decode(part, FAR).records == len(lines):
            return part
    return kept


def _part(kept: Kept, lines: Sequence[int], indexes: Sequence[int]) -> Kept | None:
    kind = "lines" if kept.path in (V1, V2) else media_kind(kept.media) if kept.path == READINGS else ""
    if kind in {"lines", "ndjson"}:
        return replace(kept, body=_lines(kept.body, lines))
    if kind == "csv":
        return replace(kept, body=_lines(kept.body, [1, *lines]))
    if kind == "json":
        pieces = pieces_of(kept.body)
        return replace(kept, body=b"[" + b",".join(pieces[at] for at in indexes) + b"]")
    return _rows(kept, indexes, file=kind == "file") if kind in {"stream", "file"} else None


def _lines(body: bytes, lines: Sequence[int]) -> bytes:
    every = body.split(b"\n")
    return b"".join(every[line - 1] + b"\n" for line in lines)


def _rows(kept: Kept, indexes: Sequence[int], *, file: bool) -> Kept:
    import pyarrow as pa
    from pyarrow import ipc

    table = (ipc.open_file if file else ipc.open_stream)(pa.BufferReader(kept.body)).read_all()
    out = io.BytesIO()
    with ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table.take(pa.array(indexes, pa.int64())))
    return replace(kept, media=ARROW_STREAM, body=out.getvalue())
