"""Pieces of bodies that come again and again, each with a number: measurement and tags, and names of fields.

A fleet sends the same keys in every body. Their words are looked up in a table all at once; only a key that was never
seen is read by itself. What is found is compared byte by byte, so two keys never pass for one.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from gridwright.formats.line_protocol.columns import Mask, Whole
from gridwright.formats.line_protocol.line import origin_in
from gridwright.formats.line_protocol.words import EIGHT, LONGEST, Codes, Words, length_of

Read = TypeVar("Read")
Numbers = npt.NDArray[np.int32]
MOST = 1 << 18  # pieces that are remembered; then it begins anew
PROBES = 8
ONE_TAG = re.compile(rb"[!-+\--\[\]-~]+,[!-+\--<>-\[\]-~]+=[!-+\--<>-\[\]-~]+\Z")  # no comma, equals sign, backslash
FREE = -1
FOLD = np.uint64(32)


@dataclass(slots=True, eq=False)
class Pieces:
    """Some pieces of a body: where they are, and their words from behind."""

    start: Whole
    end: Whole
    length: Whole | int
    words: list[Codes]

    @classmethod
    def of(cls, body: Words, start: Whole, end: Whole) -> Pieces:
        """Cut pieces out of a body; none is longer than LONGEST."""
        length = length_of(start, end)
        longest = int(np.max(length, initial=1))
        return cls(start, end, length, [body.last(length, end, back) for back in range(0, longest, EIGHT)])

    def at(self, rows: npt.NDArray[np.intp]) -> Pieces:
        """Return some of them."""
        length = self.length if isinstance(self.length, int) else self.length[rows]
        return Pieces(self.start[rows], self.end[rows], length, [word[rows] for word in self.words])

    def changes(self) -> Mask:
        """Tell which are not the same as the one before; all, once it is clear that most are not."""
        new = np.ones(self.start.size, np.bool_)
        if new.size > 1:
            np.not_equal(self.words[0][1:], self.words[0][:-1], out=new[1:])
            if 2 * np.count_nonzero(new) > new.size:
                return np.ones(new.size, np.bool_)
            for word in self.words[1:]:
                new[1:] |= word[1:] != word[:-1]
            if not isinstance(self.length, int):
                new[1:] |= self.length[1:] != self.length[:-1]
        return new


class Known(Generic[Read]):
    """Numbers of pieces, in the order in which they were first seen, and what each was read as."""

    def __init__(
        self, read: Callable[[bytes], Read | None], guard: AbstractContextManager[object] | None = None
    ) -> None:
        """`read`: what a piece means, None where it means nothing; `guard`: a lock, where several threads ask."""
        self._read, self._guard = read, guard or nullcontext()
        self._numbers: dict[bytes, int] = {}
        self.found: list[Read | None] = []
        self._odd = [np.uint64(secrets.randbits(64) | 1) for _ in range(LONGEST // EIGHT + 1)]
        self._hash, self._length = np.zeros(0, np.uint64), np.zeros(0, np.int64)
        self._words: list[Codes] = []
        self.sound = np.zeros(0, np.bool_)
        self._grow(1 << 10)

    def _grow(self, capacity: int) -> None:
        """Make room; the slots are empty then."""
        more = capacity - self._hash.size
        self._slots = np.full(2 * capacity, FREE, np.int32)
        self._shift = np.uint64(64 - (2 * capacity - 1).bit_length())
        self._words = [np.pad(word, (0, more)) for word in self._words]
        self._hash, self._length = np.pad(self._hash, (0, more)), np.pad(self._length, (0, more))
        self.sound = np.pad(self.sound, (0, more))

    @property
    def full(self) -> bool:
        """Tell whether it is time to begin anew."""
        return len(self.found) >= MOST

    def numbers(self, raw: bytes, body: Words, start: Whole, end: Whole) -> Numbers:
        """Return the number of each piece; `raw` is the body that `body` shows in words."""
        long = end - start > LONGEST
        if long.any():
            number = np.zeros(start.size, np.int32)
            number[~long] = self.numbers(raw, body, start[~long], end[~long])
            number[long] = self._one_by_one(raw, start[long], end[long])
            return number
        pieces = Pieces.of(body, start, end)
        first = np.flatnonzero(pieces.changes())
        if 2 * first.size > start.size:
            return self._looked_up(raw, pieces)
        found = self._looked_up(raw, pieces.at(first))
        return np.repeat(found, np.diff(first, append=start.size))

    def _one_by_one(self, raw: bytes, start: Whole, end: Whole) -> Numbers:
        """Return the same where a piece is too long for the table."""
        pieces = Pieces(start, end, end - start, [])
        with self._guard:
            return self._met(raw, pieces, np.zeros(start.size, np.uint64), np.arange(start.size))

    def _looked_up(self, raw: bytes, pieces: Pieces) -> Numbers:
        code = self._code(pieces)
        with self._guard:
            number = self._seen(pieces, code)
            missing = np.flatnonzero(number < 0)
            if missing.size:
                number[missing] = self._met(raw, pieces, code, missing)
            return number

    def _code(self, pieces: Pieces) -> Codes:
        """Return a hash of each piece, by factors of this process: nobody can choose keys that collide."""
        code = pieces.words[0] * self._odd[0]
        for word, odd in zip(pieces.words[1:], self._odd[1:], strict=False):
            code = (code ^ code >> FOLD) + word * odd
        code = (code ^ code >> FOLD) * self._odd[-1]
        return (
            code ^ np.uint64(pieces.length) if isinstance(pieces.length, int) else code ^ pieces.length.view(np.uint64)
        )

    def _seen(self, pieces: Pieces, code: Codes) -> Numbers:
        """Return the numbers of pieces that are in the table, below 0 for the others."""
        slot = (code >> self._shift).view(np.int64)
        number = self._slots[slot]
        same = self._same(pieces, number)
        if same.all():
            return number
        wrong = np.flatnonzero(~same)
        number[wrong] = FREE
        for probe in range(1, PROBES):
            found = self._slots[(slot[wrong] + probe) & (self._slots.size - 1)]
            fits = self._same(pieces.at(wrong), found)
            number[wrong[fits]] = found[fits]
            wrong = wrong[~fits & (found != FREE)]
            if not wrong.size:
                break
        return number

    def _same(self, pieces: Pieces, number: Numbers) -> Mask:
        """Tell which pieces are, byte by byte, those of the numbers; a number below 0 is nobody's."""
        same: Mask = (self._length[number] == pieces.length) & (number >= 0)
        for at, word in enumerate(pieces.words):
            same &= (self._words[at][number] == word) if at < len(self._words) else False
        return same

    def _met(self, raw: bytes, pieces: Pieces, code: Codes, missing: npt.NDArray[np.intp]) -> Numbers:
        """Give numbers to pieces that are not in the table, and put them into it."""
        ends = zip(pieces.start[missing].tolist(), pieces.end[missing].tolist(), strict=True)
        before, found = len(self.found), []
        new: list[int] = []
        numbers, read = self._numbers, self._read
        for row, (start, end) in zip(missing.tolist(), ends, strict=True):
            piece = raw[start:end]
            number = numbers.get(piece)
            if number is None:
                number = numbers[piece] = len(self.found)
                self.found.append(read(piece))
                new.append(row)
            found.append(number)
        if new:
            self._put(pieces.at(np.array(new)), code[new], before)
        return np.array(found, np.int32)

    def _put(self, pieces: Pieces, code: Codes, first: int) -> None:
        """Enter new pieces, whose numbers follow each other from `first`."""
        known = len(self.found)
        if known > self._hash.size:
            self._grow(1 << (2 * known - 1).bit_length())
            self._place(np.arange(first, dtype=np.int32))
        while len(self._words) < len(pieces.words):
            self._words.append(np.zeros(self._hash.size, np.uint64))
        rows = slice(first, known)
        self._hash[rows], self._length[rows] = code, pieces.length
        self.sound[rows] = [one is not None for one in self.found[rows]]
        for at, word in enumerate(pieces.words):
            self._words[at][rows] = word
        self._place(np.arange(first, known, dtype=np.int32))

    def _place(self, number: Numbers) -> None:
        """Find a free slot for each number; one for which there is none is found without the table."""
        slot = (self._hash[number] >> self._shift).view(np.int64)
        for probe in range(PROBES):
            at = (slot + probe) & (self._slots.size - 1)
            free = self._slots[at] == FREE
            self._slots[at[free]] = number[free]
            left = self._slots[at] != number
            number, slot = number[left], slot[left]
            if not number.size:
                return


class Vocabulary:
    """What is known of the keys of lines, and of the names of fields; begins anew when it knows too many."""

    def __init__(self, guard: AbstractContextManager[object] | None = None) -> None:
        """`guard`: a lock, where several threads read with it."""
        self._guard = guard
        self._known = self._nothing()

    def _nothing(self) -> tuple[Known[bytes], Known[str]]:
        return Known(_key, self._guard), Known(_name, self._guard)

    def known(self) -> tuple[Known[bytes], Known[str]]:
        """Return both."""
        if any(one.full for one in self._known):
            self._known = self._nothing()
        return self._known


def _key(piece: bytes) -> bytes | None:
    """Return a key that means something; of one plain tag that is seen at once."""
    return piece if ONE_TAG.match(piece) or origin_in(piece) is not None else None


def _name(piece: bytes) -> str | None:
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return None


def used_of(known: Known[str], number: Numbers) -> tuple[tuple[str, ...], Numbers]:
    """Return the names that some numbers stand for, and the place of each among these."""
    used, place = np.unique(number, return_inverse=True)
    return tuple(known.found[at] or "" for at in used.tolist()), place.astype(np.int32)
