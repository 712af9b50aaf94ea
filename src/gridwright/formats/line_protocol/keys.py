"""Keys that come again and again, each with a number, in a table that the compiled pass looks them up in."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from gridwright.formats.line_protocol.plain import FREE, LONGEST, Bytes, Codes, Numbers, Table, Whole

MOST = 1 << 18  # keys that are kept; then it begins anew
USUAL = re.compile(rb'[^\x00- "\\]{1,%d}' % LONGEST)
Kind = TypeVar("Kind", bound=np.generic)
Enter = Callable[[Table, int, int], bool]  # as `scan.enter`


class Keys:
    """Numbers of keys in the order in which they were added; hashed by factors of this process, which nobody knows."""

    def __init__(self, enter: Enter) -> None:
        self._enter = enter
        self._factors = secrets.randbits(64) | 1, secrets.randbits(64) | 1
        self._numbers: dict[bytes, int] = {}
        self._code: Codes = np.zeros(64, np.uint64)
        self._start: Whole = np.zeros(64, np.int64)
        self._pool: Bytes = np.zeros(4096, np.uint8)
        self._lay_out(1 << 10)

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, key: bytes) -> int:
        """Return the number of a key, FREE where it has none."""
        return self._numbers.get(key, FREE)

    def add(self, keys: Sequence[bytes]) -> list[int]:
        """Return the numbers of keys, giving one to each that is new; FREE for one that does not mean itself."""
        first, new = len(self._numbers), list[bytes]()
        for key in keys:
            if key not in self._numbers and is_usual(key):
                self._numbers[key] = first + len(new)
                new.append(key)
        if new:
            self._append(first, new)
        return [self.number(key) for key in keys]

    def table(self) -> Table:
        """Return the table as it is now."""
        known = len(self._numbers)
        pool = self._pool[: self._start[known]]
        return Table(self._slots, self._code[:known], self._start[: known + 1], pool, self._odd)

    def _append(self, first: int, new: Sequence[bytes]) -> None:
        """Put keys behind the others, and give each a slot."""
        begin, last = int(self._start[first]), first + len(new)
        ends = list(accumulate(map(len, new), initial=begin))
        self._code, self._start = _room(self._code, last), _room(self._start, last + 1)
        self._pool = _room(self._pool, ends[-1])
        self._start[first : last + 1] = ends
        self._pool[begin : ends[-1]] = np.frombuffer(b"".join(new), np.uint8)
        if 2 * last > self._slots.size:
            self._lay_out(4 * last)
        elif not self._enter(self.table(), first, last):
            self._lay_out(2 * self._slots.size)

    def _lay_out(self, slots: int) -> None:
        """Give all keys a slot anew, among so many at least."""
        bits = (slots - 1).bit_length()
        while True:
            self._odd: Codes = np.array([*self._factors, 64 - bits], np.uint64)
            self._slots: Numbers = np.full(1 << bits, FREE, np.int32)
            if self._enter(self.table(), 0, len(self._numbers)):
                return
            bits += 1


def is_usual(key: bytes) -> bool:
    """Tell whether a key has only bytes that mean themselves."""
    return USUAL.fullmatch(key) is not None


def _room(column: npt.NDArray[Kind], size: int) -> npt.NDArray[Kind]:
    """Return a column with room for so many, what it held at its begin."""
    while column.size < size:
        column = np.concatenate((column, column))
    return column
