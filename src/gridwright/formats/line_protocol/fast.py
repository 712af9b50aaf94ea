"""Plain lines, without escapes and quotes: cut and read all at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
from gridwright.formats.line_protocol.known import Known, Numbers, used_of
from gridwright.formats.line_protocol.line import FAR, NO_INSTANT, LineWrong, Origins, origin_of
from gridwright.formats.line_protocol.numbers import read_numbers, read_wholes
from gridwright.formats.line_protocol.words import Words

Bytes = npt.NDArray[np.uint8]
NEWLINE, RETURN, HASH, QUOTE, SLASH, SPACE, COMMA, EQUALS = b'\n\r#"\\ ,='


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """The lines that say something: their bytes from `start` to before `end`, and their number."""

    body: bytes
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
        return cls(body, raw, start[kept], end[kept], np.flatnonzero(kept) + 1)

    def at(self, kept: Mask) -> Lines:
        """Return some of the lines."""
        return Lines(self.body, self.raw, self.start[kept], self.end[kept], self.number[kept])

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

    def __init__(self, lines: Lines, known: tuple[Known[bytes], Known[str]], received_us: int, unit: Unit) -> None:
        """`known`: what keys and names of fields mean."""
        self.raw, self.lines, self.received_us, self.unit = lines.raw, lines, received_us, unit
        self.keys, self.field_names = known
        self.words = Words(lines.body)
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
        return FieldValues(
            origins,
            fields,
            origin[which],
            code,
            value,
            at_us[which],
            number,
            tuple(self.faults),
            truths=self.words.truths,
        )

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
            read, wrong = read_wholes(self.raw, self.words, start[rows], end[rows])
            at_us[rows], far = to_us(read, self.unit)
            self._no_instants(rows[wrong | far], lambda row: self._text(start[row], end[row]))
        return at_us

    def _no_instants(self, rows: Whole, text: Callable[[int], str]) -> None:
        """Refuse lines whose timestamp is none; one of digits alone lies too far away, however many they are."""
        digits = np.array([text(row).lstrip("+-").isdecimal() for row in rows.tolist()], np.bool_)
        for which, advice in ((rows[digits], FAR), (rows[~digits], NO_INSTANT)):
            self._wrong(which, text, *advice, "timestamp")

    def _origins(self, first: Whole) -> tuple[Origins, Numbers]:
        number = self.keys.numbers(self.lines.body, self.words, self.lines.start, first)
        for row in np.flatnonzero(~self.keys.sound[number]).tolist():
            reason = _reason(self.lines.body[int(self.lines.start[row]) : int(first[row])])
            self._wrong(np.array([row]), self._line, reason, "write measurement,tag=value field=1")
        return Origins(self.keys.found), number

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

    def _names(self, which: npt.NDArray[np.intp], begin: Whole, equals: Whole) -> tuple[tuple[str, ...], Numbers]:
        if not which.size:
            return (), np.zeros(0, np.int32)
        number = self.field_names.numbers(self.lines.body, self.words, begin, np.maximum(equals, begin))
        unsound = ~self.field_names.sound[number]
        if unsound.any():
            self._wrong(np.unique(which[unsound]), self._line, "a field's name is not UTF-8", "send UTF-8")
        return used_of(self.field_names, number)

    def _values(
        self, which: npt.NDArray[np.intp], names: tuple[str, ...], code: Numbers, place: tuple[Whole, Whole]
    ) -> npt.NDArray[np.float64]:
        """Return the numbers; what is none is NaN, with its fault."""
        start, end = place
        value, bad = np.full(which.size, np.nan), np.zeros(which.size, np.bool_)
        there = (end > start) & self.sound[which]
        if there.any():
            value[there], bad[there] = read_numbers(self.raw, self.words, start[there], end[there])
        for row in np.flatnonzero(bad).tolist():
            line, text = int(self.lines.number[which[row]]), self._text(start[row], end[row])
            self.faults.append(LineFault(line, names[code[row]], text, NO_NUMBER, NUMBERS))
            value[row] = np.nan
        return value


def _reason(key: bytes) -> str:
    """Return what is wrong with a key."""
    try:
        origin_of(key.decode())
    except UnicodeDecodeError:
        return "it is not UTF-8"
    except LineWrong as wrong:
        return wrong.reason
    return "it means nothing"
