"""A row of the journal: readings of one kind, length and phase packed into a few bytes each, with a checksum.

Version, the bytes of a key, a time and a value, and whether there is a quality each; then numbers, columns, CRC-32.
Each column is what it is above its smallest, little-endian, in as few bytes as hold the largest. Where every usage
point has the same times they are written once.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.errors import StoreCorrupt
from gridwright.domain.interval import DAY_S

Whole = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
VERSION, FILLS = 1, 2  # laid out alike; of the second only what falls where nothing is counts
# Version, widths of key, time and value, quality each or not, shared quality; kind, length; usage points, times of each
# (0: every reading has its own), readings; smallest key, time and value.
HEAD = struct.Struct("<BBBBBBxxiiIIIqqq")
CHECK = struct.Struct("<I")
WIDTHS: dict[int, np.dtype[Any]] = {1: np.dtype("u1"), 2: np.dtype("<u2"), 4: np.dtype("<u4"), 8: np.dtype("<u8")}
LONGEST = 1 << 18  # readings of a row: MariaDB takes 16 MiB


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """n readings of one kind on one grid: keys of usage points, epoch seconds, whole counts and qualities.

    No usage point has two readings of one time. `fill`: energy between two register reads, which counts only
    where nothing is stored.
    """

    kind: int
    interval_s: int
    key: Whole
    at: Whole
    value: Whole
    quality: q.Qualities
    fill: bool = False

    @property
    def size(self) -> int:
        """Number of readings."""
        return int(self.at.size)

    @property
    def end(self) -> Whole:
        """When each of its intervals ends."""
        return self.at + self.interval_s

    @property
    def grid(self) -> tuple[int, int, int]:
        """Kind, interval length and phase."""
        return self.kind, self.interval_s, int(self.at[0]) % self.interval_s

    def days(self) -> list[int]:
        """Return the UTC days of its readings."""
        first, last = int(self.at.min()) // DAY_S, int(self.at.max()) // DAY_S
        return [first] if first == last else np.unique(self.at // DAY_S).tolist()

    def take(self, which: Mask | slice) -> Entry:
        """Return some of its readings."""
        columns = (self.key[which], self.at[which], self.value[which], self.quality[which])
        return Entry(self.kind, self.interval_s, *columns, self.fill)

    def parts(self, longest: int = LONGEST) -> Iterator[Entry]:
        """Yield it in parts that fit a row each."""
        if self.size <= longest:
            yield self
            return
        for first in range(0, self.size, longest):
            yield self.take(slice(first, first + longest))


def pack_entry(entry: Entry) -> bytes:
    """Return the bytes of an entry that holds a reading at least."""
    keys, at, times = _shape(entry)
    first = int(at.min())
    columns = [_column(keys), _column((at - first) // entry.interval_s), _column(entry.value)]
    shared = int(entry.quality[0])
    each = bool((entry.quality != shared).any())
    widths = (width for _, width, _ in columns)
    head = HEAD.pack(
        FILLS if entry.fill else VERSION, *widths, each, shared, entry.kind, entry.interval_s,
        keys.size, times, entry.size, columns[0][0], first, columns[2][0],
    )  # fmt: skip
    whole = b"".join((head, *(content for _, _, content in columns), entry.quality.tobytes() if each else b""))
    return whole + CHECK.pack(zlib.crc32(whole))


def unpack_entry(content: bytes) -> Entry:
    """Return the entry; bytes that are not what was written are StoreCorrupt."""
    body = memoryview(content)[: -CHECK.size]
    if len(content) < HEAD.size + CHECK.size or zlib.crc32(body) != CHECK.unpack_from(content, len(body))[0]:
        raise StoreCorrupt("the checksum of a journal row is wrong")
    if content[0] not in {VERSION, FILLS}:
        raise StoreCorrupt(
            f"a journal row is of version {content[0]}, which this program does not know",
            remedy="install the Gridwright that wrote it, or a newer one",
        )
    try:
        return _unpack(body)
    except (struct.error, ValueError, KeyError) as error:
        raise StoreCorrupt(f"a journal row does not hold what it says: {error}") from error


def _unpack(body: memoryview) -> Entry:
    version, key_width, at_width, value_width, each, shared, kind, interval_s, points, times, size, key, at, value = (
        HEAD.unpack_from(body)
    )
    place = HEAD.size
    columns: list[Whole] = []
    for width, count, base in ((key_width, points, key), (at_width, times or size, 0), (value_width, size, value)):
        raw = np.frombuffer(body, WIDTHS[width], count, place)
        columns.append(raw.astype(np.int64) + base)
        place += width * count
    quality = np.frombuffer(body, np.uint8, size, place) if each else np.full(size, shared, np.uint8)
    keys, slots, values = columns
    moments = slots * interval_s + at
    if times:
        keys, moments = np.repeat(keys, times), np.tile(moments, points)
    return Entry(kind, interval_s, keys, moments, values, quality, version == FILLS)


def _shape(entry: Entry) -> tuple[Whole, Whole, int]:
    """Return keys and times as they are written, and how many times each usage point has where all have the same."""
    key, at, size = entry.key, entry.at, entry.size
    starts = np.flatnonzero(key[1:] != key[:-1]) + 1
    points = starts.size + 1
    times, rest = divmod(size, points)
    if rest or (times > 1 and (starts != np.arange(times, size, times)).any()):
        return key, at, 0
    if (at.reshape(points, times) != at[:times]).any():
        return key, at, 0
    return key[::times], at[:times], times


def _column(numbers: Whole) -> tuple[int, int, bytes]:
    """Return the smallest number, the bytes that each takes above it, and these bytes."""
    low = int(numbers.min())
    span = int(numbers.max()) - low
    width = next(width for width in WIDTHS if span < 1 << (8 * width))
    return low, width, (numbers - low).astype(WIDTHS[width]).tobytes()
