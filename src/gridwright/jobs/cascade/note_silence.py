"""V10_silence: between which readings lies more time than is estimated."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from gridwright.domain.access import Access
from gridwright.domain.finding import Finding
from gridwright.domain.interval import Interval
from gridwright.domain.panel import slot_time
from gridwright.domain.reading_type import ReadingType
from gridwright.jobs.cascade.correct_scope import Scope
from gridwright.jobs.cascade.feeds import feeds
from gridwright.jobs.cascade.make_final import Final
from gridwright.jobs.cascade.next_reading import reading_before, reading_behind
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.store import Store
from gridwright.store.days.series import Extent
from gridwright.vee import packaged
from gridwright.vee.silence import CODE, silence_finding

DAY = timedelta(days=1)
Series = tuple[str, ReadingType]  # usage point and final image, in whole base units
Read = Mapping[Series, Sequence[Interval]]


def note_silence(
    store: Store, access: Access, scope: Scope, made: Sequence[Final], site: SiteDefaults, *, now: datetime
) -> int:
    """Keep a finding for each silence beside the days that changed, however long it is; return how many are new.

    One that readings have ended since, or parted, resolves itself.
    """
    found = list({each.doubted: each for final in made for each in final.findings if each.code == CODE}.values())
    found += _Edges(store, access, scope, site, _read(made)).findings()
    there = store.findings.open_of(access, scope.points, [CODE], scope.context)
    new = 0
    for point in sorted({each.usage_point for each in (*found, *(one.finding for one in there))}):
        mine = [each for each in found if each.usage_point == point]
        periods = [_beside(each.period) for each in scope.ranges if each.usage_point == point]
        periods += [each.period for each in mine]
        whole = Interval(min(each.start for each in periods), max(each.end for each in periods))
        new += store.findings.save(access, mine, known_at=now, points=[point], period=whole, only=[CODE])
    return new


def _beside(days: Interval) -> Interval:
    return Interval(days.start - DAY, days.end + DAY)


def _read(made: Sequence[Final]) -> dict[Series, list[Interval]]:
    """Return from the first to the last reading of each usage point that final images were made of, by their grids."""
    read: dict[Series, list[Interval]] = defaultdict(list)
    for final in made:
        panel = final.channel.validated
        known = ~panel.missing
        for row, point in enumerate(panel.points if not final.beyond else ()):
            if known[row].any():
                first, behind = int(known[row].argmax()), panel.slots - int(known[row, ::-1].argmax())
                period = Interval(slot_time(panel, first), slot_time(panel, behind))
                read[point, panel.reading_type.finer(0)].append(period)
    return read


@dataclass(frozen=True, slots=True)
class _Edges:
    """Looks beyond the first and the last reading that a scope knows, where they changed; `read`: what it knows."""

    store: Store
    access: Access
    scope: Scope
    site: SiteDefaults
    read: Read

    def findings(self) -> list[Finding]:
        """Return the silences that begin or end there, or between two grids."""
        holes = [(series, hole) for series, hole in self._holes() if hole.end - hole.start > DAY]
        if not holes:
            return []
        points = self.store.registry.points(self.access, sorted({point for (point, _), _ in holes}))
        ladders = (self.site.rules or packaged()).ladders
        longest = {each.id: ladders.of(each.customer_class).longest_days for each in points}
        return [
            silence_finding(point, hole, longest[point], kind)
            for (point, kind), hole in holes
            if hole.end - hole.start > longest[point] * DAY
        ]

    def _holes(self) -> Iterator[tuple[Series, Interval]]:
        for series, periods in self.read.items():
            for one, two in pairwise(sorted(periods, key=lambda each: each.start)):
                if one.end < two.start:
                    yield series, Interval(one.end, two.start)
        beyond = {series: ends for series in self._changed() if any(ends := self._open_ends(series))}
        points = sorted({point for point, _ in beyond})
        extents: dict[str, list[Extent]] = defaultdict(list)
        for extent in self.store.readings.extents(self.access, points) if points else ():
            extents[extent.usage_point].append(extent)
        for (point, kind), ends in beyond.items():
            mine = [each for each in extents[point] if feeds(each.reading_type, kind)]
            for hole in self._beyond(mine, self.read.get((point, kind), ()), ends) if mine else ():
                yield (point, kind), hole

    def _changed(self) -> set[Series]:
        """Return the final images that the changed series were made into, or were until nothing of them was read."""
        read: dict[str, list[ReadingType]] = defaultdict(list)
        for point, kind in self.read:
            read[point].append(kind)
        types = self.store.readings.image_types(self.access)
        stored = sorted({each.finer(0) for each in types}, key=lambda kind: kind.code)
        found: set[Series] = set()
        for each in self.scope.ranges:
            mine = [kind for kind in read[each.usage_point] if feeds(each.reading_type, kind)]
            once = next((kind for kind in stored if feeds(each.reading_type, kind)), None)
            found |= {(each.usage_point, kind) for kind in mine or ([] if once is None else [once])}
        return found

    def _open_ends(self, series: Series) -> tuple[bool, bool]:
        """Tell whether days changed at or before the first reading that is known, and at or behind the last."""
        periods = self.read.get(series)
        if not periods:
            return True, True
        first, last = min(each.start for each in periods), max(each.end for each in periods)
        days = [_beside(each.period) for each in self.scope.ranges if each.usage_point == series[0]]
        return any(each.start <= first for each in days), any(last <= each.end for each in days)

    def _beyond(
        self, series: Sequence[Extent], periods: Sequence[Interval], ends: tuple[bool, bool]
    ) -> Iterator[Interval]:
        """Yield the hole before the first reading, and the one behind the last."""
        context = self.scope.context
        earlier = reading_before(self.store, self.access, series, context.start) if ends[0] else None
        later = reading_behind(self.store, self.access, series, context.end) if ends[1] else None
        if not periods:
            if earlier and later:
                yield Interval(earlier, later)
            return
        if earlier:
            yield Interval(earlier, min(each.start for each in periods))
        if later:
            yield Interval(max(each.end for each in periods), later)
