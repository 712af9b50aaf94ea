"""CSV and Arrow IPC to columns: named as the fields of a record, taken over without a look at single values."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gridwright.api.answer import refuse
from gridwright.api.body import too_many
from gridwright.api.ingest.instants import HOW, Whole, instant_us, numbers_us
from gridwright.api.ingest.meaning import Said, Wrong
from gridwright.api.ingest.table import Decoded, Places, Table, check
from gridwright.api.ingest.verdicts import Fault, Status

if TYPE_CHECKING:
    import pyarrow as pa

NAMES = ("usage_point", "meter", "meter_id")
TIMES = ("start", "at", "timestamp", "time")
VALUES = ("kwh", "register_kwh", "reading", "value")  # a `reading` is what the other entrance calls a register
WORDS = ("unit", "flow", "quality", "reading_type", "interval_s")
MAX_LINES = 1_000_000
KNOWN = (*NAMES, *TIMES, *VALUES, *WORDS)
MAX_KINDS = 1_000  # different combinations of words in one request


def decode_csv(body: bytes, defaults: Said, now: datetime) -> Decoded:
    """Decode a CSV whose header has the names of a record's fields; separator , ; or tab."""
    import pyarrow as pa
    from pyarrow import csv

    _require_utf8(body)
    if body.count(b"\n") > MAX_LINES:
        raise too_many(MAX_LINES)
    head, _, rest = body.removeprefix(b"\xef\xbb\xbf").partition(b"\n")
    if not head.strip():
        raise refuse(400, "the body is empty", remedy="send a header line and one line a reading")
    ragged: list[Any] = []

    def skip(row: Any) -> str:  # noqa: ANN401 - pyarrow's InvalidRow
        ragged.append(row)
        return "skip"

    separator = max(",;\t", key=lambda mark: head.count(mark.encode()))
    names = [
        name.strip().strip('"').strip().lower() for name in head.decode("utf-8", "replace").strip().split(separator)
    ]
    text = dict.fromkeys(names, pa.string())
    try:
        table = csv.read_csv(
            pa.BufferReader(rest) if rest.strip() else pa.BufferReader(b"\n"),
            read_options=csv.ReadOptions(column_names=names, use_threads=False, block_size=1 << 22),
            parse_options=csv.ParseOptions(delimiter=separator, invalid_row_handler=skip),
            convert_options=csv.ConvertOptions(column_types=text, strings_can_be_null=True),
        )
    except pa.ArrowInvalid as error:
        raise refuse(400, f"the CSV cannot be read: {error}", remedy="send UTF-8 with a header line") from error
    decoded = Decoded(records=table.num_rows + len(ragged))
    _require_lines(rest, decoded.records)
    gone = {row.number for row in ragged if row.number is not None}
    kept = [number for number in range(1, decoded.records + 1) if number not in gone] if gone else None
    decoded.places = _places(rest)
    for row in ragged:
        index = (row.number or 1) - 1
        fault = Fault("record", f"it has {row.actual_columns} fields, the header {row.expected_columns}", "correct it")
        decoded.verdicts.reject(decoded.places.of(index), fault, row.text)
    index = np.arange(table.num_rows) if kept is None else np.array(kept, np.int64) - 1
    _Columns(table, decoded, defaults, index).take(now)
    return decoded


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


def _places(rest: bytes) -> Places:
    """Return the lines in which the records stand, the header being line 1; empty lines hold none."""
    if b"\n\n" not in rest and b"\n\r\n" not in rest and not rest.startswith((b"\n", b"\r\n")):
        return Places(first_line=2)
    lines = [number for number, line in enumerate(rest.split(b"\n"), 2) if line.strip(b"\r")]
    return Places(lines=np.array(lines, np.int64))


def decode_arrow(body: bytes, defaults: Said, now: datetime, *, file: bool = False) -> Decoded:
    """Decode an Arrow IPC stream, or with `file` an Arrow file."""
    import pyarrow as pa
    from pyarrow import ipc

    try:
        reader = ipc.open_file(pa.BufferReader(body)) if file else ipc.open_stream(pa.BufferReader(body))
        table = reader.read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        what = "file" if file else "stream"
        raise refuse(
            400, f"the body is no sound Arrow IPC {what}: {error}", remedy="write it with pyarrow.ipc, uncompressed"
        ) from error
    decoded = Decoded(records=table.num_rows)
    try:
        _Columns(table, decoded, defaults, np.arange(table.num_rows)).take(now)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        # Text that is none, or a type that nothing reads: the sender's fault, and no part of it was taken.
        raise refuse(422, f"a column cannot be read: {error}", remedy="send the columns of the reference") from error
    return decoded


@dataclass(slots=True)
class _Columns:
    """A table whose columns are named as the fields of a record; `index`: the record each row is."""

    table: pa.Table
    decoded: Decoded
    defaults: Said
    index: npt.NDArray[Any]
    kept: npt.NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))

    def take(self, now: datetime) -> None:
        """Check all rows and take over those that are sound."""
        names = [name for name in self.table.column_names if name in KNOWN]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise refuse(422, f"column {min(twice)} is there twice", remedy="send each column once", field=min(twice))
        self.table = self.table.select(names)
        name, time = self._one_of(NAMES), self._one_of(TIMES)
        values = [column for column in VALUES if column in self.table.column_names]
        if not values:
            raise refuse(422, "no column holds readings", remedy=f"name it {', '.join(VALUES)}", field="kwh")
        self.kept = np.ones(self.table.num_rows, np.bool_)
        names, codes = self._names(name)
        at_us = self._times(time)
        value, which = self._values(values)
        said, meant = self._said(values, which)
        table = Table(names, codes, at_us, value, said, meant, self.index)
        check(table.where(self.kept), self.decoded, now)

    def _one_of(self, names: tuple[str, ...]) -> str:
        found = next((name for name in names if name in self.table.column_names), None)
        if found is None:
            raise refuse(422, f"there is no column {names[0]}", remedy=f"name it {' or '.join(names)}", field=names[0])
        return found

    def _column(self, name: str) -> Any:  # noqa: ANN401 - an Arrow array
        column = self.table.column(name)
        return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)

    def _coded(self, name: str) -> tuple[list[str], npt.NDArray[np.int32]]:
        """Return the distinct texts of a column and, for each row, which it is; null is the empty text."""
        import pyarrow as pa
        import pyarrow.compute as pc

        column = self._column(name)
        if not pa.types.is_dictionary(column.type):
            column = pc.dictionary_encode(column)
        try:
            words = column.dictionary.cast(pa.string()).to_pylist()
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise refuse(422, f"column {name} holds no text", remedy="send strings", field=name) from error
        codes = pc.fill_null(column.indices.cast(pa.int32()), len(words)).to_numpy(zero_copy_only=False)
        return [word or "" for word in [*words, ""]], codes

    def _names(self, name: str) -> tuple[list[str], npt.NDArray[np.int32]]:
        names, codes = self._coded(name)
        return [text.strip() for text in names], codes

    def _times(self, name: str) -> Whole:
        import pyarrow as pa
        import pyarrow.compute as pc

        column = self._column(name)
        kind = column.type
        if pa.types.is_timestamp(kind):
            if kind.tz is None:
                raise refuse(
                    422, f"column {name} has no time zone", remedy='cast it to timestamp("us", tz="UTC")', field=name
                )
            us = pc.cast(column, pa.timestamp("us", tz=kind.tz), safe=False).cast(pa.int64())
        elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
            numbers = numbers_us(
                pc.fill_null(column.cast(pa.float64(), safe=False), 0.0).to_numpy(zero_copy_only=False)
            )
            us = None if numbers is None else pa.array(numbers, mask=column.is_null().to_numpy(zero_copy_only=False))
        elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
            us = _stamps(column)
        else:
            raise refuse(422, f"column {name} holds no instants", remedy="send timestamps", field=name)
        if us is None:
            return self._closely(column, name)
        for row in np.flatnonzero(us.is_null().to_numpy(zero_copy_only=False)).tolist() if us.null_count else ():
            self._refuse(row, Fault(name, "there is no instant", HOW), "")
        return np.asarray(pc.fill_null(us, 0).to_numpy(zero_copy_only=False))

    def _closely(self, column: Any, name: str) -> Whole:  # noqa: ANN401 - an Arrow array
        """Read instants one by one, and give those that are none their verdict."""
        found = np.zeros(len(column), np.int64)
        for row, value in enumerate(column.to_pylist()):
            try:
                found[row] = instant_us(value, name)
            except Wrong as wrong:
                self._refuse(row, wrong.fault, wrong.value)
        return found

    def _refuse(self, row: int, fault: Fault, value: object) -> None:
        if self.kept[row]:
            self.kept[row] = False
            self.decoded.verdicts.reject(self.decoded.places.of(int(self.index[row])), fault, value)

    def _values(self, names: list[str]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int32]]:
        """Return for each row its value, and in which of the columns it stands."""
        value = np.full(self.table.num_rows, np.nan)
        which = np.zeros(self.table.num_rows, np.int32)
        for at, name in enumerate(names):
            numbers = self._numbers(name)
            here = np.isnan(value) & ~np.isnan(numbers) if at else slice(None)
            value[here], which[here] = numbers[here], at
        empty = np.flatnonzero(np.isnan(value) & self.kept)
        if empty.size:
            self.kept[empty] = False
            places = [self.decoded.places.of(index) for index in self.index[empty].tolist()]
            fault = Fault(names[0], "there is no finite number", "leave the record out")
            self.decoded.verdicts.several(Status.REJECTED, places, fault, [""] * empty.size)
        return value, which

    def _numbers(self, name: str) -> npt.NDArray[np.float64]:
        import pyarrow as pa
        import pyarrow.compute as pc

        column = self._column(name)
        try:
            return np.asarray(pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            pass
        found = np.full(len(column), np.nan)
        for row, text in enumerate(column.to_pylist()):
            try:
                found[row] = np.nan if text is None else float(text)
            except (TypeError, ValueError):
                self._refuse(row, Fault(name, "this is no number", "write digits with a point"), text)
        return found

    def _said(self, values: list[str], which: npt.NDArray[np.int32]) -> tuple[list[Said], npt.NDArray[np.int32]]:
        """Return the distinct words of the rows and, for each row, which they are."""
        given = [word for word in WORDS if word in self.table.column_names]
        coded = {word: self._coded(word) for word in given if self._varies(word)}
        key = which.astype(np.int64)
        for words, codes in coded.values():
            key = key * len(words) + codes
        _, first, meant = np.unique(key, return_index=True, return_inverse=True) if coded or which.any() else _one(key)
        if first.size > MAX_KINDS:
            raise refuse(422, f"there are over {MAX_KINDS} kinds of readings", remedy="send them in several requests")
        said = []
        for row in first.tolist():
            told = {word: words[codes[row]] for word, (words, codes) in coded.items() if words[codes[row]]}
            told |= {word: self._first(word) for word in given if word not in coded and self._first(word)}
            said.append(self._words(told, values[which[row]]))
        return said, meant.astype(np.int32)

    def _words(self, told: dict[str, str], column: str) -> Said:
        interval = told.pop("interval_s", "").removesuffix(".0")  # a table with a gap has floats
        if column != "value":
            told["unit"] = "kWh"
        said = replace(self.defaults, register=column in {"register_kwh", "reading"})
        for word, text in told.items():
            said = replace(said, **{word: text})  # type: ignore[arg-type] # all but interval_s are text
        # What is no whole number divides no day, and is refused as such.
        return replace(said, interval_s=int(interval) if interval.isdigit() else -1) if interval else said

    def _varies(self, word: str) -> bool:
        import pyarrow as pa
        import pyarrow.compute as pc

        column = self._column(word)
        if pa.types.is_dictionary(column.type):
            return True
        return bool(len(column)) and not (
            pc.min_max(column)["min"].equals(pc.min_max(column)["max"]) and not column.null_count
        )

    def _first(self, word: str) -> str:
        column = self._column(word)
        return str(column[0].as_py()) if len(column) else ""


def _one(key: npt.NDArray[np.int64]) -> tuple[Any, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return what `np.unique` would of rows that are all alike."""
    return None, np.zeros(min(key.size, 1), np.int64), np.zeros(key.size, np.int64)


def _stamps(column: Any) -> Any:  # noqa: ANN401 - Arrow arrays
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        return pc.cast(column, pa.timestamp("us", tz="UTC")).cast(pa.int64())
    except pa.ArrowInvalid:
        return None
