"""Energy that was derived from a register counts as its meter hung: it follows a change of meter or factor."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from operator import attrgetter
from zoneinfo import ZoneInfo

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.access import Access
from gridwright.domain.errors import GridMismatch
from gridwright.domain.hung import all_named, factor_between
from gridwright.domain.interval import DAY_S, Interval, clock_time, epoch_s, from_epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import Accumulation, ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.rollover import TurnedOver
from gridwright.domain.usage_point import Installation
from gridwright.ingest.registers import JITTER
from gridwright.jobs.meters.rollovers import Rollovers
from gridwright.store import Store

LONGEST_S, MINUTE_S = 3600, 60
Key = tuple[int, int]  # start and length of an interval, in seconds
Energies = dict[Key, float]  # of intervals, in counts
Anew = tuple[int, float, float]  # start of an interval, and what was and is told of it, in counts


@dataclass(frozen=True, slots=True)
class ReadsTell:
    """The reads of a register in order, and what hung at their usage point: what they tell of the time between them."""

    reads: Sequence[RegisterReading]
    history: Sequence[Installation]
    turned_over: TurnedOver

    def energies(self) -> Energies:
        """Return the energy of each interval whose ends are reads, in counts; NaN where they do not tell it.

        Where a final and an opening read lie within an interval, it holds what both registers counted.
        """
        moments = [list(same) for _, same in groupby(self.reads, key=attrgetter("at"))]
        counted = [self._between(one[-1], other[0]) for one, other in pairwise(moments)]
        starts = [one[0].at for one in moments]
        found: Energies = {}
        for place, energy in enumerate(counted):
            key = interval_of(starts[place], starts[place + 1])
            if key:
                found[key] = energy
            if place + 1 < len(counted) and len(moments[place + 1]) > 1:
                both = interval_of(starts[place], starts[place + 2])
                found |= {both: energy + counted[place + 1]} if both else {}
        return found

    def _between(self, before: RegisterReading, after: RegisterReading) -> float:
        factor = factor_between(self.history, before, after)
        if factor is None or (before.end_device, before.epoch) != (after.end_device, after.epoch):
            return np.nan
        counted = after.value - before.value
        counted += self.turned_over(before, after, None) if counted < 0 else 0.0
        return counted * factor if counted >= 0 else np.nan


def interval_of(first: datetime, last: datetime) -> Key | None:
    """Return start and length of the interval of a grid that two instants are the ends of; None where there is none."""
    begin, end = epoch_s(first), epoch_s(last)
    length = round((end - begin) / MINUTE_S) * MINUTE_S
    start = round(begin / MINUTE_S) * MINUTE_S
    if not 0 < length <= LONGEST_S or DAY_S % length:
        return None
    near = max(abs(begin - start), abs(end - start - length)) <= JITTER * length
    return (start, length) if near else None


@dataclass(frozen=True, slots=True)
class DerivedAgain:
    """What was derived again of one series: how many intervals, from when on, and their energy before and now."""

    reading_type: ReadingType
    intervals: int
    since: datetime
    before_kwh: float
    now_kwh: float

    def told(self, zone: ZoneInfo) -> str:
        """Say it."""
        some = "1 interval" if self.intervals == 1 else f"{self.intervals:,} intervals"
        return (
            f"{some} of {self.reading_type.flow} energy since {clock_time(self.since, zone)} were derived from the "
            f"register and are derived again: {self.now_kwh:,.3f} kWh instead of {self.before_kwh:,.3f} kWh"
        )


def energies_told(
    store: Store, access: Access, point: str, reads: Mapping[ReadingType, Sequence[RegisterReading]]
) -> dict[ReadingType, Energies]:
    """Return what the reads of each register of a usage point tell, as its meters are recorded now."""
    history, turned_over = store.registry.installations(access, point), Rollovers(store, access)
    return {
        kind: ReadsTell(all_named(history, these), history, turned_over).energies() for kind, these in reads.items()
    }


def derive_again(
    store: Store,
    access: Access,
    point: str,
    both: tuple[Mapping[ReadingType, Energies], Mapping[ReadingType, Energies]],
    now: datetime,
) -> list[DerivedAgain]:
    """Supersede energy that is what the reads of a usage point told before a change by what they tell after it.

    Other energy was measured, and stays. So does what the reads do not tell any more.
    """
    found: list[DerivedAgain] = []
    for kind, tells in both[1].items():
        was = both[0].get(kind, {})
        lengths: dict[Key, list[Anew]] = defaultdict(list)
        for (start, length), energy in tells.items():
            old = was.get((start, length), np.nan)
            if old != energy and energy.is_integer() and not np.isnan(old):
                lengths[length, start % length].append((start, old, energy))
        delta = replace(kind, accumulation=Accumulation.DELTA)
        made = [
            each
            for (length, _), anew in sorted(lengths.items())
            for each in _save(store, access, _Stale(point, delta, length, anew), now)
        ]
        found += [_summed(delta, made)] if made else []
    return found


def factor_of_stored(store: Store, access: Access, point: str, kind: ReadingType, tells: Energies) -> Energies:
    """Return `tells` times the one factor by which most of what is stored differs from it: what reads told once.

    For reads that count again: with which factor they counted when they were withdrawn is on record nowhere else.
    """
    delta, found = replace(kind, accumulation=Accumulation.DELTA), []
    for (start, length), energy in tells.items():
        if energy > 0:
            found.append((start, length, energy))
    ratios = [
        round(stored / energy, 9)
        for length in {length for _, length, _ in found}
        for stored, energy in _beside(
            store, access, (point, delta, length), [each for each in found if each[1] == length]
        )
    ]
    if not ratios:
        return {}
    factor, times = Counter(ratios).most_common(1)[0]
    return {key: energy * factor for key, energy in tells.items()} if 2 * times > len(ratios) else {}


def _beside(
    store: Store, access: Access, series: tuple[str, ReadingType, int], told: Sequence[tuple[int, int, float]]
) -> Iterator[tuple[float, float]]:
    """Yield what is stored of each interval with what is told of it."""
    point, kind, length = series
    starts = np.array([start for start, _, _ in told], np.int64)
    period = Interval(from_epoch_s(int(starts.min())), from_epoch_s(int(starts.max()) + length))
    try:
        stored = store.readings.load(access, point, period, reading_type=kind, interval=timedelta(seconds=length))
    except GridMismatch:
        return
    slots = (starts - epoch_s(stored.start)) // length
    for slot, (_, _, energy) in zip(slots.tolist(), told, strict=True):
        if 0 <= slot < stored.slots and not stored.missing[0, slot]:
            yield float(stored.values[0, slot]), energy


@dataclass(frozen=True, slots=True)
class _Stale:
    """Intervals of one length and phase of a series, with what the reads told of them and tell now."""

    point: str
    kind: ReadingType
    length_s: int
    anew: Sequence[Anew]

    def days(self) -> Iterator[_Stale]:
        """Yield the same of each UTC day."""
        for _, some in groupby(sorted(self.anew), key=lambda each: each[0] // DAY_S):
            yield replace(self, anew=list(some))

    def panels(self) -> tuple[Panel, Panel]:
        """Return what was told and what is, NaN elsewhere."""
        starts = np.array([start for start, _, _ in self.anew], np.int64)
        first = int(starts.min())
        values = np.full((2, (int(starts.max()) - first) // self.length_s + 1), np.nan)
        values[:, (starts - first) // self.length_s] = np.array([each[1:] for each in self.anew]).T
        since, interval = from_epoch_s(first), timedelta(seconds=self.length_s)
        old, new = (Panel((self.point,), since, interval, each[np.newaxis], reading_type=self.kind) for each in values)
        return old, new


def _save(store: Store, access: Access, stale: _Stale, now: datetime) -> list[tuple[Panel, Panel]]:
    """Save what is told now where what is stored is what was told; returns both, NaN where something else is stored."""
    old, new = stale.panels()
    try:
        stored = store.readings.load(
            access, stale.point, old.period, reading_type=stale.kind, interval=timedelta(seconds=stale.length_s)
        )
        same = (stored.values == old.values) & ~old.missing
        if not same.any():
            return []
        values = np.where(same, new.values, np.nan)
        quality = np.where(same, stored.quality, np.uint8(q.MISSING))
        saved = replace(new, values=values, quality=quality)
        store.readings.save(access, saved, known_at=now)
    except GridMismatch:
        days = list(stale.days())
        return [each for day in days for each in _save(store, access, day, now)] if len(days) > 1 else []
    return [(old.with_values(np.where(same, old.values, np.nan)), saved)]


def _summed(kind: ReadingType, made: Sequence[tuple[Panel, Panel]]) -> DerivedAgain:
    since = min(new.start + int(np.flatnonzero(~new.missing[0])[0]) * new.interval for _, new in made)
    count = sum(int((~new.missing).sum()) for _, new in made)
    before, now = (sum(float(np.nansum(each.kwh)) for each in several) for several in zip(*made, strict=True))
    return DerivedAgain(kind, count, since, before, now)


def told_of(several: Iterable[DerivedAgain], zone: ZoneInfo) -> tuple[str, ...]:
    """Say what was derived again, a sentence for each series."""
    return tuple(each.told(zone) for each in several)
