"""Where the lines and fields of a piece of text are, found with whole-array operations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.formats.nem12.numbers import PAD, Text
from gridwright.formats.text import text_of

Index = npt.NDArray[np.int64]
COMMA, FEED, RETURN = 44, 10, 13
BLANK, UNKNOWN = -1, 0
KINDS = (100, 200, 250, 300, 400, 500, 550, 900)
DATE_LENGTH = 8


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """`separators`: offsets of every comma and line feed; a line's fields end at separators[first..last].

    `kind`: the record indicator of each line (UNKNOWN, BLANK where there is none); `number`: line number in the file.
    """

    text: Text
    separators: Index
    start: Index
    first: Index
    last: Index
    kind: Index
    number: Index

    def lines(self, kind: int) -> Index:
        """Return the indexes of the lines of one kind."""
        return np.flatnonzero(self.kind == kind)

    def end(self, line: int) -> int:
        """Return the offset of the line feed that ends `line`."""
        return int(self.separators[self.last[line]])

    def record(self, line: int) -> str:
        """Return the text of a line."""
        return text_of(self.text[self.start[line] : self.end(line)].tobytes()).rstrip("\r")

    def field_bounds(self, lines: Index, at: int | Index) -> tuple[Index, Index]:
        """Return (start, end) of field `at` ≥ 1 of each line, without a closing carriage return.

        Where a line is too short the bounds are equal, an empty field.
        """
        here = self.first[lines] + at
        exists = here <= self.last[lines]
        here = np.where(exists, here, self.first[lines])
        end = self.separators[here]
        start = self.separators[np.maximum(here - 1, 0)] + 1
        end = end - (self.text[end - 1] == RETURN)
        return np.where(exists, start, end), np.maximum(end, np.where(exists, start, end))


def layout(text: Text, first_line: int) -> Layout:
    """Find the lines, fields and record kinds of a padded text."""
    separators = np.flatnonzero((text == COMMA) | (text == FEED))
    last = np.flatnonzero(text[separators] == FEED)
    ends = separators[last]
    start = np.r_[PAD, ends[:-1] + 1]
    first = np.r_[0, last[:-1] + 1]
    number = first_line + np.arange(last.size, dtype=np.int64)
    kind = _kinds(text, start, separators[first], ends)
    whole = Layout(text, separators, start, first, last, kind, number)
    return _without_dateless_days(whole)


def _kinds(text: Text, start: Index, comma: Index, end: Index) -> Index:
    """Return each line's record indicator; the field must be exactly three digits, blanks apart."""
    at = np.minimum(start, text.size - 4)
    digits = [text[at + k].astype(np.int64) - ord("0") for k in range(3)]
    kind = digits[0] * 100 + digits[1] * 10 + digits[2]
    length = comma - start - ((comma == end) & (text[comma - 1] == RETURN))
    is_known = (length == 3) & np.isin(kind, KINDS)  # noqa: PLR2004 - digits of an indicator
    blank = (end - start) - (text[end - 1] == RETURN) <= 0
    return np.where(blank, BLANK, np.where(is_known, kind, UNKNOWN))


def _without_dateless_days(whole: Layout) -> Layout:
    """Take `300,12.5,...` for what it is: the rest of a broken record that begins with the value 300."""
    days = whole.lines(300)
    start, end = whole.field_bounds(days, 1)
    whole.kind[days[(end - start != DATE_LENGTH) & (whole.last[days] - whole.first[days] < DATE_LENGTH)]] = UNKNOWN
    return whole


def joined(parts: Layout, needed: Index) -> Layout:
    """Join day records that were broken over several lines.

    `needed`: fields that each 300 line must have (0 elsewhere). A line without a record kind that follows an
    unfinished day belongs to it: the line break between them goes.
    """
    broken = _continuations(parts, needed)
    if not broken:
        return parts
    keep = np.ones(parts.text.size, np.bool_)
    for line in broken:
        feed = parts.end(line - 1)
        after_comma = parts.text[feed - 1 - (parts.text[feed - 1] == RETURN)] == COMMA
        keep[feed] = not after_comma and parts.text[parts.start[line]] != COMMA
        keep[feed - 1] = parts.text[feed - 1] != RETURN
    text = parts.text[keep]
    # A break between two values stands for their comma.
    lost = np.flatnonzero(keep)
    is_break = np.isin(lost, [parts.end(line - 1) for line in broken])
    text[is_break] = COMMA
    whole = layout(text, 0)
    return Layout(
        text, whole.separators, whole.start, whole.first, whole.last, whole.kind, np.delete(parts.number, broken)
    )


def _continuations(parts: Layout, needed: Index) -> list[int]:
    """List the lines that continue an unfinished day."""
    broken: list[int] = []
    previous, fields, wanted = -1, 0, 0
    for line in np.flatnonzero(parts.kind == UNKNOWN).tolist():
        if line != previous + 1 and line > 0:
            fields, wanted = _width(parts, line - 1), int(needed[line - 1])
        if 0 < fields < wanted:
            broken.append(line)
            fields += _width(parts, line)
        previous = line
    return broken


def _width(parts: Layout, line: int) -> int:
    return int(parts.last[line] - parts.first[line]) + 1
