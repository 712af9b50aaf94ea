"""The tags of a text as columns: which name, open or closed, where. Found by array operations, not one by one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Text = npt.NDArray[np.uint8]
Index = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

OPEN, CLOSE, EMPTY, BROKEN = 0, 1, 2, 3
PAD = 8  # bytes before and after the text, so that a whole word may be read at any of its bytes
LESS, GREATER, SLASH, SPACE, MINUS = (ord(sign) for sign in "<>/ -")
LONGEST_NAME = 48
COLON = ord(":")
BLOCK = 1 << 14  # names that are cut at a time
FIRST = np.array([(1 << 8 * n) - 1 for n in range(9)], dtype=np.uint64)
LAST = np.array([0] + [(1 << 64) - (1 << 8 * (8 - n)) for n in range(1, 9)], dtype=np.uint64)
MIX = tuple(np.uint64(odd) for odd in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9))
SLOT_BITS = 14
SALTS = tuple(np.uint64(2 * at + 1) for at in range(1, 5000))
ASIDE = re.compile(rb"<!--.*?(?:-->|\Z)|<\?.*?(?:\?>|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)", re.DOTALL)
BEHIND_LESS = np.frombuffer(b"!?", np.uint8)
ASIDES = ((b"<!--", b"-->"), (b"<?", b"?>"), (b"<![CDATA[", b"]]>"))
LINES = bytes(10 if byte == ord("\n") else SPACE for byte in range(256))
PREFIX = re.compile(rb"xmlns:([A-Za-z_][\w.\-]*)\s*=")
USED = re.compile(rb"<([A-Za-z_][\w.\-]*):")
USED_BYTES, LONGEST_PREFIX, MOST_PREFIXES = 1 << 14, 24, 16
WHOLE_TAG = re.compile(rb"<(?:[^\"'<>]|\"[^\"<]*\"|'[^'<]*')*>")


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """Names that matter, numbered from 1 on: `number[name]`, and a table by which the hash of a text finds them."""

    number: dict[str, int]
    salt: np.uint64
    slots: npt.NDArray[np.int16]
    keys: Words
    numbers: npt.NDArray[np.int16]

    def find(self, key: Words) -> npt.NDArray[np.int16]:
        """Return the number of each name by its key, 0 for others."""
        entry = self.slots[_slot(key, self.salt)]
        found: npt.NDArray[np.int16] = np.where(self.keys[entry] == key, self.numbers[entry], np.int16(0))
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Tags:
    """n tags of a text (with PAD bytes around it), in its order.

    `name`: number in the vocabulary, 0 = another; `key`: hash of the whole name; `kind`: OPEN, CLOSE, EMPTY or BROKEN;
    `start`, `name_end`, `end`: places of `<`, behind the name and of `>`; `level`: depth, equal for a tag and its end.
    `feeds`: places of the line feeds.
    """

    text: Text
    first_line: int
    number: dict[str, int]
    name: npt.NDArray[np.int16]
    key: Words
    kind: npt.NDArray[np.uint8]
    start: Index
    name_end: Index
    end: Index
    level: npt.NDArray[np.int32]
    feeds: Index

    @property
    def size(self) -> int:
        """Number of tags."""
        return int(self.start.size)

    def which(self, name: str, kind: int) -> Index:
        """Return the places of the tags of a name and kind."""
        return np.flatnonzero((self.name == self.number[name]) & (self.kind == kind))

    def lines(self, places: Index) -> Index:
        """Return the line numbers of places in the text."""
        return np.searchsorted(self.feeds, places) + self.first_line

    def shown(self, start: int, end: int, most: int = 80) -> str:
        """Return a piece of the text for a verdict, on one line."""
        return " ".join(self.text[start : min(end, start + 4 * most)].tobytes().decode("utf-8", "replace").split())[
            :most
        ]


def prefixes(data: bytes) -> tuple[str, ...]:
    """Return the namespace prefixes that a text declares, or uses where it begins: they may be declared above it."""
    found = {*PREFIX.findall(data), *USED.findall(data, 0, USED_BYTES)}
    return tuple(sorted(name.decode() for name in found if len(name) <= LONGEST_PREFIX)[:MOST_PREFIXES])


@lru_cache(maxsize=64)
def vocabulary(names: Sequence[str], prefix: Sequence[str] = ()) -> Vocabulary:
    """Return the table of some local names, written plainly or with one of the prefixes."""
    written = {
        full.encode(): at + 1 for at, name in enumerate(names) for full in (name, *(f"{p}:{name}" for p in prefix))
    }
    keys = np.array([0, *(int(key_of(name)) for name in written)], np.uint64)
    # The first salt under which no two names share a place in the table.
    salt = next(odd for odd in SALTS if np.unique(_slot(keys[1:], odd)).size == len(written))
    slots = np.zeros(1 << SLOT_BITS, np.int16)
    slots[_slot(keys[1:], salt)] = np.arange(1, keys.size)
    return Vocabulary(
        {name: at + 1 for at, name in enumerate(names)}, salt, slots, keys, np.array([0, *written.values()], np.int16)
    )


def _slot(key: Words, salt: np.uint64) -> Words:
    return np.asarray((key * salt) >> np.uint64(64 - SLOT_BITS))


def key_of(name: bytes) -> np.uint64:
    """Return the key of one name."""
    text = _padded(name)
    return np.uint64(keys_of(text, np.array([PAD]), np.array([PAD + len(name)]))[0])


def keys_of(text: Text, start: Index, end: Index) -> Words:
    """Return a hash of each span [start, end): of its first and last eight bytes and its length."""
    word = words(text)
    length = end - start
    most = np.minimum(np.maximum(length, 0), PAD)
    key = (word[start] & FIRST[most]) * MIX[0]
    key ^= (word[end - PAD] & LAST[most]) * MIX[1]
    key += length.astype(np.uint64) * MIX[2]
    key ^= key >> np.uint64(29)
    return np.asarray(key * MIX[0])


def words(text: Text) -> Words:
    """Return the eight bytes that start at each byte, as one number, without a copy."""
    return np.ndarray((text.size - PAD + 1,), np.dtype("<u8"), text, strides=(1,))


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """Where the tags of a text (with PAD bytes around it) begin and end; `broken`: which have no end of their own."""

    text: Text
    start: Index
    end: Index
    broken: npt.NDArray[np.bool_]


def read_tags(data: bytes, first_line: int, names: Sequence[str]) -> Tags:
    """Find the tags of a text; comments, instructions and CDATA marks are blanked out before."""
    return described(find_marks(data), first_line, vocabulary(tuple(names), prefixes(data)))


def find_marks(data: bytes) -> Marks:
    """Find where the tags of a text are, its asides blanked out."""
    text = _padded(data)
    start = np.flatnonzero(text[:-PAD] == LESS)
    if _aside(text[start + 1]).any():
        text = _padded(_without_asides(data))
        start = np.flatnonzero(text[:-PAD] == LESS)
    end, broken = _ends(text, start)
    broken |= _aside(text[start + 1])
    return Marks(text, start, end, broken)


def described(marks: Marks, first_line: int, known: Vocabulary) -> Tags:
    """Return tags with their names and kinds."""
    text, start, end, broken = marks.text, marks.start, marks.end, marks.broken
    close = text[start + 1] == SLASH
    empty = (text[end - 1] == SLASH) & ~close & (end - start > 1)
    name_start, name_end = start + 1 + close, np.maximum(end - empty, start + 1 + close)
    key = keys_of(text, name_start, name_end)
    name = known.find(key)
    _shorten(text, (name_start, name_end), (key, name), known)
    kind = np.where(close, np.uint8(CLOSE), np.where(empty, np.uint8(EMPTY), np.uint8(OPEN)))
    kind[broken] = BROKEN
    feeds = np.flatnonzero(text[PAD:-PAD] == ord("\n")) + PAD
    return Tags(text, first_line, known.number, name, key, kind, start, name_end, end, _levels(kind), feeds)


def _aside(behind: Text) -> npt.NDArray[np.bool_]:
    """Tell by the signs behind `<` where a comment, an instruction or CDATA begins, or what is left of one."""
    marks: npt.NDArray[np.bool_] = (behind == BEHIND_LESS[0]) | (behind == BEHIND_LESS[1])
    return marks


def _padded(data: bytes) -> Text:
    text = np.full(len(data) + 2 * PAD, ord("\n"), np.uint8)
    text[PAD:-PAD] = np.frombuffer(data, np.uint8)
    return text


def _levels(kind: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    step = (kind == OPEN).astype(np.int32)
    step -= kind == CLOSE
    after = np.cumsum(step, dtype=np.int32)
    after -= kind == OPEN
    return after


def _without_asides(data: bytes) -> bytes:
    """Blank comments, instructions and the marks of CDATA, byte for byte."""
    text = np.frombuffer(data + b" ", np.uint8)
    start = np.flatnonzero(text[:-1] == LESS)
    start = start[_aside(text[start + 1])]
    plain = _without_comments(text[:-1], start)
    if plain is not None:
        return plain
    blanked, done = bytearray(data), 0
    for place in start.tolist():
        aside = ASIDE.match(data, place) if place >= done else None
        if aside is not None:
            blanked[place : aside.end()], done = _blank(aside.group()), aside.end()
    return bytes(blanked)


def _without_comments(text: Text, start: Index) -> bytes | None:
    """Blank comments all at once; None where there are other asides, or comments of which any could be damaged."""
    dashes = np.flatnonzero((text[:-1] == MINUS) & (text[1:] == MINUS))
    begins, ends = dashes[0::2], dashes[1::2]
    if dashes.size != 2 * start.size or not ((begins == start + 2) & (ends >= start + 4)).all():
        return None
    ends = np.minimum(ends + 2, text.size - 1)
    if not ((text[ends] == GREATER) & (text[start + 1] == ord("!"))).all():
        return None
    step = np.zeros(text.size + 1, np.int8)
    step[start], step[ends + 1] = 1, -1
    inside = np.cumsum(step[:-1], dtype=np.int8).view(np.bool_)
    blanked: bytes = np.where(inside & (text != ord("\n")), np.uint8(SPACE), text).tobytes()
    return blanked


def _blank(aside: bytes) -> bytes:
    if aside.startswith(b"<![") and aside.endswith(b"]]>") and b"<" not in aside[9:] and b"&" not in aside:
        return b" " * 9 + aside[9:-3] + b"   "
    blank = aside.translate(LINES)
    ends = next(end for begin, end in ASIDES if aside.startswith(begin))
    # Two dashes within a comment (XML 1.0, 2.5) betray that its end was lost: a mark without an end shows the damage.
    torn = not aside.endswith(ends) or (ends == b"-->" and b"--" in aside[4:-3])
    return b"<" + blank[1:] if torn else blank


def _ends(text: Text, start: Index) -> tuple[Index, npt.NDArray[np.bool_]]:
    """Return the place of each tag's `>`, and which tags have none before the next one begins."""
    ends = np.flatnonzero(text[:-PAD] == GREATER)
    if ends.size == start.size and (start < ends).all() and (ends[:-1] < start[1:]).all():
        return ends, np.zeros(start.size, np.bool_)
    limit = np.append(start[1:], text.size - PAD)
    end = np.append(ends, text.size - PAD)[np.searchsorted(ends, start)]
    marks = np.flatnonzero((text == ord('"')) | (text == ord("'")))
    inside = np.searchsorted(marks, end) - np.searchsorted(marks, start)
    for odd in np.flatnonzero((inside % 2 == 1) & (end < limit)).tolist():
        whole = WHOLE_TAG.match(text[start[odd] : limit[odd]].tobytes())
        end[odd] = start[odd] + whole.end() - 1 if whole else limit[odd]
    broken = end >= limit
    return np.where(broken, np.minimum(limit, start + 1), end), broken


def _shorten(
    text: Text, span: tuple[Index, Index], found: tuple[Words, npt.NDArray[np.int16]], known: Vocabulary
) -> None:
    """Cut attributes, blanks and prefixes off the names that are not known as they stand, in place."""
    (start, end), (key, name) = span, found
    unknown = np.flatnonzero((name == 0) & (end > start))
    for first in range(0, unknown.size, BLOCK):
        long = unknown[first : first + BLOCK]
        reach = np.minimum(end[long] - start[long], LONGEST_NAME)
        cells = text[start[long][:, None] + np.minimum(np.arange(LONGEST_NAME), reach[:, None] - 1)]
        blank = cells <= SPACE
        some = blank.any(axis=1)
        cut = long[some]
        end[cut] = start[cut] + blank[some].argmax(axis=1)
        key[cut] = keys_of(text, start[cut], end[cut])
        colon = start[long] + (cells == COLON).argmax(axis=1)
        local = np.where((text[colon] == COLON) & (colon < end[long]), colon + 1, start[long])
        name[long] = known.find(keys_of(text, local, end[long]))
