"""Rollovers of registers at places that the registry knows: what readings that arrive are asked where they fall."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from gridwright.domain.access import Access
from gridwright.domain.errors import NotFound
from gridwright.domain.hung import named
from gridwright.domain.register import RegisterReading, is_possible
from gridwright.domain.rollover import DAY, Counter, as_shown, turned_over
from gridwright.domain.usage_point import Installation, UsagePoint
from gridwright.jobs.meters.limits import limits_of
from gridwright.jobs.store_port import StorePort
from gridwright.vee import Registers

MONTH = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class Place:
    """A usage point as the registry has it: what its connection carries, and which meters hang or hung there.

    `stored`: whether there is such a usage point, or a file is about to bring it.
    """

    capacity_kw: float
    registers: Registers
    stored: bool = True


@dataclass(frozen=True, slots=True)
class Rollovers:
    """Judges falls beside the registry, of which each usage point is looked up once, and the reads that are stored.

    `new_point`: what a usage point that is not registered begins as, by its name and zone; else of it nothing is known.
    """

    store: StorePort
    access: Access
    new_point: Callable[[str, str], UsagePoint] | None = None
    _places: dict[str, Place | None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __call__(self, before: RegisterReading, after: RegisterReading, a_day: float | None = None) -> float:
        """Return by how many counts a register turned over between two reads, 0 where it did not or nobody can tell."""
        counter = self._counter(before, after)
        if counter is None or not turned_over(before, after, counter, math.inf):
            return 0.0
        return turned_over(before, after, counter, self._a_day(before, counter) if a_day is None else a_day)

    def counts_on(self, before: RegisterReading, after: RegisterReading) -> bool:
        """Tell whether a register may have counted from one read up to a later one: behind one factor, within V32."""
        counter = self._counter(before, after)
        if counter is None:
            return False
        counted = (after.value - before.value) * counter.multiplier
        return is_possible(counted, after.reading_type, after.at - before.at, counter.capacity_kw)

    def named(self, read: RegisterReading) -> RegisterReading:
        """Return a read with the meter that hung there then, if it names none itself."""
        place = None if read.end_device else self._known(read.usage_point)
        return read if place is None else named(place.registers.history(read.usage_point), read)

    def went(self, point: str) -> dict[datetime, str]:
        """Return the meters that went from a usage point, by the instant."""
        place = self._known(point)
        history = place.registers.history(point) if place else ()
        return {each.period.end: each.end_device for each in history if not each.is_open}

    def learn(self, points: Iterable[str]) -> None:
        """Look up together the places that are not known yet, where many will be asked about."""
        new = [point for point in dict.fromkeys(points) if point not in self._places]
        if not new:
            return
        try:
            known = self.store.registry.points(self.access, new)
        except NotFound:  # a file may bring it: nothing hung there yet
            if len(new) == 1:
                self._places[new[0]] = self._brought(new[0])
            else:
                for point in new:
                    self.learn([point])
            return
        self._places.update(self._of(known))

    def _brought(self, point: str) -> Place | None:
        """Return the place that an import is about to register: no meter hangs there, and nothing of it is stored."""
        if self.new_point is None:
            return None
        (limit,) = limits_of([self.new_point(point, "UTC")], self.store.usual_kw)
        return Place(limit, Registers({}, {}, ()), stored=False)

    def _known(self, point: str) -> Place | None:
        if point not in self._places:
            self.learn([point])
        return self._places[point]

    def _counter(self, before: RegisterReading, after: RegisterReading) -> Counter | None:
        """Return the register that gave both reads; None where its place is not registered, or it was changed."""
        point = before.usage_point
        if (point, before.end_device) != (after.usage_point, after.end_device):
            return None
        place = self._known(point)
        factor = place.registers.factor(before, after) if place else None
        if place is None or factor is None:
            return None
        return Counter(place.registers.hung(before), place.capacity_kw, factor)

    def _of(self, points: Sequence[UsagePoint]) -> dict[str, Place]:
        hangs, ids = self.store.field, [point.id for point in points]
        meters, history = hangs.meters(self.access, ids), defaultdict[str, list[Installation]](list)
        for each in hangs.installations(self.access, ids):
            history[each.usage_point].append(each)
        found = {}
        for point, limit in zip(points, limits_of(points, self.store.usual_kw), strict=True):
            here = tuple(history[point.id])
            mine = {each.end_device: meters[each.end_device] for each in here if each.end_device in meters}
            found[point.id] = Place(limit, Registers({}, mine, here))
        return found

    def _a_day(self, read: RegisterReading, counter: Counter) -> float | None:
        """Return what the register counted a day in about the last month of its stored reads."""
        place = self._known(read.usage_point)
        if place is None or not place.stored:
            return None
        read = self.named(read)
        (last, _), months = (self._around(read, moment) for moment in (read.at, read.at - MONTH))
        if last is None or last.end_device != read.end_device or last.value > read.value:
            return None
        since = next((one for one in months if one is not None and _same_count(one, last)), None)
        if since is None:
            return None
        wrap = as_shown(counter.meter, [since, last]).range_wh / read.reading_type.resolution
        return (last.value - since.value) % wrap / ((last.at - since.at) / DAY)

    def _around(self, read: RegisterReading, moment: datetime) -> tuple[RegisterReading | None, RegisterReading | None]:
        """Return the last stored read of a register up to a moment, and the first one after it, with their meters."""
        point = read.usage_point
        found = self.store.registers.neighbours(self.access, {point: (moment, moment)}, read.reading_type, taken=True)[
            point
        ]
        before, after = (one and self.named(one) for one in found)
        return before, after


def without_record(before: RegisterReading, after: RegisterReading, a_day: float | None) -> float:
    """Return the counts by which a register turned over of which nothing is on record, as its first import does."""
    (limit,) = limits_of([UsagePoint(before.usage_point)], None)
    return turned_over(before, after, Counter(Registers().hung(before), limit), a_day)


def _same_count(one: RegisterReading, last: RegisterReading) -> bool:
    return (one.end_device, one.epoch) == (last.end_device, last.epoch) and one.at <= last.at - DAY
