"""On which days around a change values lack, by the day totals of the final images that its readings make."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.domain.access import Access
from gridwright.domain.calendar import day_number
from gridwright.domain.reading_type import DELIVERED_ENERGY, ReadingType
from gridwright.jobs.cascade.feeds import feeds
from gridwright.store import DirtyRange, Store
from gridwright.store.days.series import Extent
from gridwright.vee import Ladders

# A change reaches the days whose context it lies in.
REACH_DAYS = 42
# Days made anew where something is estimated begin and end at multiples of so many: usage points share them.
STEP = 14
# Civil days begin and end beside UTC days.
ZONE = 1
Mask = npt.NDArray[np.bool_]
Extents = Mapping[str, Sequence[Extent]]
Changes = Mapping[str, Sequence[tuple[int, int]]]


@dataclass(frozen=True, slots=True)
class Sight:
    """How far estimates look: `reach` days before and behind a gap of at most `longest` days."""

    reach: int
    longest: int

    @classmethod
    def of(cls, ladders: Ladders) -> Sight:
        """Return how far the estimates of some ladders look."""
        return cls(ladders.reach_days, ladders.longest_days)

    @property
    def near(self) -> int:
        """So many days around a change hold the gaps that it bears on, and all days that are made anew anyway."""
        return max(self.reach, 2 * REACH_DAYS) + 2 * ZONE

    @property
    def far(self) -> int:
        """So many days around a change hold these gaps as a whole."""
        return self.near + self.longest + 2 * ZONE + STEP


def runs_of_days(days: Mask) -> list[tuple[int, int]]:
    """Return from which to which place days are marked."""
    ends = np.flatnonzero(np.diff(np.r_[False, days, False])).tolist()
    return list(zip(ends[::2], ends[1::2], strict=True))


def lacking_days(
    store: Store, access: Access, ranges: Sequence[DirtyRange], extents: Extents, sight: Sight, *, sure: bool
) -> dict[int, Mask]:
    """Return on which days values lack, from `far` before a range to as far behind it, by its key; of most none.

    What changed lacks values, too, where any other day near it does, or where one wants to be `sure`.
    """
    stored: dict[ReadingType, list[ReadingType]] = defaultdict(list)
    for image in store.readings.image_types(access):
        stored[image.finer(0)].append(image)
    alike: dict[tuple[ReadingType, int, int], list[DirtyRange]] = defaultdict(list)
    changes: dict[tuple[ReadingType, str], list[tuple[int, int]]] = defaultdict(list)
    for each in ranges:
        begin, end = day_number(each.from_day), day_number(each.to_day)
        for image in _images(extents.get(each.usage_point, ()), stored):
            alike[image, begin, end].append(each)
            if feeds(each.reading_type, image):
                changes[image, each.usage_point].append((begin, end))
    found: dict[int, Mask] = {}
    for (image, begin, end), some in alike.items():
        mine = {each.usage_point: [(begin, end), *changes[image, each.usage_point]] for each in some}
        look = _Look(store, access, image, stored[image], extents, (begin, end), sight, mine)
        for key, lacking in look.lacking(some if sure else look.doubtful(some)):
            found[key] = found[key] | lacking if key in found else lacking
    return found


def _images(extents: Sequence[Extent], stored: Collection[ReadingType]) -> set[ReadingType]:
    """Return the final images, of whole base units, that add up and are or will be made of some series."""
    kinds = {one.reading_type.finer(0) for one in extents}
    of_others = {image for image in (*stored, DELIVERED_ENERGY) if any(feeds(kind, image) for kind in kinds)}
    return {image for image in (*kinds, *of_others) if image.sums and any(feeds(kind, image) for kind in kinds)}


@dataclass(frozen=True, slots=True)
class _Look:
    """Looks at the day totals of one final image around days `at` that changed; `changes`: all that did, by point.

    `stored`: its reading types, one for each resolution.
    """

    store: Store
    access: Access
    image: ReadingType
    stored: Sequence[ReadingType]
    extents: Extents
    at: tuple[int, int]
    sight: Sight
    changes: Changes

    def doubtful(self, some: Sequence[DirtyRange]) -> list[DirtyRange]:
        """Return the ranges near which a value lacks, or other days changed."""
        (begin, end), near = self.at, self.sight.near
        latest = max(one.last_day for each in some for one in self.extents[each.usage_point])
        lacks = np.zeros(len(some), np.bool_)
        for days in (range(begin - near, begin - ZONE), range(end + ZONE, min(end + near, latest))):
            asked = np.flatnonzero(~(lacks | self._measured(some, days)))
            lacks[asked] = self._lacking([some[row] for row in asked.tolist()], days)[0].any(axis=1)
        for row, each in enumerate(some):
            others = [change for change in self.changes[each.usage_point] if change != self.at]
            lacks[row] |= any(first - near < end and begin < last + near for first, last in others)
        return [some[row] for row in np.flatnonzero(lacks).tolist()]

    def _measured(self, some: Sequence[DirtyRange], days: range) -> Mask:
        """Tell where all of some days was measured, as mostly."""
        names = [each.usage_point for each in some]
        ask = self.store.day_totals.are_measured
        each = [ask(self.access, names, days, reading_type=kind) for kind in self.stored]
        return np.any(each, axis=0) if each else np.zeros(len(some), np.bool_)

    def lacking(self, some: Sequence[DirtyRange]) -> Iterator[tuple[int, Mask]]:
        """Yield the key of each range with the days around it on which values lack, or that changed.

        Not those of a longer silence than is estimated: nothing is estimated in it, and nothing across it.
        """
        (begin, end), far = self.at, self.sight.far
        days = range(begin - far, end + far)
        lacking, unknown = self._lacking(some, days)
        for row, each in enumerate(some):
            changed = np.zeros(len(days), np.bool_)
            for first, last in self.changes[each.usage_point]:
                changed[max(first - ZONE - days.start, 0) : max(last + ZONE - days.start, 0)] = True
            silent = np.zeros(len(days), np.bool_)
            for first, last in runs_of_days(unknown[row] & ~changed):
                silent[first:last] = last - first > self.sight.longest + ZONE
            yield each.key, (lacking[row] & ~silent) | changed

    def _lacking(self, some: Sequence[DirtyRange], days: range) -> tuple[Mask, Mask]:
        """Tell on which civil days not all was measured, and of which of them nothing is known at all.

        On the first and the last day there are it is enough that nothing was estimated.
        """
        names = [each.usage_point for each in some]
        if not len(days):
            return np.zeros((len(some), 0), np.bool_), np.zeros((len(some), 0), np.bool_)
        intervals, measured, made = np.zeros((3, len(some), len(days)), np.int64)
        for kind in self.stored:
            totals = self.store.day_totals.load(self.access, names, days, reading_type=kind)
            intervals += totals.intervals
            measured += totals.measured
            made += totals.estimated + totals.edited
        number = np.arange(days.start, days.stop)
        lacking, unknown = (measured < intervals) | (intervals == 0), intervals == 0
        for row, name in enumerate(names):
            mine = [one for one in self.extents[name] if feeds(one.reading_type, self.image)]
            first, last = min(one.first_day for one in mine), max(one.last_day for one in mine)
            ends = (number <= first) | (number >= last - 1)
            outside = (number < first - ZONE) | (number > last)
            lacking[row, ends] = made[row, ends] > 0
            lacking[row, outside] = unknown[row, outside] = False
        return lacking, unknown
