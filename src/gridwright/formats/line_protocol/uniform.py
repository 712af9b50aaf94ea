"""Bodies whose lines are all built alike, as a fleet or an agent sends them: cut at once, by the places of their marks.

Whatever is not as usual, or not sound, is left to the careful way, which reads the same and says what is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.formats.line_protocol.columns import FieldValues, Unit, Whole, to_us
from gridwright.formats.line_protocol.known import Known, Numbers, used_of
from gridwright.formats.line_protocol.line import Origins
from gridwright.formats.line_protocol.numbers import read_numbers
from gridwright.formats.line_protocol.words import EIGHT, KEEP, Words

Bytes = npt.NDArray[np.uint8]
SPACE, NEWLINE, HASH, COMMA, EQUALS = b" \n#,="


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """n lines: where each begins, its key ends, its fields end and it ends; the last two agree without a timestamp."""

    body: bytes
    raw: Bytes
    start: Whole
    first: Whole
    stop: Whole
    end: Whole

    @classmethod
    def of(cls, body: bytes) -> Cut | None:
        """Cut a body; None where a line has quotes, escapes, another number of spaces, or says nothing."""
        if b'"' in body or b"\\" in body:
            return None
        if not body.endswith(b"\n"):
            body += b"\n"
        raw = np.frombuffer(body, np.uint8)
        marks = np.flatnonzero(raw <= SPACE)
        stamped = raw[marks[:2]].tolist() == [SPACE, SPACE]
        if marks.size % (3 if stamped else 2):
            return None
        columns = [np.ascontiguousarray(column) for column in marks.reshape(-1, 3 if stamped else 2).T]
        if not all((raw[column] == SPACE).all() for column in columns[:-1]) or (raw[columns[-1]] != NEWLINE).any():
            return None
        first, stop, end = columns if stamped else (columns[0], columns[1], columns[1])
        start = np.concatenate((np.zeros(1, np.int64), end[:-1] + 1))
        empty = (first == start) | (stop == first + 1) | (stop + 1 == end)
        if empty.any() or (raw[start] == HASH).any():
            return None
        return cls(body, raw, start, first, stop, end)


@dataclass(frozen=True, slots=True, eq=False)
class Fields:
    """f fields of each of n lines, the first of all lines, then the second: what they are called, and their values."""

    names: tuple[str, ...]
    name: Numbers
    value: npt.NDArray[np.float64]


class Uniform:
    """A body of lines that are built alike."""

    def __init__(self, cut: Cut, known: tuple[Known[bytes], Known[str]]) -> None:
        """`known`: what keys and names of fields mean."""
        self.cut = cut
        self.origins, self.names = known
        self.words = Words(cut.body)

    def read(self, received_us: int, unit: Unit) -> FieldValues | None:
        """Return its values; None where something is not as it should be."""
        cut = self.cut
        several = b"," in cut.body[int(cut.first[0]) : int(cut.stop[0])]
        found = (None if several else self._of_one_name()) or self._columns()
        at_us = None if found is None else self._instants(received_us, unit)
        if found is None or at_us is None:
            return None
        origin = self.origins.numbers(cut.body, self.words, cut.start, cut.first)
        if not self.origins.sound[origin].all():
            return None
        count, lines = found.value.size // origin.size, np.arange(1, origin.size + 1)
        if count > 1:
            origin, at_us, lines = np.repeat(origin, count), np.repeat(at_us, count), np.repeat(lines, count)
        return FieldValues(
            Origins(self.origins.found),
            found.names,
            origin,
            found.name,
            found.value,
            at_us,
            lines,
            lines=cut.start.size,
            truths=self.words.truths,
        )

    def _instants(self, received_us: int, unit: Unit) -> Whole | None:
        cut = self.cut
        if cut.stop is cut.end:
            return np.full(cut.start.size, received_us, np.int64)
        stamp, odd = self.words.whole(cut.stop + 1, cut.end)
        if odd.any():
            return None
        at_us, far = to_us(stamp, unit)
        return None if far.any() else at_us

    def _of_one_name(self) -> Fields | None:
        """Return the only field of each line, where all are called the same."""
        cut = self.cut
        first, stop = int(cut.first[0]), int(cut.stop[0])
        equals = cut.body.find(b"=", first, stop)
        begins = cut.body[first : equals + 1]
        name = self._text(begins[1:-1])
        begin = cut.first + len(begins)
        if not name or "," in name or begin[-1] > len(cut.body) or not self._begin_with(begins, begin):
            return None
        value, bad = read_numbers(cut.raw, self.words, begin, cut.stop)
        return None if bad.any() else Fields((name,), np.zeros(value.size, np.int32), value)

    def _begin_with(self, text: bytes, end: Whole) -> bool:
        """Tell whether this text ends at each of these places."""
        for back in range(0, len(text), EIGHT):
            piece = text[max(0, len(text) - back - EIGHT) : len(text) - back]
            wanted = np.uint64(int.from_bytes(piece.rjust(EIGHT, b"\0"), "little"))
            if not (self.words.before(end, back) & KEEP[len(piece)] == wanted).all():
                return False
        return True

    def _columns(self) -> Fields | None:
        """Return the fields of lines that have equally many."""
        cut, raw = self.cut, self.cut.raw
        marks = self._marks()
        if marks is None or not (raw[marks[::2]] == EQUALS).all() or not (raw[marks[1::2]] == COMMA).all():
            return None
        equals = marks[::2].ravel()
        begin = np.concatenate((cut.first + 1, (marks[1::2] + 1).ravel()))
        end = np.concatenate((marks[1::2].ravel(), cut.stop))
        if (equals <= begin).any() or (end <= equals + 1).any():
            return None
        named = self.names.numbers(cut.body, self.words, begin, equals)
        value, bad = read_numbers(raw, self.words, equals + 1, end)
        if bad.any() or not self.names.sound[named].all():
            return None
        names, name = used_of(self.names, named)
        by_line = (len(marks[::2]), cut.first.size)
        return Fields(names, name.reshape(by_line).T.ravel(), value.reshape(by_line).T.ravel())

    def _marks(self) -> Whole | None:
        """Return where the equals signs and commas of the fields stand, a column for each line; None if they differ."""
        cut = self.cut
        places = np.flatnonzero((cut.raw == EQUALS) | (cut.raw == COMMA))
        marks = self._by_line(places)
        if marks is not None:
            # Often the keys have equally many, too.
            in_key = int(np.count_nonzero(marks[0] < cut.first[0]))
            marks = marks[:, in_key:] if in_key == 0 or (marks[:, in_key - 1] < cut.first).all() else None
        if marks is None or not self._in_fields(marks):
            line = np.searchsorted(cut.first, places, side="right") - 1
            marks = self._by_line(places[places < np.where(line < 0, 0, cut.stop[np.maximum(line, 0)])])
        return np.ascontiguousarray(marks.T) if marks is not None and self._in_fields(marks) else None

    def _by_line(self, places: Whole) -> Whole | None:
        """Return places by line; None where they cannot be equally many in each."""
        lines = self.cut.first.size
        return None if not places.size or places.size % lines else places.reshape(lines, -1)

    def _in_fields(self, marks: Whole) -> bool:
        """Tell whether all marks of a line are within its fields: equals signs, and commas between them."""
        if marks.shape[1] % 2 == 0:
            return False
        return bool((marks[:, 0] > self.cut.first).all() and (marks[:, -1] < self.cut.stop).all())

    @staticmethod
    def _text(piece: bytes) -> str:
        try:
            return piece.decode()
        except UnicodeDecodeError:
            return ""
