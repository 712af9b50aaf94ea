"""What a cascade looks at: which days a change reaches, and how much of the time around them must be known."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta

from gridwright.domain.access import Access
from gridwright.domain.calendar import date_of, day_number
from gridwright.domain.interval import DAY_S, Interval
from gridwright.domain.reading_type import Accumulation, Flow, Quantity, ReadingType
from gridwright.store import DirtyRange, Store
from gridwright.store.days.series import Extent

# The rules compare a day with like days before it: six weeks of them.
CONTEXT_DAYS = 42
# A change reaches the days whose context it lies in, and earlier ones that were estimated with its help.
REACH_DAYS = 42
# Runs of zeros or of one value cross midnights: so many days before a change are judged again in any case.
RUN_DAYS = 14
TOGETHER = 500
NET_ENERGY = (Quantity.ENERGY, Flow.NET)
DAYS_TOGETHER = 40_000  # usage points × days that are loaded at once, of so many readings a day:
READINGS_A_DAY = 384


@dataclass(frozen=True, slots=True)
class Scope:
    """One part of a cascade: `points`, the UTC days that are made anew, and the dirty ranges that ask for it."""

    points: tuple[str, ...]
    period: Interval
    ranges: tuple[DirtyRange, ...]

    def halves(self) -> tuple[Scope, Scope]:
        """Return the same for the first and the second half of the usage points."""
        middle = len(self.points) // 2
        first, second = (
            replace(self, points=some, ranges=tuple(each for each in self.ranges if each.usage_point in some))
            for some in (self.points[:middle], self.points[middle:])
        )
        return first, second

    @property
    def context(self) -> Interval:
        """The days made anew, and those before that the rules look back on."""
        return Interval(self.period.start - timedelta(days=CONTEXT_DAYS), self.period.end)

    @property
    def cascade(self) -> str:
        """Its id: the same ranges are the same cascade, also when it is begun again after a crash."""
        keys = ",".join(str(each.key) for each in sorted(self.ranges, key=lambda each: each.key))
        return f"cascade-{min(each.key for each in self.ranges)}-{hashlib.sha256(keys.encode()).hexdigest()[:8]}"


@dataclass(frozen=True, slots=True, order=True)
class _Reach:
    """UTC days [first, last) that a range makes anew, clipped to what there is."""

    first: int
    last: int


def scopes(store: Store, access: Access, ranges: Sequence[DirtyRange]) -> Iterator[Scope]:
    """Put ranges of like time together, some hundred usage points at a time, so that little is loaded for nothing."""
    points = sorted({each.usage_point for each in ranges})
    extents: dict[str, list[Extent]] = defaultdict(list)
    for extent in store.readings.extents(access, points):
        if is_judged(extent.reading_type):
            extents[extent.usage_point].append(extent)
    back = _looked_back(store, access, ranges, extents)
    alike: dict[tuple[int, int], list[tuple[_Reach, DirtyRange]]] = defaultdict(list)
    for each in ranges:
        reach = _reach(each, extents.get(each.usage_point, []), back.get(each.key, RUN_DAYS))
        alike[reach.first // 30, reach.last // 30].append((reach, each))
    for key in sorted(alike):
        yield from _cut(alike[key], extents)


def is_judged(kind: ReadingType) -> bool:
    """Tell whether a series has a final image: all but registers, whose differences do."""
    return kind.accumulation is not Accumulation.CUMULATIVE


def _cut(members: Sequence[tuple[_Reach, DirtyRange]], extents: Mapping[str, Sequence[Extent]]) -> Iterator[Scope]:
    by_point: dict[str, list[tuple[_Reach, DirtyRange]]] = defaultdict(list)
    for reach, each in members:
        by_point[each.usage_point].append((reach, each))
    days = max(reach.last - reach.first for reach, _ in members) + CONTEXT_DAYS
    names = sorted(by_point)
    readings = max(sum(DAY_S // each.interval_s for each in extents.get(name, ())) for name in names)
    step = max(1, min(TOGETHER, int(DAYS_TOGETHER / days / max(1, readings / READINGS_A_DAY))))
    for at in range(0, len(names), step):
        some = [item for name in names[at : at + step] for item in by_point[name]]
        first, last = min(reach.first for reach, _ in some), max(reach.last for reach, _ in some)
        ranges = tuple(each for _, each in some)
        yield Scope(tuple(names[at : at + step]), Interval(_midnight(first), _midnight(last)), ranges)


def _reach(each: DirtyRange, extents: Sequence[Extent], back: int) -> _Reach:
    begin, end = day_number(each.from_day), day_number(each.to_day)
    first, last = begin - back, end + REACH_DAYS
    if not extents:
        return _Reach(begin, end)
    earliest, latest = min(one.first_day for one in extents), max(one.last_day for one in extents)
    return _Reach(min(max(first, earliest), begin), max(min(last, latest), end))


def _looked_back(
    store: Store, access: Access, ranges: Sequence[DirtyRange], extents: Mapping[str, Sequence[Extent]]
) -> dict[int, int]:
    """Return how many days before a range are made anew, by its key, where they are more than `RUN_DAYS`.

    Where something was estimated before it, what it brings may make a better estimate; where nothing is known for
    weeks, the silence must be bridged from the last day that is known.
    """
    found: dict[int, int] = {}
    alike: dict[tuple[ReadingType, int], list[DirtyRange]] = defaultdict(list)
    for each in ranges:
        kinds = {extent.reading_type for extent in extents.get(each.usage_point, [])}
        if any(kind.quantity is Quantity.POWER or (kind.quantity, kind.flow) == NET_ENERGY for kind in kinds):
            found[each.key] = REACH_DAYS  # its final images are of other reading types: look far, to be safe
            continue
        for kind in kinds:
            if not kind.sums:
                continue  # only short gaps are estimated there, from the values beside them
            alike[kind, day_number(each.from_day)].append(each)
    for (kind, day), some in alike.items():
        # The civil day before may end within the range, east or west of Greenwich.
        days = range(day - REACH_DAYS, day - 1)
        totals = store.day_totals.load(access, [each.usage_point for each in some], days, reading_type=kind)
        measured = (totals.measured + totals.edited >= totals.intervals) & totals.known
        # An edit alone, behind the last reading, bridges no silence.
        read = totals.known & (totals.measured + totals.estimated > 0)
        for row, each in enumerate(some):
            first = min(one.first_day for one in extents[each.usage_point] if one.reading_type == kind)
            if first < days.start and not read[row].any():
                found[each.key] = max(day - first, found.get(each.key, 0))
            elif not measured[row, max(first + 1 - days.start, 0) :].all():
                found[each.key] = max(REACH_DAYS, found.get(each.key, 0))
    return found


def _midnight(day: int) -> datetime:
    return datetime.combine(date_of(day), time.min, UTC)
