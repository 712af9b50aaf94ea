"""Columns named as the fields of a record, taken over without a look at single values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gridwright.api.answer import refuse
from gridwright.api.body import too_large
from gridwright.api.ingest.ends import END, Spans
from gridwright.api.ingest.instants import HOW, LAST_S, Whole, instant_us, numbers_us
from gridwright.api.ingest.intervals import Rows, is_list, lengths_of, unrolled
from gridwright.api.ingest.meaning import Said, Wrong
from gridwright.api.ingest.repeats import check_and_count
from gridwright.api.ingest.table import Decoded, Floats, Mask, Table
from gridwright.api.ingest.twice import NAMES, TIMES, VALUES, two_names, two_times, two_values
from gridwright.api.ingest.verdicts import Fault, Status
from gridwright.domain.interval import MICRO
from gridwright.domain.written_number import is_plain
from gridwright.formats.far_dates import REMEDY, TOO_EARLY, TOO_LATE

if TYPE_CHECKING:
    import pyarrow as pa

WORDS = ("unit", "flow", "quality", "reading_type", "interval_s")
INSTANTS = (*TIMES, END)
KNOWN = (*NAMES, *INSTANTS, *VALUES, *WORDS)
LISTS = ("kwh", "value")  # may hold consecutive intervals
PER_S = {"s": 1, "ms": 1_000, "us": MICRO, "ns": 1_000 * MICRO}
MAX_TEXTS = 1_000_000  # different texts of a column
Second = Callable[[str, str], Fault]
VIEW = 16  # bytes of a view of a text, of which the first four are its length


def columns_of(schema: pa.Schema) -> list[int]:
    """Return which columns hold what a record has; Refused where one is missing, twice or of no fitting type."""
    chosen = [at for at, name in enumerate(schema.names) if name in KNOWN]
    names = [schema.names[at] for at in chosen]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise refuse(422, f"column {min(twice)} is there twice", remedy="send each column once", field=min(twice))
    for group in (NAMES, TIMES):
        if not any(name in names for name in group):
            raise refuse(422, f"there is no column {group[0]}", remedy=f"name it {' or '.join(group)}", field=group[0])
    if not any(name in names for name in VALUES):
        raise refuse(422, "no column holds readings", remedy=f"name it {', '.join(VALUES)}", field="kwh")
    for at in chosen:
        _require_type(schema.names[at], schema.types[at])
    return chosen


def _require_type(name: str, kind: pa.DataType) -> None:
    """Refuse a column by its type, before anything of it is unpacked."""
    import pyarrow.types as of

    plain = kind.value_type if of.is_dictionary(kind) else kind
    text = any(is_text(plain) for is_text in (of.is_string, of.is_large_string, of.is_string_view))
    number = of.is_integer(plain) or of.is_floating(plain) or of.is_decimal(plain)
    nothing = of.is_null(kind)
    if name in INSTANTS:
        instant = of.is_timestamp(kind) or of.is_integer(kind) or of.is_floating(kind)
        fits, what, remedy = instant or nothing or (text and plain == kind), "instants", "send timestamps"
    elif name in VALUES:
        blocks = name in LISTS and is_list(kind)
        fits, what, remedy = text or number or nothing or blocks, "numbers", "send float64"
    else:
        binary = any(is_binary(plain) for is_binary in (of.is_binary, of.is_large_binary, of.is_fixed_size_binary))
        fits, what, remedy = text or number or binary or nothing, "text", "send strings"
    if not fits:
        raise refuse(422, f"column {name} holds no {what}, but {kind}"[:300], remedy=remedy, field=name)


@dataclass(slots=True)
class Columns:
    """A table whose columns are named as the fields of a record; `index`: the record each row is.

    `nothing`: texts that stand for no word; `limit`: bytes that texts may take which are told by views.
    """

    table: pa.Table
    decoded: Decoded
    defaults: Said
    index: Whole
    nothing: frozenset[str] = frozenset()
    limit: int = 0
    kept: Mask = field(default_factory=lambda: np.empty(0, np.bool_))
    lists: dict[int, Any] = field(default_factory=dict)

    def take(self, now: datetime) -> None:
        """Check all rows and take over those that are sound."""
        self.kept = np.ones(self.table.num_rows, np.bool_)
        names, codes = self._names(self._those(NAMES))
        at_us = self._times(self._those(TIMES))
        values = self._those(VALUES)
        value, which = self._values(values)
        said, meant = self._said(values, which)
        if END in self.table.column_names:
            said, meant = self._ended(at_us, which, said, meant)
        table = Table(names, codes, at_us, value, said, meant, self.index)
        table = unrolled(table, which, self.lists, self.kept, self._refuse) if self.lists else table.where(self.kept)
        check_and_count(table, self.decoded, now)

    def _those(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if name in self.table.column_names]

    def _column(self, name: str) -> Any:  # noqa: ANN401 - an Arrow array
        import pyarrow as pa

        column = self.table.column(name)
        column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
        return self._laid_out(column) if pa.types.is_string_view(column.type) else column

    def _laid_out(self, column: Any) -> Any:  # noqa: ANN401 - Arrow arrays
        """Return texts that are told by views, which may all show the same, one after the other."""
        import pyarrow as pa

        views = np.frombuffer(column.buffers()[1] or b"", "<i4")[:: VIEW // 4]
        if views[column.offset : column.offset + len(column)].sum(dtype=np.int64) > self.limit:
            raise too_large(self.limit, "unpacked, a column")
        return column.cast(pa.large_string())

    def _coded(self, name: str) -> tuple[list[str], npt.NDArray[np.int32]]:
        """Return the distinct texts of a column and, for each row, which it is; null is the empty text."""
        import pyarrow as pa
        import pyarrow.compute as pc

        column = self._column(name)
        if not pa.types.is_dictionary(column.type):
            column = pc.dictionary_encode(column)
        if len(column.dictionary) > MAX_TEXTS:
            raise refuse(413, f"column {name} has over {MAX_TEXTS:,} texts", remedy="send several requests", field=name)
        try:
            words = column.dictionary.cast(pa.string()).to_pylist()
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise refuse(422, f"column {name} holds no text", remedy="send strings", field=name) from error
        codes = pc.fill_null(column.indices.cast(pa.int32()), len(words)).to_numpy(zero_copy_only=False)
        return ["" if word is None or word in self.nothing else word for word in [*words, ""]], codes

    def _names(self, columns: Sequence[str]) -> tuple[list[str], npt.NDArray[np.int32]]:
        """Return the distinct names and, for each row, which it has: that of the first column with one."""
        names, codes = self._stripped(columns[0])
        which = np.zeros(codes.size, np.int32)
        for at in range(1, len(columns)):
            mine, others = self._stripped(columns[at])
            numbers = {name: number for number, name in enumerate(dict.fromkeys(["", *names, *mine]))}
            before = np.array([numbers[name] for name in names], np.int32)[codes]
            here = np.array([numbers[name] for name in mine], np.int32)[others]
            names, both = list(numbers), (before != here) & (before > 0) & (here > 0)
            self._refuse_second(columns, at, which, both, two_names)
            codes, which = np.where(before > 0, before, here), np.where(before > 0, which, at)
        return names, codes

    def _stripped(self, name: str) -> tuple[list[str], npt.NDArray[np.int32]]:
        texts, codes = self._coded(name)
        return [text.strip() for text in texts], codes

    def _times(self, columns: Sequence[str]) -> Whole:
        """Return the instant of each row: that of the first column with one."""
        at_us, missing = self._instants(columns[0])
        which = np.zeros(at_us.size, np.int32)
        for at in range(1, len(columns)):
            here, lacking = self._instants(columns[at])
            self._refuse_second(columns, at, which, (here != at_us) & ~missing & ~lacking, two_times)
            at_us, which, missing = np.where(missing, here, at_us), np.where(missing, at, which), missing & lacking
        self._refuse(np.flatnonzero(missing), Fault(columns[0], "there is no instant", HOW), lambda _: "")
        return at_us

    def _instants(self, name: str) -> tuple[Whole, Mask]:
        """Return the instants of a column, and where there is none; what cannot be read gets its verdict."""
        import pyarrow as pa
        import pyarrow.compute as pc

        column = self._column(name)
        kind = column.type
        if pa.types.is_timestamp(kind):
            if kind.tz is None:
                raise refuse(
                    422, f"column {name} has no time zone", remedy='cast it to timestamp("us", tz="UTC")', field=name
                )
            us = self._within(name, column.cast(pa.int64()), PER_S[kind.unit])
        elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
            numbers = numbers_us(
                pc.fill_null(column.cast(pa.float64(), safe=False), 0.0).to_numpy(zero_copy_only=False)
            )
            us = None if numbers is None else pa.array(numbers, mask=_nulls(column))
        else:
            us = _stamps(column)
        if us is None:
            return self._closely(column, name), _nulls(column)
        return np.asarray(pc.fill_null(us, 0).to_numpy(zero_copy_only=False)), _nulls(us)

    def _within(self, name: str, counts: Any, per_s: int) -> Any:  # noqa: ANN401 - Arrow arrays
        """Return counts of so many a second as microseconds; what lies beyond all years that have a name is refused."""
        import pyarrow as pa

        whole, none = np.asarray(counts.fill_null(0).to_numpy(zero_copy_only=False)), _nulls(counts)
        most = LAST_S * min(per_s, MICRO)  # nanoseconds reach no further than the year 2262
        far = (whole > most) | (whole < -most) if per_s <= MICRO else np.zeros(whole.size, np.bool_)
        for which, reason in ((far & (whole > 0), TOO_LATE), (far & (whole < 0), TOO_EARLY)):
            self._refuse(np.flatnonzero(which), Fault(name, f"it {reason}", REMEDY), lambda row: int(whole[row]))
        kept = np.where(far, 0, whole)
        return pa.array(kept * (MICRO // per_s) if per_s <= MICRO else kept // (per_s // MICRO), mask=none)

    def _closely(self, column: Any, name: str) -> Whole:  # noqa: ANN401 - an Arrow array
        """Read instants one by one, and give those that are none their verdict."""
        found = np.zeros(len(column), np.int64)
        for row, value in enumerate(column.to_pylist()):
            if value is None:
                continue
            try:
                found[row] = instant_us(value, name)
            except Wrong as wrong:
                self._refuse(np.array([row]), wrong.fault, partial(_same, wrong.value))
        return found

    def _refuse(self, rows: Rows, fault: Fault, value: Callable[[int], object]) -> None:
        """Refuse rows that nothing was wrong with before; `value` tells of a row what stands there."""
        rows = rows[self.kept[rows]]
        if rows.size:
            self.kept[rows] = False
            places = [self.decoded.places.of(index) for index in self.index[rows].tolist()]
            room = self.decoded.verdicts.room
            values = [value(row) if at < room else "" for at, row in enumerate(rows.tolist())]
            self.decoded.verdicts.several(Status.REJECTED, places, fault, values)

    def _values(self, names: list[str]) -> tuple[Floats, npt.NDArray[np.int32]]:
        """Return for each row its value, and in which of the columns it stands."""
        value = np.full(self.table.num_rows, np.nan)
        which = np.zeros(self.table.num_rows, np.int32)
        for at, name in enumerate(names):
            numbers = self._numbers(at, name)
            if at:
                self._refuse_second(names, at, which, ~np.isnan(value) & ~np.isnan(numbers), two_values)
            here = np.isnan(value) & ~np.isnan(numbers) if at else slice(None)
            value[here], which[here] = numbers[here], at
        value[np.isinf(value)] = np.nan  # what was written is shown
        empty = np.flatnonzero(np.isnan(value) & self.kept)
        if empty.size:
            columns = [self.table.column(name) for name in names]
            fault = Fault(names[0], "there is no finite number", "leave the record out")
            self._refuse(empty, fault, lambda row: _first_of(columns, row))
        return value, which

    def _refuse_second(
        self, columns: Sequence[str], at: int, which: npt.NDArray[Any], both: Mask, fault: Second
    ) -> None:
        """Refuse the rows that say in a column another thing than in one before it, told by `which`."""
        column = self.table.column(columns[at])
        for before in range(at) if both.any() else ():
            rows = np.flatnonzero(both & (which == before))
            self._refuse(rows, fault(columns[before], columns[at]), lambda row: _shown(column[row].as_py()))

    def _numbers(self, at: int, name: str) -> Floats:
        """Return the numbers of a column, NaN where there is none; of a list its place is kept."""
        import pyarrow as pa
        import pyarrow.compute as pc

        column = self._column(name)
        if is_list(column.type):
            self.lists[at] = column
            return np.where(_nulls(column), np.nan, 0.0)
        try:
            return np.asarray(pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            pass
        found = np.full(len(column), np.nan)
        for row, text in enumerate(column.to_pylist()):
            try:
                found[row] = np.nan if text is None else _float(text)
            except (TypeError, ValueError):
                fault = Fault(name, "this is no number", "write digits with a point")
                self._refuse(np.array([row]), fault, partial(_same, text))
        return found

    def _said(self, values: list[str], which: npt.NDArray[np.int32]) -> tuple[list[Said], npt.NDArray[np.int32]]:
        """Return the distinct words of the rows and, for each row, which they are."""
        given = [word for word in WORDS if word in self.table.column_names]
        coded = {word: self._coded(word) for word in given if self._varies(word)}
        key = which.astype(np.int64)
        for words, codes in coded.values():
            key = key * len(words) + codes
        _, first, meant = np.unique(key, return_index=True, return_inverse=True) if coded or which.any() else _one(key)
        said = []
        for row in first.tolist():
            told = {word: words[codes[row]] for word, (words, codes) in coded.items() if words[codes[row]]}
            told |= {word: self._first(word) for word in given if word not in coded and self._first(word)}
            said.append(self._words(told, values[which[row]]))
        return said, meant.astype(np.int32)

    def _ended(
        self, at_us: Whole, which: npt.NDArray[np.int32], said: list[Said], meant: npt.NDArray[np.int32]
    ) -> tuple[list[Said], npt.NDArray[np.int32]]:
        """Return the words of rows with the lengths their ends tell; a row that contradicts itself is refused."""
        ends, lacking = self._instants(END)
        values = np.ones(ends.size, np.int64)
        for at, block in self.lists.items():
            values = np.where(which == at, np.maximum(lengths_of(block), 1), values)
        there = ~lacking & self.kept
        spans = Spans(np.where(there, ends - at_us, 0), values, there)
        column = self.table.column(END)
        for fault, wrong in spans.faults(said, meant):
            self._refuse(np.flatnonzero(wrong), fault, lambda row: _shown(column[row].as_py()))
        return spans.said(said, meant, self.defaults.interval_s)

    def _words(self, told: dict[str, str], column: str) -> Said:
        interval = told.pop("interval_s", "").removesuffix(".0")  # a table with a gap has floats
        named = column != "value"
        if named:
            told.setdefault("unit", "kWh")
        untold = 0 if END in self.table.column_names else self.defaults.interval_s
        said = replace(self.defaults, interval_s=untold, register=column in {"register_kwh", "reading"}, named=named)
        for word, text in told.items():
            said = replace(said, **{word: text})  # type: ignore[arg-type] # all but interval_s are text
        # What is no whole number divides no day, and is refused as such.
        return replace(said, interval_s=int(interval) if interval.isdigit() else -1) if interval else said

    def _varies(self, word: str) -> bool:
        import pyarrow as pa
        import pyarrow.compute as pc

        column = self._column(word)
        if pa.types.is_dictionary(column.type) or pa.types.is_null(column.type):
            return True
        return bool(len(column)) and not (
            pc.min_max(column)["min"].equals(pc.min_max(column)["max"]) and not column.null_count
        )

    def _first(self, word: str) -> str:
        column = self._column(word)
        first = str(column[0].as_py()) if len(column) else ""
        return "" if first in self.nothing else first


def _one(key: npt.NDArray[np.int64]) -> tuple[Any, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return what `np.unique` would of rows that are all alike."""
    return None, np.zeros(min(key.size, 1), np.int64), np.zeros(key.size, np.int64)


def _float(value: Any) -> float:  # noqa: ANN401 - whatever a column holds
    if isinstance(value, str) and not is_plain(value):
        raise ValueError(value)
    return float(value)


def _nulls(column: Any) -> Mask:  # noqa: ANN401 - an Arrow array
    if not column.null_count:
        return np.zeros(len(column), np.bool_)
    return np.asarray(column.is_null().to_numpy(zero_copy_only=False))


def _first_of(columns: Sequence[Any], row: int) -> str:
    """Return the first value that stands in a row, as it was sent."""
    return _shown(next((value for column in columns if (value := column[row].as_py()) is not None), ""))


def _shown(value: object) -> str:
    if isinstance(value, list):
        return f"{value[:10]}"
    return "NaN" if value != value else f"{value}"  # noqa: PLR0124 - only NaN is no equal of itself


def _same(value: object, row: int) -> object:
    del row
    return value


def _stamps(column: Any) -> Any:  # noqa: ANN401 - Arrow arrays
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        return pc.cast(column, pa.timestamp("us", tz="UTC")).cast(pa.int64())
    except pa.ArrowInvalid:
        return None
