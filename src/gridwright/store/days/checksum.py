"""A checksum for each stored row: what changes of a block or a register without this program, `verify` sees.

The numbers of a row are mixed into 32 bits, and the CRC-32 of its bytes begins with these. Every step can be undone, so
a change within 32 bits of one number, or within four bytes that follow each other, always gives another checksum; any
other change does but once in four thousand million.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import repeat
from struct import Struct
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
import numpy.typing as npt

Number = int | npt.NDArray[np.int64]
Sums = npt.NDArray[np.uint32]
SIZE = 4  # bytes
STORED = np.dtype("<u4")
MASK = 0xFFFFFFFF
FACTOR = 0x9E3779B1  # odd, so that multiplying by it can be undone
FOLD = 15
SHARED = 6  # as many of the numbers are alike in many rows
REGISTER = Struct("<8q")
NONE = 1 << 16  # beyond what a column of small numbers holds


class Numbers(NamedTuple):
    """The numbers of blocks: each one for all rows, or an array with one a row; what rows share comes first.

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


def checksums(numbers: Numbers, rows: int, *columns: Sequence[bytes] | None) -> Sums:
    """Return the checksum of each row; `columns`: known, quality and counts, None where no row has one."""
    seeds = mix(numbers)
    sums: Iterable[int] = repeat(seeds, rows) if isinstance(seeds, int) else seeds.tolist()
    for column in columns:
        if column is not None:
            sums = map(crc32, column, sums)
    return np.fromiter(sums, STORED, rows)


def checksum(numbers: Numbers, *columns: bytes | None) -> bytes:
    """Return the checksum of one row, as it is stored."""
    sum_ = int(mix(numbers[SHARED:], _mixed_once(numbers[:SHARED])))
    for column in columns:
        sum_ = crc32(column or b"", sum_)
    return sum_.to_bytes(SIZE, "little")


def register_checksum(row: Sequence[Any]) -> bytes:
    """Return the checksum of a register reading: of all its other columns, in the order of `registers.Stored`."""
    point, kind, at_s, epoch, value, device, *more = row
    return crc32(device.encode(), crc32(REGISTER.pack(point, kind, at_s, epoch, value, *more))).to_bytes(SIZE, "little")


def carried_on(after: bytes, stored: bytes | None, before: bytes) -> bytes:
    """Return the checksum after a change: as wrong as the `stored` one, where that is not the one `before`."""
    if stored is None or stored == before:
        return after
    return bytes(new ^ was ^ should for new, was, should in zip(after, stored, before, strict=False))


@lru_cache(maxsize=4096)
def _mixed_once(numbers: tuple[Number, ...]) -> Number:
    return mix(numbers)


def mix(numbers: Iterable[Number], mixed: Number = 0) -> Number:
    """Return 32 bits that are others whenever one of the numbers is; an array where one of them is."""
    for number in numbers:
        for word in (number & MASK, (number >> 32) & MASK):
            mixed = ((mixed ^ word) * FACTOR) & MASK
            mixed ^= mixed >> FOLD
    return mixed


def a_row(values: Sequence[int | None]) -> Number:
    """Return a column of small numbers as one where all are alike; `NONE` stands for none."""
    alike = set(values)
    if len(alike) == 1:
        (one,) = alike
        return NONE if one is None else one
    return np.array([NONE if value is None else value for value in values] if None in alike else values, np.int64)


def filled(column: Sequence[bytes | None]) -> list[bytes] | None:
    """Return a column with no bytes where there is none; None where no row has any."""
    return None if column.count(None) == len(column) else [part or b"" for part in column]


def cut(joined: bytes, size: int) -> list[bytes]:
    """Return the rows of joined bytes."""
    return [joined[at : at + size] for at in range(0, len(joined), size)]


def stored(sums: Sums) -> list[bytes]:
    """Return checksums as rows hold them."""
    found: list[bytes] = sums.astype(STORED, copy=False).view("V4").tolist()
    return found
