"""What a cascade looks at: which days a change reaches, and how much of the time around them must be known."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gridwright.domain.access import Access
from gridwright.domain.interval import DAY_S, Interval
from gridwright.domain.reading_type import Accumulation, ReadingType
from gridwright.jobs.cascade.lacking_days import STEP, Sight
from gridwright.jobs.cascade.read_spans import Days, ReadSpans, midnight
from gridwright.jobs.cascade.scope_days import Key, Reach, Reaching
from gridwright.store import DirtyRange, Store
from gridwright.store.days.series import Extent
from gridwright.vee import RuleBook, packaged

TOGETHER = 500
DAYS_TOGETHER = 40_000  # usage points × days that are loaded at once, of so many readings a day:
READINGS_A_DAY = 384
Member = tuple[Reach, DirtyRange]


@dataclass(frozen=True, slots=True)
class Scope:
    """One part of a cascade: `points`, the UTC days that are made anew, and the dirty ranges that ask for it.

    `context`: these days, and those around them that must be known for it. `sure`: also if values lack on the days
    that changed; else such usage points are left to a scope of their own.
    """

    points: tuple[str, ...]
    period: Interval
    ranges: tuple[DirtyRange, ...]
    context: Interval
    sure: bool

    def halves(self) -> tuple[Scope, Scope]:
        """Return the same for the first and the second half of the usage points."""
        middle = len(self.points) // 2
        return self.only(self.points[:middle]), self.only(self.points[middle:])

    def only(self, points: Collection[str]) -> Scope:
        """Return the same for some of the usage points."""
        some = tuple(point for point in self.points if point in points)
        return replace(self, points=some, ranges=tuple(each for each in self.ranges if each.usage_point in points))

    def is_within(self, other: Scope) -> bool:
        """Tell whether another scope makes all of its days anew, and knows all that must be known for that."""
        mine, others = (self.period, self.context), (other.period, other.context)
        return all(one.intersection(two) == one for one, two in zip(mine, others, strict=True))

    @property
    def cascade(self) -> str:
        """Its id: the same ranges are the same cascade, also when it is begun again after a crash."""
        keys = ",".join(str(each.key) for each in sorted(self.ranges, key=lambda each: each.key))
        return f"cascade-{min(each.key for each in self.ranges)}-{hashlib.sha256(keys.encode()).hexdigest()[:8]}"


def scopes(
    store: Store, access: Access, ranges: Sequence[DirtyRange], rules: RuleBook | None = None, *, sure: bool = False
) -> Iterator[Scope]:
    """Put ranges of like time together, some hundred usage points at a time, so that little is loaded for nothing.

    `sure`: values may lack on the days that changed. `rules`: by whose ladders is estimated (None: the packaged).
    """
    points = sorted({each.usage_point for each in ranges})
    extents: dict[str, list[Extent]] = defaultdict(list)
    for extent in store.readings.extents(access, points):
        if is_judged(extent.reading_type):
            extents[extent.usage_point].append(extent)
    lengths = {point: {each.interval_s for each in some} for point, some in extents.items()}
    sight, spans = Sight.of((rules or packaged()).ladders), ReadSpans(store, access, rules, lengths)
    reaching = Reaching(store, access, extents, sight, spans)
    alike: dict[tuple[bool, Key], list[Member]] = defaultdict(list)
    for reach, each in reaching.of(ranges, sure=sure):
        alike[reach.sure, reach.alike].append((reach, each))
    for key in sorted(alike):
        for some in _by_reads(alike[key], reaching):
            yield from _cut(some, extents)


def is_judged(kind: ReadingType) -> bool:
    """Tell whether a series has a final image: all but registers, whose differences do."""
    return kind.accumulation is not Accumulation.CUMULATIVE


def _by_reads(members: Sequence[Member], reaching: Reaching) -> list[list[Member]]:
    """Return the members with all of the steps between register reads that lie on days made anew, alike together."""
    days = min(reach.first for reach, _ in members), max(reach.last for reach, _ in members)
    points = list(dict.fromkeys(each.usage_point for _, each in members))
    whole = dict(zip(points, reaching.spans.each([(point, days) for point in points]), strict=True))
    found: dict[Days, list[Member]] = defaultdict(list)
    for reach, each in members:
        (first, last), there = whole[each.usage_point], reaching.there(each.usage_point)
        since, until = min(reach.since, max(first, there.start)), max(reach.until, min(last, there.stop))
        beyond = (since - reach.since) // STEP, -((reach.until - until) // STEP)
        found[beyond].append((reach._replace(since=since, until=until), each))
    return [found[beyond] for beyond in sorted(found)]


def _cut(members: Sequence[Member], extents: Mapping[str, Sequence[Extent]]) -> Iterator[Scope]:
    by_point: dict[str, list[Member]] = defaultdict(list)
    for reach, each in members:
        by_point[each.usage_point].append((reach, each))
    days = max(reach.until - reach.since for reach, _ in members)
    names = sorted(by_point)
    readings = max(sum(DAY_S // each.interval_s for each in extents.get(name, ())) for name in names)
    step = max(1, min(TOGETHER, int(DAYS_TOGETHER / days / max(1, readings / READINGS_A_DAY))))
    for at in range(0, len(names), step):
        some = [item for name in names[at : at + step] for item in by_point[name]]
        found = [reach for reach, _ in some]
        yield Scope(
            tuple(names[at : at + step]),
            _days(min(reach.first for reach in found), max(reach.last for reach in found)),
            tuple(each for _, each in some),
            _days(min(reach.since for reach in found), max(reach.until for reach in found)),
            all(reach.sure for reach in found),
        )


def _days(first: int, last: int) -> Interval:
    return Interval(midnight(first), midnight(last))
