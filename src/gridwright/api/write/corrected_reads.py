"""A register read that is corrected corrects the energy that was derived from it, and nothing that a meter measured."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.errors import GridMismatch
from gridwright.domain.interval import DAY_S, Interval, from_epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import Accumulation, ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.store.archive.reading import leaving_out

if TYPE_CHECKING:
    from gridwright.domain.access import Access
    from gridwright.store import Store

REACH = timedelta(hours=2)  # twice the longest interval that is derived from two reads
Energy = Callable[[RegisterReading, RegisterReading], Iterable[tuple[int, int, float]]]


class Anew(NamedTuple):
    """An interval of which the reads told `before` and tell `after` now, in counts."""

    point: str
    start_s: int
    length_s: int
    before: float
    after: float


def told_anew(
    store: Store, reader: Access, corrected: Sequence[RegisterReading], kind: ReadingType, energy: Energy
) -> list[Anew]:
    """Return the intervals of which reads that are not saved yet tell another energy than those they take the place of.

    `energy`: start, length and energy of the interval between two reads, if they are its ends.
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
        found += [Anew(point, *key, before[key], after[key]) for key in both if before[key] != after[key]]
    return found


def _told(reads: Mapping[datetime, RegisterReading], energy: Energy) -> dict[tuple[int, int], float]:
    chain = [reads[at] for at in sorted(reads)]
    pairs = ((one, other) for one, other in pairwise(chain) if one.epoch == other.epoch)
    return {(start, length): value for one, other in pairs for start, length, value in energy(one, other)}


def correct_derived(
    store: Store, who: tuple[Access, Access], anew: Sequence[Anew], kind: ReadingType, known_at: datetime
) -> None:
    """Supersede the energy of intervals where what is stored is what the reads told before."""
    days: dict[tuple[int, int, int], list[Anew]] = defaultdict(list)
    for one in anew:
        days[one.length_s, one.start_s // DAY_S, one.start_s % one.length_s].append(one)
    for some in days.values():
        _correct(store, who, some, replace(kind, accumulation=Accumulation.DELTA), known_at)


def _correct(
    store: Store, who: tuple[Access, Access], some: Sequence[Anew], kind: ReadingType, known_at: datetime
) -> None:
    reader, writer = who
    length_s, first = some[0].length_s, min(one.start_s for one in some)
    points = tuple(dict.fromkeys(one.point for one in some))
    slots = (max(one.start_s for one in some) - first) // length_s + 1
    before, after = np.full((2, len(points), slots), np.nan)
    for one in some:
        place = points.index(one.point), (one.start_s - first) // length_s
        before[place], after[place] = one.before, one.after
    panel = Panel(points, from_epoch_s(first), timedelta(seconds=length_s), after, reading_type=kind)
    try:
        with leaving_out():  # what came in is kept, whatever became of the archive
            stored = store.readings.load(reader, points, panel.period, reading_type=kind, interval=panel.interval)
    except GridMismatch:
        return  # a profile with another interval says more than a register
    values = np.where(stored.values == before, after, np.nan)
    if np.isfinite(values).any():
        quality = np.where(np.isnan(values), np.uint8(q.MISSING), panel.quality)
        store.readings.save(writer, replace(panel, values=values, quality=quality), known_at=known_at)
