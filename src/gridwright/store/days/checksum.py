"""A checksum for each stored row: what changes of a block or a register without this program, `verify` sees.

A block's is the sum, modulo 2^64, of its numbers, of its bytes in words of four, and of how many bytes there are, each
times an odd weight of its own. Another number, or another word, always makes another sum; several of them make the same
one less than once in four thousand million. A sum is quick: numpy adds up all rows of a day together.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from struct import Struct
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import numpy.typing as npt

Number = int | npt.NDArray[np.int64]
Sums = npt.NDArray[np.uint64]
SIZE = 8  # bytes
STORED, WORD = np.dtype("<u8"), np.dtype("<u4")
MASK = (1 << 64) - 1
KNOWN, QUALITY, COUNTS, NUMBERS = range(4)
NONE = 1 << 16  # beyond what a column of small numbers holds
REGISTER, REGISTER_SIZE = Struct("<8q"), 4


class Numbers(NamedTuple):
    """The numbers of blocks: each one for all rows, or an array with one a row.

    What the database itself counts up is left out: the additions, and the revision, of which the earlier images tell.
    """

    reading_type: Number
    day: Number
    phase_s: Number
    slots: Number
    width: Number
    quality_all: Number
    known_at_us: Number
    usage_point: Number


@lru_cache(maxsize=256)
def weights(which: int, words: int) -> npt.NDArray[np.uint64]:
    """Return the weights of the words of a column, and last the one of its length (SplitMix64, made odd)."""
    state = (np.arange(words + 1, dtype=np.uint64) + np.uint64(which << 32)) * np.uint64(0x9E3779B97F4A7C15)
    state[-1:] = np.uint64((which + 1) << 60)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
    found: npt.NDArray[np.uint64] = (state ^ (state >> np.uint64(31))) | np.uint64(1)
    return found


OF_NUMBERS = [int(weight) for weight in weights(NUMBERS, len(Numbers._fields))[:-1]]


def mix(numbers: Sequence[Number]) -> Any:  # noqa: ANN401 - a number, or an array where one of them is
    """Return the part of a sum that the numbers are."""
    pairs = list(zip(numbers, OF_NUMBERS, strict=True))
    mixed: Any = sum(number * weight for number, weight in pairs if isinstance(number, int)) & MASK
    for number, weight in pairs:
        if not isinstance(number, int):
            mixed = np.uint64(mixed) + number.astype(np.uint64) * np.uint64(weight)
    return mixed


def of_joined(joined: bytes | None, size: int, which: int) -> Any:  # noqa: ANN401 - none, or an array
    """Return the part of the sums that a column is: rows of `size` bytes, one after the other."""
    if not joined:
        return np.uint64(0)
    content = np.frombuffer(joined, np.uint8).reshape(-1, size)
    if size % WORD.itemsize:
        content = np.pad(content, ((0, 0), (0, -size % WORD.itemsize)))
    words = content.view(WORD)
    each = weights(which, words.shape[1])
    return np.einsum("ij,j->i", words, each[:-1], dtype=np.uint64) + np.uint64(size * int(each[-1]) & MASK)


def of_rows(column: Sequence[bytes | None], which: int) -> Any:  # noqa: ANN401 - none, or an array
    """Return the same of rows of any length, some of which may have no bytes."""
    sizes = set(map(len, filter(None, column)))
    if len(sizes) == 1 and None not in column and b"" not in column:
        return of_joined(b"".join(column), sizes.pop(), which)  # type: ignore[arg-type] # none of them is None
    sums = np.zeros(len(column), np.uint64)
    for size in sizes:
        at = [row for row, each in enumerate(column) if each and len(each) == size]
        sums[at] = of_joined(b"".join(column[row] or b"" for row in at), size, which)
    return sums


def checksum(numbers: Numbers, known: bytes | None, quality: bytes | None, counts: bytes) -> bytes:
    """Return the checksum of one row, as it is stored."""
    total = mix(numbers)
    for which, column in ((KNOWN, known), (QUALITY, quality), (COUNTS, counts)):
        if column:
            words = np.frombuffer(column + bytes(-len(column) % WORD.itemsize), WORD)
            each = weights(which, words.size)
            total += int(words @ each[:-1]) + len(column) * int(each[-1])
    return int(total & MASK).to_bytes(SIZE, "little")


def register_checksum(row: Sequence[Any]) -> bytes:
    """Return the checksum of a register reading: of all its other columns, in the order of `registers.Stored`."""
    point, kind, at_s, epoch, value, device, *more = row
    head = crc32(REGISTER.pack(point, kind, at_s, epoch, value, *more))
    return crc32(device.encode(), head).to_bytes(REGISTER_SIZE, "little")


def carried_on(after: bytes, stored: bytes | None, before: bytes) -> bytes:
    """Return the checksum after a change: as wrong as the `stored` one, where that is not the one `before`."""
    if stored is None or stored == before:
        return after
    return bytes(new ^ was ^ should for new, was, should in zip(after, stored, before, strict=False))


def a_row(values: Sequence[int | None]) -> Number:
    """Return a column of small numbers as one where all are alike; `NONE` stands for none."""
    alike = set(values)
    if len(alike) == 1:
        (one,) = alike
        return NONE if one is None else one
    return np.array([NONE if value is None else value for value in values] if None in alike else values, np.int64)


def stored(sums: Sums) -> list[bytes]:
    """Return checksums as rows hold them."""
    found: list[bytes] = sums.astype(STORED, copy=False).view(f"V{SIZE}").tolist()
    return found
