"""Plain lines, without escapes and quotes: cut and read all at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from gridwright.formats.line_protocol.columns import (
    NO_NUMBER,
    NUMBERS,
    FieldValues,
    LineFault,
    Mask,
    Unit,
    Whole,
    no_values,
    to_us,
)
from gridwright.formats.line_protocol.line import LineWrong, Origin, number_of, origin_of

Bytes = npt.NDArray[np.uint8]
NEWLINE, RETURN, HASH, QUOTE, SLASH, SPACE, COMMA, EQUALS = b'\n\r#"\\ ,='
INTEGER, BOOLEAN = np.frombuffer(b"iu", np.uint8), np.frombuffer(b"tTfFeE", np.uint8)
TRUTH = {b"t": 1.0, b"T": 1.0, b"true": 1.0, b"True": 1.0, b"TRUE": 1.0}
TRUTH |= {b"f": 0.0, b"F": 0.0, b"false": 0.0, b"False": 0.0, b"FALSE": 0.0}
LARGEST = 9.2e18


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """The lines that say something: their bytes from `start` to before `end`, and their number."""

    raw: Bytes
    start: Whole
    end: Whole
    number: Whole

    @classmethod
    def of(cls, body: bytes) -> Lines:
        """Return the lines of a body, without empty ones and comments."""
        raw = np.frombuffer(body, np.uint8)
        ends = np.flatnonzero(raw == NEWLINE)
        start, end = np.r_[0, ends + 1], np.r_[ends, raw.size]
        end = end - ((end > start) & (raw[np.maximum(end - 1, 0)] == RETURN if raw.size else False))
        kept = end > start
        kept[kept] = raw[start[kept]] != HASH
        return cls(raw, start[kept], end[kept], np.flatnonzero(kept) + 1)

    def at(self, kept: Mask) -> Lines:
        """Return some of the lines."""
        return Lines(self.raw, self.start[kept], self.end[kept], self.number[kept])

    def count(self, places: Whole) -> Whole:
        """Return how many of some sorted places lie in each line."""
        return np.searchsorted(places, self.end) - np.searchsorted(places, self.start)

    def odd(self) -> Mask:
        """Tell which lines have escapes, quotes or another number of spaces than one or two."""
        spaces = self.count(np.flatnonzero(self.raw == SPACE))
        odd = (spaces < 1) | (spaces > 2)  # noqa: PLR2004 - key, fields and perhaps a timestamp
        if odd.size:
            odd |= self.raw[self.start] == SPACE
        for mark in (QUOTE, SLASH):
            places = np.flatnonzero(self.raw == mark)
            if places.size:
                odd |= self.count(places) > 0
        return odd


class Fast:
    """Plain lines: cut at their spaces, then the fields at their commas and equals signs, all at once."""

    def __init__(self, lines: Lines, received_us: int, unit: Unit) -> None:
        self.raw, self.lines, self.received_us, self.unit = lines.raw, lines, received_us, unit
        self.faults: list[LineFault] = []
        self.sound = np.ones(lines.number.size, np.bool_)

    def read(self) -> FieldValues:
        """Return the values of the sound lines."""
        lines, raw = self.lines, self.raw
        if not lines.number.size:
            return no_values()
        spaces = np.flatnonzero(raw == SPACE)
        first = spaces[np.searchsorted(spaces, lines.start)]
        after = np.r_[spaces, raw.size][np.searchsorted(spaces, first + 1)]
        stop = np.minimum(after, lines.end)
        at_us = self._instants(stop)
        origins, origin = self._origins(first)
        which, begin, equals, end = self._fields(first + 1, stop)
        fields, code = self._names(which, begin, equals)
        value = self._values(which, fields, code, (equals + 1, end))
        good = self.sound[which] & ~np.isnan(value)
        which, code, value = which[good], code[good], value[good]
        number = lines.number[which]
        return FieldValues(origins, fields, origin[which], code, value, at_us[which], number, tuple(self.faults))

    def _wrong(self, rows: Whole, text: Callable[[int], str], reason: str, remedy: str, name: str = "line") -> None:
        """Refuse whole lines that were sound until now."""
        for row in rows.tolist():
            if self.sound[row]:
                fault = LineFault(int(self.lines.number[row]), name, text(row), reason, remedy)
                self.faults.append(fault)
                self.sound[row] = False

    def _line(self, row: int) -> str:
        return self._text(self.lines.start[row], self.lines.end[row])

    def _text(self, start: Any, end: Any) -> str:  # noqa: ANN401 - numpy's integers
        return self.raw[int(start) : int(end)].tobytes().decode(errors="replace")[:120]

    def _instants(self, stop: Whole) -> Whole:
        """Return the timestamps in microseconds; a line without one is of now."""
        start, end = np.minimum(stop + 1, self.lines.end), self.lines.end
        at_us = np.full(start.size, self.received_us, np.int64)
        rows = np.flatnonzero(end > start)
        if rows.size:
            read, wrong = _integers(self.raw, start[rows], end[rows])
            at_us[rows], far = to_us(read, self.unit)
            bad = rows[wrong | far]
            remedy = "write it as a whole number, and give its precision"
            self._wrong(bad, lambda row: self._text(start[row], end[row]), "this is no instant", remedy, "timestamp")
        return at_us

    def _origins(self, first: Whole) -> tuple[tuple[Origin, ...], npt.NDArray[np.int32]]:
        values, code = _coded(self.raw, self.lines.start, first)
        origins = [_known_origin(key) for key in values]
        for at, found in enumerate(origins):
            if isinstance(found, str):
                self._wrong(np.flatnonzero(code == at), self._line, found, "write measurement,tag=value field=1")
        return tuple(Origin("") if isinstance(found, str) else found for found in origins), code

    def _fields(self, start: Whole, stop: Whole) -> tuple[npt.NDArray[np.intp], Whole, Whole, Whole]:
        """Return, for each field, its line, and where its name begins, its equals sign stands and its value ends."""
        commas, equals = (self._inside(mark, start, stop) for mark in (COMMA, EQUALS))
        counts = [np.bincount(which, minlength=start.size) for which, _ in (commas, equals)]
        fits = counts[0] + 1 == counts[1]
        self._wrong(np.flatnonzero(~fits), self._line, "its fields are not name=value", "separate them by commas")
        kept = fits & self.sound
        (comma_line, comma), (line, sign) = (
            (which[kept[which]], places[kept[which]]) for which, places in (commas, equals)
        )
        del comma_line
        begin = np.sort(np.concatenate((start[kept], comma + 1)))
        end = np.sort(np.concatenate((stop[kept], comma)))
        empty = (sign <= begin) | (sign + 1 >= end)
        if empty.any():
            self._wrong(np.unique(line[empty]), self._line, "a field has no name or no value", "write name=value")
        return line, begin, sign, end

    def _inside(self, mark: int, start: Whole, stop: Whole) -> tuple[npt.NDArray[np.intp], Whole]:
        """Return the line and the place of each mark within the fields."""
        places = np.flatnonzero(self.raw == mark)
        line = np.searchsorted(start, places, side="right") - 1
        inside = (line >= 0) & (places < stop[np.maximum(line, 0)])
        return line[inside], places[inside]

    def _names(
        self, which: npt.NDArray[np.intp], begin: Whole, equals: Whole
    ) -> tuple[tuple[str, ...], npt.NDArray[np.int32]]:
        if not which.size:
            return (), np.zeros(0, np.int32)
        values, code = _coded(self.raw, begin, np.maximum(equals, begin))
        names = [_decoded(value) for value in values]
        for at, name in enumerate(names):
            if name is None:
                rows = np.unique(which[code == at])
                self._wrong(rows, self._line, "a field's name is not UTF-8", "send UTF-8")
        return tuple(name or "" for name in names), code

    def _values(
        self,
        which: npt.NDArray[np.intp],
        names: tuple[str, ...],
        code: npt.NDArray[np.int32],
        place: tuple[Whole, Whole],
    ) -> npt.NDArray[np.float64]:
        """Return the numbers; what is none is NaN, with its fault."""
        start, end = place
        value = np.full(which.size, np.nan)
        there = (end > start) & self.sound[which]
        last = self.raw[np.where(there, end - 1, 0)] if which.size else np.zeros(0, np.uint8)
        kinds = (np.isin(last, INTEGER) & there, np.isin(last, BOOLEAN) & there)
        bad = np.zeros(which.size, np.bool_)
        for rows, read, less in (
            (np.flatnonzero(kinds[0]), _integers, 1),
            (np.flatnonzero(kinds[1]), _truths, 0),
            (np.flatnonzero(there & ~kinds[0] & ~kinds[1]), _floats, 0),
        ):
            if rows.size:
                value[rows], bad[rows] = read(self.raw, start[rows], end[rows] - less)
        for row in np.flatnonzero(bad).tolist():
            line, text = int(self.lines.number[which[row]]), self._text(start[row], end[row])
            self.faults.append(LineFault(line, names[code[row]], text, NO_NUMBER, NUMBERS))
            value[row] = np.nan
        return value


@lru_cache(maxsize=1 << 16)
def _known_origin(key: bytes) -> Origin | str:
    """Return measurement and tags of a plain key, or what is wrong with it."""
    try:
        return origin_of(key.decode())
    except UnicodeDecodeError:
        return "it is not UTF-8"
    except LineWrong as wrong:
        return wrong.reason


def _decoded(value: bytes) -> str | None:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _binary(raw: Bytes, start: Whole, end: Whole) -> Any:  # noqa: ANN401 - pyarrow has no types
    """Return pieces of the body as an Arrow column."""
    import pyarrow as pa

    lengths = end - start
    offsets = np.zeros(start.size + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    # Pieces that lie apart, in order, are cut out by a mask, which is quicker than their places.
    apart = bool((start[1:] > end[:-1]).all())
    data = raw[_inside(raw.size, start, end) if apart else _places(start, lengths, offsets)]
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.binary(), start.size, buffers)


def _inside(size: int, start: Whole, end: Whole) -> Mask:
    edges = np.zeros(size + 1, np.int8)
    edges[start] += 1
    edges[end] -= 1
    inside: Mask = np.cumsum(edges[:-1], dtype=np.int8).view(np.bool_)
    return inside


def _places(start: Whole, lengths: Whole, offsets: Whole) -> Whole:
    places: Whole = np.repeat(start - offsets[:-1], lengths) + np.arange(int(offsets[-1]))
    return places


def _coded(raw: Bytes, start: Whole, end: Whole) -> tuple[list[bytes], npt.NDArray[np.int32]]:
    """Return the distinct pieces and, for each piece, which it is."""
    coded = _binary(raw, start, end).dictionary_encode()
    return coded.dictionary.to_pylist(), coded.indices.to_numpy()


def _integers(raw: Bytes, start: Whole, end: Whole) -> tuple[Whole, Mask]:
    """Return whole numbers, and which of the pieces are none."""
    return _cast(raw, start, end, "int64", number_of)


def _floats(raw: Bytes, start: Whole, end: Whole) -> tuple[Any, Mask]:
    value, bad = _cast(raw, start, end, "float64", number_of)
    return value, bad | ~np.isfinite(value)


def _truths(raw: Bytes, start: Whole, end: Whole) -> tuple[Any, Mask]:
    values, code = _coded(raw, start, end)
    table = np.array([TRUTH.get(value, np.nan) for value in values])
    return table[code], np.isnan(table)[code]


def _cast(raw: Bytes, start: Whole, end: Whole, kind: str, closer: Callable[[str], float | None]) -> tuple[Any, Mask]:
    """Read numbers at once; where one of them is none, one by one."""
    import pyarrow as pa

    pieces = _binary(raw, start, end)
    try:
        read = pieces.cast(pa.string()).cast(kind).to_numpy()
    except pa.ArrowInvalid:
        whole = kind == "int64"
        texts = [_decoded(piece) or "" for piece in pieces.to_pylist()]
        found = [None if whole and not text.lstrip("+-").isdigit() else closer(text) for text in texts]
        values = [0 if value is None or abs(value) > LARGEST else value for value in found]
        bad = [value is None or (whole and abs(value) > LARGEST) for value in found]
        return np.array(values, kind), np.array(bad, np.bool_)
    return read, np.zeros(start.size, np.bool_)
