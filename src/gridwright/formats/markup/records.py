"""Records: elements of one name that do not nest, with what lies inside them, checked for soundness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from gridwright.formats.markup.tags import BROKEN, CLOSE, EMPTY, OPEN, SPACE, Index, Tags, Text

Mask = npt.NDArray[np.bool_]
DEEPEST = 12  # levels inside a record; readings need three
BLANK_ROUNDS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Leaf:
    """The text of one kind of leaf: `record` it is in, and [start, end) of its text without blanks around it."""

    record: Index
    start: Index
    end: Index

    def of(self, count: int) -> tuple[Index, Index, Mask]:
        """Return for each of `count` records (start, end, whether it came twice); -1 where a record has none."""
        start, end = np.full(count, -1, np.int64), np.full(count, -1, np.int64)
        start[self.record[::-1]] = self.start[::-1]
        end[self.record[::-1]] = self.end[::-1]
        twice = np.zeros(count, np.bool_)
        twice[self.record[1:][self.record[1:] == self.record[:-1]]] = True
        return start, end, twice


class Within(Protocol):
    """The tags inside records."""

    def texts(self, name: str, level: int) -> tuple[Index, Index, Index]:
        """Return (record, start, end of its text) of each element of a name that holds nothing but text."""
        ...

    def marks(self, name: str, level: int) -> tuple[Index, Index, Index]:
        """Return (record, end of its name, place of `>`) of each opening or empty tag of a name."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Records:
    """Sound elements of one name in the order of the text, and the tags that make no sound one.

    `places`, `stops`: places in the text of the `<` with which each begins, and of the `>` with which it ends. `torn`:
    which of the `tags` begin or end a record that is not whole, or within which tags do not fit each other.
    """

    tags: Tags
    places: Index
    stops: Index
    torn: Index
    within: Within

    @property
    def size(self) -> int:
        """Number of sound records."""
        return int(self.places.size)

    def leaf(self, name: str, level: int) -> Leaf:
        """Return the texts of the elements of a name at a level (1 = directly inside) that hold nothing but text."""
        record, start, end = self.within.texts(name, level)
        return Leaf(record, *stripped(self.tags.text, start, end))

    def inside(self, name: str, level: int) -> tuple[Index, Index, Index]:
        """Return (record, end of its name, place of `>`) of each opening or empty tag of a name at a level."""
        return self.within.marks(name, level)


@dataclass(frozen=True, slots=True, eq=False)
class _Listed:
    """Tags inside records, each by its place among all `tags`.

    `inner`: these places, `owner`: which record they belong to, `level`: how deep they lie.
    """

    tags: Tags
    inner: Index
    owner: Index
    level: npt.NDArray[np.int32]

    def texts(self, name: str, level: int) -> tuple[Index, Index, Index]:
        here, at = self._of(name, level)
        keep = (self.tags.kind[at] == OPEN) & (self.tags.kind[at + 1] == CLOSE)
        at = at[keep]
        return self.owner[here[keep]], self.tags.end[at] + 1, self.tags.start[at + 1]

    def marks(self, name: str, level: int) -> tuple[Index, Index, Index]:
        here, at = self._of(name, level)
        keep = self.tags.kind[at] != CLOSE
        return self.owner[here[keep]], self.tags.name_end[at[keep]], self.tags.end[at[keep]]

    def _of(self, name: str, level: int) -> tuple[Index, Index]:
        here = np.flatnonzero((self.tags.name[self.inner] == self.tags.number[name]) & (self.level == level))
        return here, self.inner[here]


def records(tags: Tags, name: str) -> Records:
    """Find the records of a name; what damage has torn costs the record that it is in, and no other."""
    opens, closes = tags.which(name, OPEN), tags.which(name, CLOSE)
    first, last, torn = _pairs(opens, closes)
    counts = np.maximum(last - first - 1, 0)
    owner = np.repeat(np.arange(first.size), counts)
    inner = np.arange(counts.sum()) + np.repeat(first + 1 - np.cumsum(counts) + counts, counts)
    level = tags.level[inner] - tags.level[first][owner]
    bad = _unsound(tags, (first, last), (inner, owner, level))
    if bad.any():
        torn = np.sort(np.concatenate([torn, first[bad]]))
        keep = ~bad[owner]
        number = np.cumsum(~bad) - 1
        first, last = first[~bad], last[~bad]
        inner, owner, level = inner[keep], number[owner[keep]], level[keep]
    empty = tags.which(name, EMPTY)
    torn = np.sort(np.concatenate([torn, empty])) if empty.size else torn
    return Records(tags, tags.start[first], tags.end[last], torn, _Listed(tags, inner, owner, level))


def _pairs(opens: Index, closes: Index) -> tuple[Index, Index, Index]:
    """Match each tag with the next end tag before another one begins; the rest is torn."""
    if opens.size == closes.size and (opens < closes).all() and (closes[:-1] < opens[1:]).all():
        return opens, closes, np.empty(0, np.int64)
    if not closes.size:
        return opens[:0], closes, opens
    at = np.searchsorted(closes, opens)
    end = closes[np.minimum(at, closes.size - 1)]
    limit = np.append(opens[1:], np.iinfo(np.int64).max) if opens.size else opens
    whole = (at < closes.size) & (end < limit)
    stray = np.ones(closes.size, np.bool_)
    stray[at[whole]] = False
    return opens[whole], end[whole], np.sort(np.concatenate([opens[~whole], closes[stray]]))


def _unsound(tags: Tags, ends: tuple[Index, Index], inside: tuple[Index, Index, npt.NDArray[np.int32]]) -> Mask:
    """Tell within which records some tag is broken, lies outside, or is not closed by its own name."""
    (first, last), (inner, owner, level) = ends, inside
    bad: Mask = tags.level[first] != tags.level[last]
    kind = tags.kind[inner]
    wrong = (kind == BROKEN) | (level < 1) | (level > DEEPEST)
    if wrong.any():
        bad[owner[wrong]] = True
    key = tags.key[inner]
    paired = (kind != EMPTY) & ~bad[owner] if bad.any() else kind != EMPTY
    deepest = int(level[paired].max()) if paired.any() else 0
    for depth in range(1, deepest + 1):
        at = np.flatnonzero(paired & (level == depth))
        begin, end = at[0::2], at[1::2]
        differ = (key[begin] != key[end]) | (kind[begin] != OPEN) | (kind[end] != CLOSE)
        bad[owner[begin[differ]]] = True
    return bad


def enclosing(begins: Index, ends: Index, places: Index) -> Index:
    """Return for each place the number of the element around it, -1 outside: the last to begin, if none ended since.

    `begins`, `ends`: places where elements that do not nest begin and end, in order.
    """
    number = np.searchsorted(begins, places) - 1
    ended = np.append(np.searchsorted(ends, begins), -1)
    number[np.searchsorted(ends, places) != ended[number]] = -1
    return number


def stripped(text: Text, start: Index, end: Index) -> tuple[Index, Index]:
    """Return the spans without blanks at their ends."""
    start, end = start.copy(), np.maximum(end, start)
    for _ in range(BLANK_ROUNDS):
        before = (text[start] <= SPACE) & (start < end)
        after = (text[end - 1] <= SPACE) & (end > start) & ~before
        if not before.any() and not after.any():
            break
        start += before
        end -= after
    return start, end
