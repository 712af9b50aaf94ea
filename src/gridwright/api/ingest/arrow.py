"""CSV and Arrow IPC to columns that are named as the fields of a record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np

from gridwright.api.answer import refuse
from gridwright.api.body import too_many
from gridwright.api.ingest.columns import Columns, columns_of
from gridwright.api.ingest.frames import sound_stream, unsound
from gridwright.api.ingest.meaning import Said
from gridwright.api.ingest.table import Decoded, Places
from gridwright.api.ingest.verdicts import Fault, Status
from gridwright.formats.csv_split import Framing
from gridwright.formats.csv_stretches import headers_in
from gridwright.formats.text import Encoding, is_open, shortened

MAX_LINES = 1_000_000
LONGEST_HEADER = 120  # characters of one that are shown
LARGEST = 64 << 20  # bytes of an Arrow body, unpacked
NOT_A_NUMBER = frozenset({"NaN", "nan", "-NaN", "-nan", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"})


def decode_csv(body: bytes, defaults: Said, now: datetime) -> Decoded:
    """Decode a CSV whose header has the names of a record's fields; separator , ; or tab."""
    import pyarrow as pa
    from pyarrow import csv

    _require_utf8(body)
    if b"\r" in body and b"\n" not in body:  # lines as once on the Mac
        body = body.replace(b"\r", b"\n")
    if body.count(b"\n") > MAX_LINES:
        raise too_many(MAX_LINES)
    head, _, rest = body.removeprefix(b"\xef\xbb\xbf").partition(b"\n")
    if not head.strip():
        raise refuse(400, "the body is empty", remedy="send a header line and one line a reading")
    rest, behind = _up_to_another_header(rest, separator := _separator(head), names := _names(head, separator))
    ragged: list[Any] = []

    def skip(row: Any) -> str:  # noqa: ANN401 - pyarrow's InvalidRow
        ragged.append(row)
        return "skip"

    text = dict.fromkeys(names, pa.string())
    try:
        table = csv.read_csv(
            pa.BufferReader(rest) if rest.strip() else pa.BufferReader(b"\n"),
            read_options=csv.ReadOptions(column_names=names, use_threads=False, block_size=1 << 22),
            parse_options=csv.ParseOptions(delimiter=separator, invalid_row_handler=skip),
            convert_options=csv.ConvertOptions(column_types=text, strings_can_be_null=True, null_values=_nulls()),
        )
    except pa.ArrowInvalid as error:
        raise refuse(400, f"the CSV cannot be read: {error}", remedy="send UTF-8 with a header line") from error
    decoded = Decoded(records=table.num_rows + len(ragged))
    _require_lines(rest, decoded.records)
    _require_closed(rest, separator)
    gone = {row.number for row in ragged if row.number is not None}
    kept = [number for number in range(1, decoded.records + 1) if number not in gone] if gone else None
    decoded.places = _places(rest)
    for row in ragged:
        index = (row.number or 1) - 1
        fault = Fault("record", f"it has {row.actual_columns} fields, the header {row.expected_columns}", "correct it")
        decoded.verdicts.reject(decoded.places.of(index), fault, row.text)
    index = np.arange(table.num_rows) if kept is None else np.array(kept, np.int64) - 1
    table = table.select(columns_of(table.schema))
    Columns(table, decoded, defaults, index, nothing=NOT_A_NUMBER).take(now)
    _reject_behind(behind, rest.count(b"\n"), names, separator, decoded)
    return decoded


def _separator(head: bytes) -> str:
    return max(",;\t", key=lambda mark: head.count(mark.encode()))


def _names(head: bytes, separator: str) -> list[str]:
    return [
        name.strip().strip('"').strip().lower() for name in head.decode("utf-8", "replace").strip().split(separator)
    ]


def _up_to_another_header(rest: bytes, separator: str, names: Sequence[str]) -> tuple[bytes, bytes]:
    """Return the lines up to a header of other columns, or of these in another order, and those from it on."""
    framing = Framing(Encoding("utf-8"), separator, 0, 2, len(names))
    for start, _, cells in headers_in(memoryview(rest), framing, names):
        if [cell.lower() for cell in cells] != names:
            return rest[:start], rest[start:]
    return rest, b""


def _reject_behind(behind: bytes, lines: int, names: Sequence[str], separator: str, decoded: Decoded) -> None:
    """Reject the records behind another header, for what their columns mean is not guessed."""
    header, _, text = behind.partition(b"\n")
    first = lines + 3  # behind both headers
    other, ours = (shortened(told.strip(), LONGEST_HEADER) for told in (header.decode(), separator.join(names)))
    told = f"stands behind the header {other!r} of line {first - 1}, which is not that of the body, {ours!r}"
    fault = Fault("record", told, "send the lines behind that header as a body of their own")
    records = [(line, record) for line, record in enumerate(text.split(b"\n"), first) if record.strip()]
    listed = records[: decoded.verdicts.room]
    places = [(decoded.records + index, line) for index, (line, _) in enumerate(listed)]
    values = [record.decode().strip() for _, record in listed]
    decoded.verdicts.several(Status.REJECTED, places, fault, values, unlisted=len(records) - len(listed))
    decoded.records += len(records)


def _nulls() -> list[str]:
    """Return the spellings of no value; that of no number is shown to who sent it."""
    from pyarrow import csv

    return [text for text in csv.ConvertOptions().null_values if text not in NOT_A_NUMBER]


def _require_utf8(body: bytes) -> None:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise refuse(400, f"line {line} is not UTF-8", remedy="save the file as UTF-8", line=line) from error


def _require_lines(rest: bytes, records: int) -> None:
    """Refuse a body in which a quote that is never closed makes one value of the lines behind it."""
    if records >= rest.count(b"\n"):
        return
    lines = rest.split(b"\n")
    if records >= sum(1 for line in lines if line.strip(b"\r")):
        return
    line = next((number for number, line in enumerate(lines, 2) if line.count(b'"') % 2), 2)
    raise refuse(400, f"line {line} opens a quote that it does not close", remedy="close it or leave it out", line=line)


def _require_closed(rest: bytes, separator: str) -> None:
    """Refuse a body that ends within a quote: it may be cut off there, and 1 may have been 12."""
    text = rest.rstrip()
    if is_open([text[text.rfind(b"\n") + 1 :].decode()], separator):
        line = text.count(b"\n") + 2
        raise refuse(400, f"line {line} opens a quote that it does not close", remedy="send all of it", line=line)


def _places(rest: bytes) -> Places:
    """Return the lines in which the records stand, the header being line 1; empty lines hold none."""
    if b"\n\n" not in rest and b"\n\r\n" not in rest and not rest.startswith((b"\n", b"\r\n")):
        return Places(first_line=2)
    lines = [number for number, line in enumerate(rest.split(b"\n"), 2) if line.strip(b"\r")]
    return Places(lines=np.array(lines, np.int64))


def decode_arrow(body: bytes, defaults: Said, now: datetime, *, file: bool = False, limit: int = LARGEST) -> Decoded:
    """Decode an Arrow IPC stream, or with `file` an Arrow file; nothing is unpacked that is larger than the limit."""
    import pyarrow as pa
    from pyarrow import ipc

    stream = sound_stream(body, limit, file=file)
    try:
        chosen = columns_of(ipc.read_schema(pa.BufferReader(stream)))
        # What no column of ours needs stays packed.
        options = ipc.IpcReadOptions(included_fields=chosen, use_threads=False)
        table = ipc.open_stream(pa.BufferReader(stream), options=options).read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unsound("file" if file else "stream", str(error)) from error
    decoded = Decoded(records=table.num_rows)
    try:
        Columns(table, decoded, defaults, np.arange(table.num_rows), limit=limit).take(now)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        # Text that is none: the sender's fault, and no part of it was taken.
        raise refuse(422, f"a column cannot be read: {error}", remedy="send the columns of the reference") from error
    return decoded
