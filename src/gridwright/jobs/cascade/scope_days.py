"""Which days a change reaches, and how much of the time around them must be known to make them anew.

An estimate rests on so many days before and behind its gap (the ladder's `reach_days`). So a change makes every gap
anew that lies so near, as a whole, and for that as many days again around it are loaded: more would change nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gridwright.domain.access import Access
from gridwright.domain.calendar import day_number
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
from gridwright.store import DirtyRange, Store

# The rules compare a day with like days before it: six weeks of them.
CONTEXT_DAYS = 42
# Runs of zeros or of one value cross midnights: so many days before a change are judged again in any case.
RUN_DAYS = 14
# What lies beside a gap is compared with like days of its own, and civil days are whole.
END = 1 + 2 * ZONE
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


def reaches(
    store: Store, access: Access, ranges: Sequence[DirtyRange], extents: Extents, sight: Sight, *, sure: bool
) -> Iterator[tuple[Reach, DirtyRange]]:
    """Yield what each range reaches.

    `sure`: values may lack on the days that changed; else only on those around them, of which totals tell. Where none
    lacks there, the days that changed are made anew with what rules look at alone.
    """
    lacking = lacking_days(store, access, ranges, extents, sight, sure=sure)
    for each in ranges:
        mine = extents.get(each.usage_point, [])
        begin, end = day_number(each.from_day), day_number(each.to_day)
        if not mine:
            yield Reach(begin, end, begin - CONTEXT_DAYS, end, (begin // 30, end // 30)), each
            continue
        there = range(min(one.first_day for one in mine), max(one.last_day for one in mine))
        days = lacking.get(each.key)
        if days is not None:
            yield _around(begin, end, there, days, sight), each
        else:
            yield _plain(begin, end, there)._replace(sure=sure), each


def _plain(begin: int, end: int, there: range) -> Reach:
    """Return the reach of a range around which nothing lacks."""
    first, last = _clipped(begin - RUN_DAYS, end + REACH_DAYS, begin, end, there)
    return Reach(first, last, first - CONTEXT_DAYS, last, (first // 30, last // 30))


def _around(begin: int, end: int, there: range, lacking: Mask, sight: Sight) -> Reach:
    """Return the reach of a range with all gaps that it bears on; `lacking`: the days from `far` before it on."""
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
    alike = (first, last)
    first, last = _clipped(first, last, begin, end, there)
    since, until = since - max(sight.reach + END, CONTEXT_DAYS), until + sight.reach + END
    return Reach(first, last, max(since, min(there.start, first)), min(until, max(there.stop, last)), alike)


def _clipped(first: int, last: int, begin: int, end: int, there: range) -> tuple[int, int]:
    return min(max(first, there.start), begin), max(min(last, there.stop), end)
