"""The lines of a piece of a CMEP file, and what their heads tell: each head that differs in substance, once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.formats.cmep.records import HEADER, Record, Refusal, Rules, record_of
from gridwright.formats.nem12.numbers import PAD, Text, padded
from gridwright.formats.text import text_of

Index = npt.NDArray[np.int64]
COMMA, FEED = 44, 10
# Fields 2 to 7 tell who sent the record, to whom and when: no reading depends on them.
SENDER_ENDS = 7


@dataclass(frozen=True, slots=True, eq=False)
class Lines:
    """A piece of a file, without quotes, and the separators in its padded text; `first` and `last` of each line."""

    data: bytes
    text: Text
    separators: Index
    first: Index
    last: Index

    @property
    def fields(self) -> Index:
        """How many fields each line has."""
        return self.last - self.first + 1

    @property
    def start(self) -> Index:
        """Where each line begins."""
        return np.asarray(np.r_[PAD, self.separators[self.last[:-1]] + 1])

    def end(self, field: int) -> Index:
        """Return where a field of each line ends, or the line where it has fewer."""
        return np.asarray(self.separators[np.minimum(self.first + field - 1, self.last)])

    def head(self, line: int) -> str:
        """Return the fields of a line before its triplets."""
        begin = int(self.separators[self.last[line - 1]]) + 1 - PAD if line else 0
        end = int(self.separators[min(self.first[line] + HEADER - 1, self.last[line])]) - PAD
        return text_of(self.data[begin:end]).rstrip("\r")


def lines_of(data: bytes) -> Lines:
    """Find the lines of a piece of a file."""
    data = data.replace(b'"', b"").removeprefix(b"\xef\xbb\xbf")
    text = padded(data)
    separators = np.flatnonzero((text == COMMA) | (text == FEED))
    last = np.flatnonzero(text[separators] == FEED)
    return Lines(data, text, separators, np.r_[0, last[:-1] + 1], last)


def understood(lines: Lines, rules: Rules) -> tuple[list[Record | Refusal | None], Index]:
    """Return what the heads tell, None for a blank line, and for each line which of it."""
    data, known = lines.data, dict[tuple[bytes, bytes, int], int]()
    bounds = (place - PAD for place in (lines.start, lines.end(1), lines.end(SENDER_ENDS), lines.end(HEADER)))
    cuts = zip(*(place.tolist() for place in (*bounds, lines.fields)), strict=True)
    keys = ((data[begin:kind], data[sender:end], fields) for begin, kind, sender, end, fields in cuts)
    which = np.fromiter((known.setdefault(key, len(known)) for key in keys), np.int64, lines.last.size)
    leading = np.unique(which, return_index=True)[1]
    return [_told(lines.head(line), int(lines.fields[line]), rules) for line in leading.tolist()], which


def _told(head: str, fields: int, rules: Rules) -> Record | Refusal | None:
    return record_of([part.strip() for part in head.split(",")], fields, rules) if head.strip() else None
