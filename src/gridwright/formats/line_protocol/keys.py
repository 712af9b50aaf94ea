"""Keys that come again and again, each with a number, in a table that the compiled pass looks them up in."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import numpy as np

from gridwright.formats.line_protocol.plain import FREE, LONGEST, PROBES, Bytes, Codes, Numbers, Table, Whole

MOST = 1 << 18  # keys that are kept; then it begins anew
WORD = (1 << 64) - 1
UNUSUAL = frozenset(b'"\\')


class Keys:
    """Numbers of keys in the order in which they were added; hashed by factors of this process, which nobody knows."""

    def __init__(self) -> None:
        self._odd = secrets.randbits(64) | 1, secrets.randbits(64) | 1
        self._numbers: dict[bytes, int] = {}
        self._code: Codes = np.zeros(64, np.uint64)
        self._start: Whole = np.zeros(64, np.int64)
        self._pool: Bytes = np.zeros(4096, np.uint8)
        self._slots: Numbers = np.zeros(0, np.int32)
        self._grow(1 << 10)

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, key: bytes) -> int:
        """Return the number of a key, FREE where it has none."""
        return self._numbers.get(key, FREE)

    def add(self, keys: Sequence[bytes]) -> list[int]:
        """Return the numbers of keys, giving one to each that is new; FREE for one that does not mean itself."""
        first = len(self._numbers)
        for key in keys:
            if key not in self._numbers and is_usual(key):
                self._enter(key)
        if 2 * len(self._numbers) > self._slots.size:
            self._grow(4 * len(self._numbers))
        else:
            self._place(range(first, len(self._numbers)))
        return [self.number(key) for key in keys]

    def table(self) -> Table:
        """Return the table as it is now."""
        known = len(self._numbers)
        odd = np.array([*self._odd, self._shift], np.uint64)
        pool = self._pool[: self._start[known]]
        return Table(self._slots, self._code[:known], self._start[: known + 1], pool, odd)

    def _enter(self, key: bytes) -> None:
        """Put a key behind the others."""
        number = self._numbers[key] = len(self._numbers)
        if number + 2 > self._start.size:
            self._code = np.concatenate((self._code, self._code))
            self._start = np.concatenate((self._start, self._start))
        begin = int(self._start[number])
        end = begin + len(key)
        if end > self._pool.size:
            self._pool = np.concatenate((self._pool, self._pool))
        self._code[number], self._start[number + 1] = self._hash(key), end
        self._pool[begin:end] = np.frombuffer(key, np.uint8)

    def _hash(self, key: bytes) -> int:
        code, (first, last) = 0, self._odd
        for byte in key:
            code = ((code ^ byte) * first) & WORD
        return ((code ^ code >> 32) * last) & WORD

    def _grow(self, slots: int) -> None:
        bits = (slots - 1).bit_length()
        self._shift, self._slots = 64 - bits, np.full(1 << bits, FREE, np.int32)
        self._place(range(len(self._numbers)))

    def _place(self, numbers: range) -> None:
        """Find a free slot for each number; where there is none nearby, make more of them."""
        codes = (self._code[numbers.start : numbers.stop] >> np.uint64(self._shift)).tolist()
        for number, slot in zip(numbers, codes, strict=True):
            places = ((slot + probe) & (self._slots.size - 1) for probe in range(PROBES))
            free = next((at for at in places if self._slots[at] == FREE), FREE)
            if free == FREE:
                self._grow(2 * self._slots.size)
                return
            self._slots[free] = number


def is_usual(key: bytes) -> bool:
    """Tell whether a key has only bytes that mean themselves."""
    return 0 < len(key) <= LONGEST and min(key) > ord(" ") and not UNUSUAL.intersection(key)
