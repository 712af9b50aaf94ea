"""Records that are written alike, tag for tag, as nearly all are: what one of them is, all of them are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.formats.markup.records import Records, records
from gridwright.formats.markup.tags import (
    BROKEN,
    CLOSE,
    EMPTY,
    FIRST,
    OPEN,
    PAD,
    SLASH,
    Index,
    Marks,
    Tags,
    described,
    find_marks,
    prefixes,
    read_tags,
    vocabulary,
    words,
)

FEWEST = 8  # fewer records are read as any others
MOST_TAGS = 64  # of one record


@dataclass(frozen=True, slots=True)
class Kept:
    """The records of a format: their name, what they lie in, and the names inside them that matter there alone."""

    name: str
    holders: tuple[str, ...]
    inner: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class _Alike:
    """Tags inside records that are alike: `start`, `end`: int64[tags of one, records]; `one`: those of the first."""

    start: Index
    end: Index
    one: Tags

    def texts(self, name: str, level: int) -> tuple[Index, Index, Index]:
        at = [place for place in self._of(name, level) if tuple(self.one.kind[place : place + 2]) == (OPEN, CLOSE)]
        return self._records(at), _in_turn(self.end[at]) + 1, _in_turn(self.start[[place + 1 for place in at]])

    def marks(self, name: str, level: int) -> tuple[Index, Index, Index]:
        at = self._of(name, level)
        return self._records(at), _in_turn(self.start[at] + _lengths(self.one)[at, None]), _in_turn(self.end[at])

    def _of(self, name: str, level: int) -> list[int]:
        one = self.one
        here = (one.name == one.number[name]) & (one.level - one.level[0] == level) & (one.kind != CLOSE)
        found: list[int] = np.flatnonzero(here).tolist()
        return found

    def _records(self, at: Sequence[int]) -> Index:
        return np.repeat(np.arange(self.start.shape[1]), len(at))


def _in_turn(places: Index) -> Index:
    """Return places [tags, records] record by record."""
    return places.T.ravel()


def read_records(data: bytes, first_line: int, names: Sequence[str], kept: Kept) -> tuple[Tags, Records]:
    """Return the tags of a text and its records of a name; where these are all alike, without the tags inside them."""
    marks, known = find_marks(data), vocabulary(tuple(names), prefixes(data))
    found = _find_alike(data, marks, names, kept)
    if found is not None:
        places, alike = found
        outside = np.ones(marks.start.size, np.bool_)
        outside[places] = False
        left = np.flatnonzero(outside)
        around = Marks(marks.text, marks.start[left], marks.end[left], marks.broken[left])
        tags = described(around, first_line, known)
        if _is_apart(tags, left, kept):
            torn = np.sort(np.concatenate([tags.which(kept.name, kind) for kind in (CLOSE, EMPTY)]))
            return tags, Records(tags, alike.start[0], alike.end[-1], torn, alike)
    tags = described(marks, first_line, known)
    return tags, records(tags, kept.name)


def _is_apart(tags: Tags, left: Index, kept: Kept) -> bool:
    """Tell whether tags mean the same without the records: all of these are alike, and lie where records do."""
    number = tags.number
    if tags.which(kept.name, OPEN).size or (tags.kind == BROKEN).any():
        return False
    around = (np.diff(left) > 1) & (tags.kind[:-1] == OPEN) & (tags.kind[1:] == CLOSE) & (tags.name[:-1] > 0)
    return bool(np.isin(tags.name[:-1][around], [number[name] for name in kept.holders]).all())


def _find_alike(data: bytes, marks: Marks, names: Sequence[str], kept: Kept) -> tuple[Index, _Alike] | None:
    """Return the places of the tags of all records [tags of one, records], and these; None where they are not alike."""
    opening = re.search(rb"<(?:[\w.\-]+:)?%b>" % re.escape(kept.name.encode()), data)
    if opening is None or marks.broken.any():
        return None
    first = int(np.searchsorted(marks.start, opening.start() + PAD))
    size = _size_of(marks, first, opening.group())
    one = _one_of(marks, first, size, names) if size else None
    if one is None or not _is_sound(one, size, kept):
        return None
    rows = np.flatnonzero(_begins(marks, first, len(opening.group())))
    if rows.size < FEWEST or rows[-1] + size > marks.start.size or (np.diff(rows) < size).any():
        return None
    places = rows + np.arange(size)[:, None]
    alike = _Alike(marks.start[places], marks.end[places], one)
    return (places, alike) if _are_alike(marks, alike) else None


def _size_of(marks: Marks, first: int, opening: bytes) -> int:
    """Return how many tags the first record has, its end tag included; 0 where that is not near."""
    closing = b"</" + opening[1:]
    for at in range(first, min(first + MOST_TAGS, marks.start.size)):
        if marks.text[marks.start[at] : marks.start[at] + len(closing)].tobytes() == closing:
            return at - first + 1
    return 0


def _one_of(marks: Marks, first: int, size: int, names: Sequence[str]) -> Tags | None:
    begin, end = int(marks.start[first]), int(marks.end[first + size - 1]) + 1
    tags = read_tags(marks.text[begin:end].tobytes(), 1, names)
    return tags if tags.size == size else None


def _is_sound(one: Tags, size: int, kept: Kept) -> bool:
    found = records(one, kept.name)
    held = {name for name, number in one.number.items() if (one.name[1 : size - 1] == number).any()}
    return (found.size, found.torn.size) == (1, 0) and held <= kept.inner


def _begins(marks: Marks, first: int, length: int) -> npt.NDArray[np.bool_]:
    """Tell which tags are written as the first one of a record."""
    begins: npt.NDArray[np.bool_] = marks.end - marks.start == length - 1
    at = np.flatnonzero(begins)
    begins[at] = _same(marks, marks.start[at], int(marks.start[first]), length)
    return begins


def _same(marks: Marks, at: Index, like: int, length: int) -> npt.NDArray[np.bool_]:
    """Tell at which places the same bytes stand as at another one."""
    word = words(marks.text)
    mask = FIRST[min(length, PAD)]
    same: npt.NDArray[np.bool_] = (word[at] & mask) == (word[like] & mask)
    for offset in [*range(PAD, length - PAD, PAD), length - PAD] if length > PAD else []:
        same &= word[at + offset] == word[like + offset]
    return same


def _lengths(one: Tags) -> Index:
    """Return how many bytes each tag has up to the end of its name."""
    return one.name_end - one.start


def _are_alike(marks: Marks, alike: _Alike) -> bool:
    """Tell whether all records have the tags of the first one: the same up to the end of the name and behind it."""
    one, lengths = alike.one, _lengths(alike.one) + 1
    for at, (kind, length) in enumerate(zip(one.kind.tolist(), lengths.tolist(), strict=True)):
        start, end = alike.start[at], alike.end[at]
        if not _same(marks, start, int(start[0]), length).all():
            return False
        if kind != CLOSE and ((marks.text[end - 1] == SLASH) != (kind == EMPTY)).any():
            return False
    return True
