"""Stored days counted anew in a finer resolution: the same values, known since the same times, under the finer type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gridwright.domain.interval import DAY_S
from gridwright.domain.reading_type import LARGEST_EXACT, ReadingType
from gridwright.store.days.blocks import FEW, marks
from gridwright.store.days.checksum import NONE, Numbers, carried_on, checksum
from gridwright.store.days.pack import DTYPE, NOTHING
from gridwright.store.session import Unit

TABLES = ("block", "block_version")
COLUMNS = (
    "usage_point, revision, phase_s, width, slots, quality_all, quality, counts, known_at_us, known, additions, "
    "checksum"
)
WHICH = "reading_type = ? AND day = ? AND usage_point IN ({marks})"
IMAGES = f"SELECT {COLUMNS} FROM {{table}} WHERE {WHICH}"  # noqa: S608 - our own columns
ADD = f"INSERT INTO {{table}} (reading_type, day, {COLUMNS}) VALUES ({marks(14)})"  # noqa: S608 - our own columns
GONE = f"DELETE FROM {{table}} WHERE {WHICH}"  # noqa: S608 - our own tables
# The database lets earlier images go only of days that are on their way to the archive or back: here to another type.
# A place of its own for each transaction: the first usage point is locked.
MOVING = (
    "INSERT INTO archive_part (reading_type, month, from_day, to_day, place, sha256, blocks, readings, total, "
    "revisions, state, archived_us) VALUES (?, ?, ?, ?, '', '', 0, 0, '0', 0, 'restoring', 0)"
)
MOVED = "DELETE FROM archive_part WHERE reading_type = ? AND month = ?"
FILED = "SELECT 1 FROM archive_part WHERE reading_type = ? AND from_day <= ? AND to_day > ?"
POINTS = f"SELECT usage_point FROM {{table}} WHERE {WHICH}"  # noqa: S608 - our own tables


class Change(NamedTuple):
    """From one resolution to a finer one: the types that are stored, and their keys."""

    source: int
    target: int
    coarse: ReadingType
    fine: ReadingType

    @property
    def factor(self) -> int:
        """How many counts become of one."""
        return int(10 ** (self.coarse.exponent - self.fine.exponent))


class Image(NamedTuple):
    """A stored image of a day, as of either table."""

    usage_point: int
    revision: int
    phase_s: int
    width: int
    slots: int
    quality_all: int | None
    quality: bytes | None
    counts: bytes
    known_at_us: int
    known: bytes | None
    additions: int
    checksum: bytes | None

    @property
    def integers(self) -> npt.NDArray[Any]:
        """The values of the slots."""
        return np.frombuffer(self.counts, DTYPE[self.width])

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """Which slots have a value."""
        return np.asarray(self.integers != NOTHING[self.width])

    @property
    def largest(self) -> int:
        """The value that is farthest from zero, which it is where there is none."""
        known = self.integers[self.present].astype(np.int64)
        return int(known[np.argmax(np.abs(known))]) if known.size else 0

    def told(self, kind: int, day: int) -> bytes:
        """Return the checksum of what it says."""
        quality_all = NONE if self.quality_all is None else self.quality_all
        head = (kind, day, self.phase_s, self.slots, self.width, quality_all, self.known_at_us, self.usage_point)
        return checksum(Numbers(*head), self.known, self.quality, self.counts)


class Recounted(NamedTuple):
    """What became of a day: usage point, interval length and readings of each that was moved, and who is left over.

    `both`: usage points that have the day in both resolutions, or in a file of the archive too. `beyond`: those of
    which a value would be no exact number, with their largest one. `filed`: the archive has a file of the day.
    """

    moved: list[tuple[int, int, int]]
    both: list[int]
    beyond: dict[int, int]
    filed: bool


def recount_day(unit: Unit, change: Change, day: int, keys: Sequence[int]) -> Recounted:
    """Count a day of some usage points anew, with all of its earlier images.

    Left as they are: a day that is there in both resolutions, or archived, for then the database has what its file has;
    and one of which a value would be no exact number.
    """
    filed = bool(unit.fetch(FILED, (change.source, day, day)))
    found = Recounted([], [], {}, filed)
    for at in range(0, len(keys), FEW):
        part = list(keys[at : at + FEW])
        images = {table: _images(unit, table, change.source, day, part) for table in TABLES}
        there = {image.usage_point for some in images.values() for image in some}
        if not there:
            continue
        beyond = {
            image.usage_point: image.largest
            for some in images.values()
            for image in some
            if not _fits(image, change.factor)
        }
        found.beyond.update(beyond)
        there -= beyond.keys()
        both = there if filed else there & _points(unit, change.target, day, sorted(there))
        movable = sorted(there - both)
        if movable:
            _move(unit, change, day, movable, images)
        found.both.extend(sorted(both))
        found.moved.extend(_counted(images["block"], movable))
    return found


def _move(unit: Unit, change: Change, day: int, movable: Sequence[int], images: Mapping[str, Sequence[Image]]) -> None:
    """Store the images of a day of some usage points under the finer type, and no more under the coarser."""
    mark = (change.source, -movable[0])
    earlier = any(image.usage_point in movable for image in images["block_version"])
    if earlier:
        unit.run_many(MOVING, [(*mark, day, day + 1)])
    for table, some in images.items():
        rows = [_row(image, change, day) for image in some if image.usage_point in movable]
        unit.run_many(ADD.format(table=table), rows)
        if rows:
            gone = GONE.format(table=table, marks=marks(len(movable)))
            unit.run_many(gone, [(change.source, day, *movable)])
    if earlier:
        unit.run_many(MOVED, [mark])


def day_image(unit: Unit, kind: int, day: int, key: int) -> Image | None:
    """Return what is stored of a day of one usage point."""
    return next(iter(_images(unit, "block", kind, day, [key])), None)


def _counted(images: Sequence[Image], movable: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    for image in images:
        if image.usage_point in movable:
            yield image.usage_point, DAY_S // image.slots, int(np.count_nonzero(image.present))


def _images(unit: Unit, table: str, kind: int, day: int, keys: Sequence[int]) -> list[Image]:
    rows = unit.fetch(IMAGES.format(table=table, marks=marks(len(keys))), (kind, day, *keys))
    return [Image(*row) for row in rows]


def _points(unit: Unit, kind: int, day: int, keys: Sequence[int]) -> set[int]:
    """Return who has a day, now or before."""
    if not keys:
        return set()
    asked = (kind, day, *keys)
    return {key for table in TABLES for (key,) in unit.fetch(POINTS.format(table=table, marks=marks(len(keys))), asked)}


def _fits(image: Image, factor: int) -> bool:
    return abs(image.largest) <= LARGEST_EXACT // factor


def _row(image: Image, change: Change, day: int) -> tuple[Any, ...]:
    """Return the row of an image in the finer resolution; a checksum that was wrong stays as wrong."""
    known = np.where(image.present, image.integers.astype(np.int64), 0) * change.factor
    low, high = int(known.min()), int(known.max())
    width = next(width for width in sorted(DTYPE) if NOTHING[width] < low and high < -NOTHING[width])
    counts = np.where(image.present, known, NOTHING[width]).astype(DTYPE[width]).tobytes()
    fine = image._replace(width=width, counts=counts)
    told = carried_on(fine.told(change.target, day), image.checksum, image.told(change.source, day))
    return (change.target, day, *fine._replace(checksum=None if image.checksum is None else told))
