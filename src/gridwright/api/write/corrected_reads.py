"""A register read that is corrected corrects the energy that was derived from it, and nothing that a meter measured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from gridwright.api.write.derived import Derived, panel_of, save_over
from gridwright.domain.interval import DAY_S, Interval
from gridwright.domain.reading_type import Accumulation, ReadingType
from gridwright.domain.register import RegisterReading

if TYPE_CHECKING:
    from gridwright.domain.access import Access
    from gridwright.store import Store

REACH = timedelta(hours=2)  # twice the longest interval that is derived from two reads
Energy = Callable[[RegisterReading, RegisterReading], Iterable[Derived]]
Anew = tuple[Derived, Derived]  # what the reads told of an interval before, and what they tell now


def told_anew(
    store: Store, reader: Access, corrected: Sequence[RegisterReading], kind: ReadingType, energy: Energy
) -> list[Anew]:
    """Return the intervals of which reads that are not saved yet tell another energy than those they take the place of.

    `energy`: that of the interval between two reads, if they are its ends.
    """
    moments = [read.at for read in corrected]
    around = Interval(min(moments) - REACH, max(moments) + REACH)
    by_point: dict[str, list[RegisterReading]] = defaultdict(list)
    for read in corrected:
        by_point[read.usage_point].append(read)
    there: dict[str, dict[datetime, RegisterReading]] = defaultdict(dict)
    for read in store.registers.load_several(reader, list(by_point), around, kind):
        there[read.usage_point][read.at] = read
    found = []
    for point, reads in by_point.items():
        old, new = there[point], {read.at: read for read in reads}
        if all(at not in old or old[at].value == read.value for at, read in new.items()):
            continue
        before, after = _told(old, energy), _told({**old, **new}, energy)
        both = sorted(before.keys() & after.keys())
        found += [(before[key], after[key]) for key in both if before[key] != after[key]]
    return found


def _told(reads: Mapping[datetime, RegisterReading], energy: Energy) -> dict[tuple[int, int], Derived]:
    chain = [reads[at] for at in sorted(reads)]
    pairs = ((one, other) for one, other in pairwise(chain) if one.epoch == other.epoch)
    return {(each.start_s, each.length_s): each for one, other in pairs for each in energy(one, other)}


def correct_derived(
    store: Store, who: tuple[Access, Access], anew: Sequence[Anew], kind: ReadingType, known_at: datetime
) -> None:
    """Supersede the energy of intervals where what is stored is what the reads told before."""
    days: dict[tuple[int, int, int], list[Anew]] = defaultdict(list)
    for pair in anew:
        start_s, length_s = pair[1].start_s, pair[1].length_s
        days[length_s, start_s // DAY_S, start_s % length_s].append(pair)
    delta = replace(kind, accumulation=Accumulation.DELTA)
    for some in days.values():
        before, after = (panel_of(each, delta) for each in zip(*some, strict=True))
        save_over(store, who, after, known_at, stale=before)
