"""Reading a day of all meters: rows of one shape in a piece, so that Python never touches a row.

SQLite joins the bytes itself. Its `group_concat` of blobs gives their bytes one after the other (the database is
UTF-8, so the cast back changes nothing), and all aggregates of a group take the rows in the same order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.store.days import blocks
from gridwright.store.days.blocks import IMAGE_SHAPE, SHAPE, BlockRows, Shape, shape_of
from gridwright.store.days.checksum import COUNTS, KNOWN, NONE, QUALITY, SIZE, STORED, Numbers, Sums, mix, of_joined
from gridwright.store.days.history import read_day_as_of
from gridwright.store.days.known import Instants, unpack_known
from gridwright.store.days.pack import unpack_integers
from gridwright.store.session import Unit

Keys = npt.NDArray[np.int64]
# SQLite's longest value is 10^9 bytes: a thousand days of one-second values of 8 bytes are 0.7 of that.
CHUNK = 1000
# Up to so many rows cost less one by one than put together.
SINGLE = 16
JOINED = (
    "SELECT {first}, {last}, group_concat(usage_point), CAST(group_concat(counts, '') AS BLOB), "
    "CAST(group_concat(quality, '') AS BLOB){more} FROM block "
    "WHERE reading_type = ? AND day = ? AND {{which}}"
)
# A row without a checksum, or with one of another length, has none: zeros.
CHECKSUM = f"CASE WHEN LENGTH(checksum) = {SIZE} THEN checksum ELSE zeroblob({SIZE}) END"
IMAGE = (
    f", CAST(group_concat(known, '') AS BLOB), group_concat(known_at_us), CAST(group_concat({CHECKSUM}, '') AS BLOB)"
)
SAME = JOINED.format(first=f"min({SHAPE})", last=f"max({SHAPE})", more="")
EACH = f"{JOINED.format(first=SHAPE, last=SHAPE, more='')} GROUP BY 1"
SAME_IMAGE = JOINED.format(first=f"min({IMAGE_SHAPE})", last=f"max({IMAGE_SHAPE})", more=IMAGE)
EACH_IMAGE = f"{JOINED.format(first=IMAGE_SHAPE, last=IMAGE_SHAPE, more=IMAGE)} GROUP BY 1"
NO_KEYS = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Blocks of one shape on one day: `keys` of the usage points, and their bytes one after the other.

    `known`, `known_at_us` and `checksum` are there when images were asked for.
    """

    shape: Shape
    keys: Keys
    counts: bytes
    quality: bytes | None
    known: bytes | None = None
    known_at_us: Keys = field(default_factory=lambda: NO_KEYS)
    checksum: bytes = b""

    @property
    def integers(self) -> npt.NDArray[Any]:
        """Stored integers, [n, slots]."""
        return unpack_integers(self.counts, self.shape.width, self.shape.slots)

    @property
    def qualities(self) -> q.Qualities:
        """Quality bytes, uint8[n, slots]."""
        size = (self.keys.size, self.shape.slots)
        if self.shape.quality_all is not None or self.quality is None:
            return np.broadcast_to(np.uint8(self.shape.quality_all or 0), size)
        return np.frombuffer(self.quality, np.uint8).reshape(size)

    def only(self, ours: npt.NDArray[np.bool_]) -> Group:
        """Return the group without the rows that are not `ours`."""
        if ours.all():
            return self
        quality = None if self.quality is None else self.qualities[ours].tobytes()
        known = self.known
        if known is not None:
            known = np.frombuffer(known, np.uint8).reshape(self.keys.size, -1)[ours].tobytes()
        at_us = self.known_at_us[ours] if self.known_at_us.size else self.known_at_us
        sums = np.frombuffer(self.checksum, STORED)[ours].tobytes() if self.checksum else b""
        return Group(self.shape, self.keys[ours], self.integers[ours].tobytes(), quality, known, at_us, sums)

    def columns(self) -> tuple[tuple[bytes | None, int], ...]:
        """Return counts, quality and known, and the bytes a row of each."""
        slots, shape = self.shape.slots, self.shape
        return (self.counts, slots * shape.width), (self.quality, slots), (self.known, slots * shape.known)

    def checksums(self, kind: int, day: int) -> Sums:
        """Return the checksum of each row, as its content says."""
        shape, (counts, quality, known) = self.shape, self.columns()
        quality_all = NONE if shape.quality_all is None else shape.quality_all
        head = (kind, day, shape.phase_s, shape.slots, shape.width, quality_all, self.known_at_us, self.keys)
        content = of_joined(*known, KNOWN) + of_joined(*quality, QUALITY) + of_joined(*counts, COUNTS)
        sums: Sums = mix(Numbers(*head)) + content
        return sums

    def wrong(self, kind: int, day: int) -> Sums:
        """Return the bits in which the stored checksum of each row is wrong: none where the row has none."""
        there = np.frombuffer(self.checksum, STORED)
        return np.where(there == 0, 0, there ^ self.checksums(kind, day))

    def instants(self, day: int) -> Instants:
        """Return when each slot became known, epoch microseconds, int64[n, slots]."""
        if self.known is None:
            return np.repeat(self.known_at_us[:, None], self.shape.slots, axis=1)
        return unpack_known(self.known, self.keys.size, self.shape.slots, day)


class GroupReader:
    """Reads day after day; once the shapes of a day differ, the next days are asked for by shape at once."""

    def __init__(self, unit: Unit, kind: int, keys: Keys, as_of_us: int | None, *, images: bool = False) -> None:
        self.unit, self.kind, self.keys, self.as_of_us = unit, kind, keys, as_of_us
        self.images, self.mixed = images, False

    def read(self, day: int) -> list[Group]:
        """Return the blocks of the day of `keys` (ascending), and of no other usage point."""
        found = (group.only(self._ours(group.keys)) for group in self._groups(day))
        return [group for group in found if group.keys.size]

    def _ours(self, keys: Keys) -> npt.NDArray[np.bool_]:
        at = np.minimum(np.searchsorted(self.keys, keys), self.keys.size - 1)
        ours: npt.NDArray[np.bool_] = self.keys[at] == keys
        return ours

    def _groups(self, day: int) -> Iterator[Group]:
        if self.as_of_us is not None:
            yield from grouped(read_day_as_of(self.unit, self.kind, day, self.keys, self.as_of_us))
        elif self.unit.dialect != "sqlite" or self.keys.size <= SINGLE:
            read = blocks.read_images if self.images else blocks.read_day
            yield from grouped(read(self.unit, self.kind, day, self.keys))
        else:
            for at in range(0, self.keys.size, CHUNK):
                which, bounds = blocks.which_points(self.keys[at : at + CHUNK])
                yield from self._joined(which, (self.kind, day, *bounds))

    def _joined(self, which: str, bounds: tuple[int, ...]) -> Iterator[Group]:
        same, each = (SAME_IMAGE, EACH_IMAGE) if self.images else (SAME, EACH)
        rows = [] if self.mixed else self.unit.fetch(same.format(which=which), bounds)
        if self.mixed or rows[0][0] != rows[0][1]:
            self.mixed = True
            rows = self.unit.fetch(each.format(which=which), bounds)
        for number, _, keys, counts, quality, *image in rows:
            if number is not None:
                known, at_us, sums = image or (None, "", b"")
                yield Group(shape_of(number), _numbers(keys), counts, quality, known, _numbers(at_us), sums)


def _numbers(joined: str) -> Keys:
    return np.fromstring(joined, np.int64, sep=",") if joined else NO_KEYS


def grouped(rows: BlockRows | None) -> Iterator[Group]:
    """Gather fetched rows by shape."""
    if rows is None:
        return
    numbers = np.array(rows.shape, np.int64)
    for number in np.unique(numbers).tolist():
        mine = np.flatnonzero(numbers == number).tolist()
        some = rows.take(mine)
        single = [quality for quality in some.quality if quality is not None]
        known = [each for each in some.known if each is not None]
        at_us = np.array(some.known_at_us, np.int64)
        joined = b"".join(single) or None, b"".join(known) or None
        sums = b"".join(each if each is not None and len(each) == SIZE else bytes(SIZE) for each in some.checksum)
        yield Group(shape_of(number), some.key, b"".join(some.counts), *joined, at_us, sums)
