"""Digits of fixed width by the million: eight characters are one machine word, and what rows repeat is read once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Text = npt.NDArray[np.uint8]
Words = npt.NDArray[np.unsignedinteger[Any]]

# Of each byte of a word: one, the character 0, what lifts a number above nine over the highest bit, that bit.
ONE, ZERO, ABOVE_NINE, HIGHEST = (byte * 0x0101010101010101 for byte in (1, ord("0"), 0x76, 0x80))
# To find the runs costs as much as to read a quarter of the rows.
WORTH_FINDING = 4


def words_at(text: Text, at: Ints, width: int) -> Words:
    """Return the `width` bytes, 2, 4 or 8, from each place of a text on as a word; its first byte is the lowest."""
    return np.ndarray((text.size - width + 1,), f"<u{width}", text, strides=(1,))[at]


def column_words(block: Text, first: int, last: int) -> tuple[Words, ...]:
    """Return columns [first, last), up to 16, of a matrix of bytes as the word or the two that cover them."""
    width = next((width for width in (8, 4, 2) if width <= last - first), 1)
    rows, step = block.shape
    at = sorted({first, last - width})
    return tuple(np.ndarray((rows,), f"<u{width}", block.reshape(-1), offset=place, strides=(step,)) for place in at)


def two_digits(word: Words) -> tuple[list[Ints], Mask]:
    """Read words as numbers of two digits each; also tell which words hold nothing but digits."""
    kind, whole = word.dtype.type, np.iinfo(word.dtype).max
    digits = word ^ kind(ZERO & whole)
    good = (((digits + kind(ABOVE_NINE & whole)) | digits) & kind(HIGHEST & whole)) == 0
    joined = digits * kind(10) + (digits >> kind(8))
    numbers = [(joined >> kind(at)) & kind(0xFF) for at in range(0, 8 * word.itemsize, 16)]
    return [number.astype(np.int64) for number in numbers], np.asarray(good)


def read_once(words: Sequence[Words], read: Callable[[Ints | slice], tuple[Ints, Mask]]) -> tuple[Ints, Mask]:
    """Return what `read` tells of all rows; rows that repeat the words of the row before it are not asked for."""
    size = words[0].size
    changed = reduce(np.logical_or, (word[1:] != word[:-1] for word in words))
    if (np.count_nonzero(changed) + 1) * WORTH_FINDING > size:
        return read(slice(None))
    first = np.r_[0, np.flatnonzero(changed) + 1]
    lengths = np.diff(first, append=size)
    number, good = read(first)
    return np.repeat(number, lengths), np.repeat(good, lengths)
