"""Which days a change reaches, and how much of the time around them must be known to make them anew.

An estimate rests on so many days before and behind its gap (the ladder's `reach_days`). So a change makes every gap
anew that lies so near, as a whole, and for that as many days again around it are loaded: more would change nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from gridwright.domain.access import Access
from gridwright.domain.calendar import date_of, day_number
from gridwright.domain.interval import DAY_S, Interval, epoch_s
from gridwright.jobs.cascade.lacking_days import (
    REACH_DAYS,
    STEP,
    ZONE,
    Extents,
    Mask,
    Sight,
    lacking_days,
    runs_of_days,
)
from gridwright.jobs.cascade.read_spans import Days, ReadSpans, midnight
from gridwright.store import DirtyRange, Store
from gridwright.vee.rules.registers import RegisterSteps, SumCheck

# The rules compare a day with like days before it: six weeks of them.
CONTEXT_DAYS = 42
# Runs of zeros or of one value cross midnights: so many days before a change are judged again in any case.
RUN_DAYS = 14
# What lies beside a gap is compared with like days of its own, and civil days are whole.
END = 1 + 2 * ZONE
# Doubts about steps between two reads.
DOUBTS = (SumCheck.code, RegisterSteps.code)
Key = tuple[int, ...]


class Reach(NamedTuple):
    """UTC days [first, last) that a range makes anew, and those that must be known for it, clipped to what there is.

    `sure`: what may be lacking on the days that changed has been thought of. `alike`: those with one are made together.
    """

    first: int
    last: int
    since: int
    until: int
    alike: Key
    sure: bool = True


@dataclass(frozen=True, slots=True)
class Reaching:
    """Looks what dirty ranges reach, with all that is stored of their usage points and register reads tell."""

    store: Store
    access: Access
    extents: Extents
    sight: Sight
    spans: ReadSpans

    def of(self, ranges: Sequence[DirtyRange], *, sure: bool) -> Iterator[tuple[Reach, DirtyRange]]:
        """Yield what each range reaches.

        `sure`: values may lack on the days that changed; else only on those around them, of which totals tell. Where
        none lacks there, the days that changed are made anew with what rules look at alone. A day that changes bears on
        all that lies between the same two register reads.
        """
        changed = list(self._between_reads(ranges))
        lacking = lacking_days(self.store, self.access, changed, self.extents, self.sight, sure=sure)
        near: list[tuple[DirtyRange, Mask, Days]] = []
        for each, wide in zip(ranges, changed, strict=True):
            days, lacks = _days_of(wide), lacking.get(each.key)
            if lacks is None:
                yield self._plain(each.usage_point, days)._replace(sure=sure), each
            else:
                near.append((each, lacks, days))
        yield from self._around(near)

    def there(self, point: str) -> range:
        """Return from the first to the last day on which anything of a usage point is stored."""
        mine = self.extents.get(point, [])
        return range(min((one.first_day for one in mine), default=0), max((one.last_day for one in mine), default=0))

    def _between_reads(self, ranges: Sequence[DirtyRange]) -> Iterator[DirtyRange]:
        """Yield the ranges with all the steps between register reads that they have a part of."""
        whole = self.spans.each([(each.usage_point, _days_of(each)) for each in ranges])
        whole = self._with_doubts([each.usage_point for each in ranges], whole)
        for each, (first, last) in zip(ranges, whole, strict=True):
            begin, end = _clipped(first, last, _days_of(each), self.there(each.usage_point))
            yield replace(each, from_day=date_of(begin), to_day=date_of(end))

    def _with_doubts(self, points: Sequence[str], days: Sequence[Days]) -> list[Days]:
        """Return days with the doubted steps beside them: whether a read is wrong, or a sum, both sides of it tell."""
        if not days:
            return []
        near = Interval(midnight(min(first for first, _ in days) - 1), midnight(max(last for _, last in days) + 1))
        doubts: dict[str, list[Days]] = defaultdict(list)
        for each in self.store.findings.open_of(self.access, sorted(set(points)), DOUBTS, near):
            period = each.finding.period
            doubts[each.finding.usage_point].append((epoch_s(period.start) // DAY_S, -(-epoch_s(period.end) // DAY_S)))
        if not doubts:
            return list(days)
        joined = (_joined(some, doubts[point]) for point, some in zip(points, days, strict=True))
        return self.spans.each(list(zip(points, joined, strict=True)))

    def _plain(self, point: str, days: Days) -> Reach:
        """Return the reach of a range around which nothing lacks."""
        (begin, end), there = days, self.there(point)
        if not there:
            return Reach(begin, end, begin - CONTEXT_DAYS, end, (begin // 30, end // 30))
        first, last = _clipped(begin - RUN_DAYS, end + REACH_DAYS, days, there)
        return Reach(first, last, first - CONTEXT_DAYS, last, (first // 30, last // 30))

    def _around(self, near: Sequence[tuple[DirtyRange, Mask, Days]]) -> Iterator[tuple[Reach, DirtyRange]]:
        """Yield the reach of ranges with all gaps that they bear on, and all that is closed together with these."""
        made = [_near_gaps(days, lacking, self.sight) for _, lacking, days in near]
        whole = self.spans.each(
            [(each.usage_point, (reach.first, reach.last)) for (each, *_), reach in zip(near, made, strict=True)]
        )
        beside = self.sight.reach + END
        for (each, _, days), reach, (begin, end) in zip(near, made, whole, strict=True):
            alike = first, last = begin // STEP * STEP, -(-end // STEP) * STEP
            since, until = min(reach.since, first) - max(beside, CONTEXT_DAYS), max(reach.until, last) + beside
            there = self.there(each.usage_point)
            first, last = _clipped(first, last, days, there)
            since, until = max(since, min(there.start, first)), min(until, max(there.stop, last))
            yield Reach(first, last, since, until, alike), each


def _joined(days: Days, others: Sequence[Days]) -> Days:
    """Return days with those others that touch them."""
    first, last = days
    beside = [days, *(each for each in others if each[0] <= last and first <= each[1])]
    return min(begin for begin, _ in beside), max(end for _, end in beside)


def _near_gaps(days: Days, lacking: Mask, sight: Sight) -> Reach:
    """Return what is made anew and the gaps beside it that must be seen; `lacking`: the days from `far` before on."""
    begin, end = days
    origin = begin - sight.far
    first, last = begin - RUN_DAYS, end + REACH_DAYS
    gaps = [(start + origin, stop + origin) for start, stop in runs_of_days(lacking)]
    for start, stop in gaps:
        if start - ZONE < end + sight.near and begin - sight.near < stop + ZONE:
            first, last = min(first, start - ZONE), max(last, stop + ZONE)
    first, last = first // STEP * STEP, -(-last // STEP) * STEP
    # A gap that begins before the days made anew, or ends behind them, must be seen as a whole.
    since = min([first, *(start - ZONE for start, stop in gaps if start - ZONE < first < stop + ZONE)])
    until = max([last, *(stop + ZONE for start, stop in gaps if start - ZONE < last < stop + ZONE)])
    # Where a value lacks each day for longer than that, gaps may go on beyond what was looked at.
    since -= sight.longest if lacking[0] else 0
    until += sight.longest if lacking[-1] else 0
    return Reach(first, last, since, until, (first, last))


def _clipped(first: int, last: int, days: Days, there: range) -> tuple[int, int]:
    begin, end = days
    return min(max(first, there.start), begin), max(min(last, there.stop), end)


def _days_of(each: DirtyRange) -> Days:
    return day_number(each.from_day), day_number(each.to_day)
