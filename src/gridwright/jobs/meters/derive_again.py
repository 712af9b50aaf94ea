"""Energy that was derived from a register counts as its meter hung: it follows a change of meter or factor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.errors import GridMismatch
from gridwright.domain.hung import all_named, factor_between
from gridwright.domain.interval import Interval, clock_time, epoch_s, from_epoch_s
from gridwright.domain.misread import misreads
from gridwright.domain.reading_type import Accumulation, ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import FOREVER
from gridwright.ingest.registers import JITTER
from gridwright.jobs.meters.follow_epochs import reads_around
from gridwright.jobs.meters.limits import Limits
from gridwright.jobs.meters.reads_tell import Key, Rules, Tells, tells
from gridwright.jobs.meters.rollovers import Rollovers
from gridwright.jobs.meters.supersede_told import Superseded, changes_of, supersede
from gridwright.store import Store

BEFORE = timedelta(hours=2)  # an interval that a change lies in begins within it, and what tells a wrong read does
Reads = Mapping[ReadingType, Sequence[RegisterReading]]
Several = Sequence[Tells]


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


def reads_to_tell(store: Store, access: Access, point: str, at: datetime) -> Reads:
    """Return the reads of each register on which a change at an instant bears, and those by which these are judged."""
    found = {}
    for kind in store.registers.kinds(access, point):
        around = reads_around(store, access, point, at, kind)
        since = min([at - BEFORE, *(read.at - BEFORE for read in around[:1])])
        found[kind] = list(store.registers.load(access, point, Interval(since, FOREVER), kind))
    return found


def energies_told(store: Store, access: Access, point: str, reads: Reads) -> dict[ReadingType, Several]:
    """Return what the reads of each register of a usage point tell, as its meters and its capacity are recorded now.

    First what holds; then what may have been derived of the same reads before one was known for wrong, or the capacity
    was another.
    """
    history, rollovers = store.registry.installations(access, point), Rollovers(store, access)
    rules = Rules(partial(factor_between, history), rollovers, Limits(store, access))
    found: dict[ReadingType, Several] = {}
    for kind, these in reads.items():
        chain = sorted(all_named(history, these), key=lambda read: (read.at, read.epoch))
        wrong = frozenset(chain[place] for place in misreads(chain, rollovers.counts_on))
        unlimited = [tells(chain, some, rules.unlimited()) for some in ((wrong, ()) if wrong else ((),))]
        found[kind] = [tells(chain, wrong, rules), *unlimited]
    return found


def derive_again(
    store: Store,
    access: Access,
    point: str,
    both: tuple[Mapping[ReadingType, Several], Mapping[ReadingType, Several]],
    when: tuple[datetime, datetime],
) -> list[DerivedAgain]:
    """Supersede energy that is what the reads of a usage point told before a change by what they tell after it.

    Other energy was measured, and stays. So does what was told by reads that were withdrawn, while what the connection
    cannot carry is taken back. Where nothing is stored, what they tell now is filled in. `when`: the instant of the
    change, on whose interval and later ones it bears, and now.
    """
    since, now = epoch_s(when[0]), when[1]
    found: list[DerivedAgain] = []
    for kind, told in both[1].items():
        changes = [
            change
            for change in changes_of(point, both[0].get(kind, ()), told[0], fill=True)
            if _reaches(change.key, since) and (change.now or change.key in told[1])
        ]
        made = supersede(store, (access, access), changes, kind, now)
        found += [_summed(replace(kind, accumulation=Accumulation.DELTA), made)] if made else []
    return found


def _reaches(key: Key, since: int) -> bool:
    """Tell whether an interval ends with what happened at an instant, or later."""
    start, length = key
    return start + length * (1 + JITTER) >= since


def factor_of_stored(store: Store, access: Access, point: str, kind: ReadingType, told: Tells) -> Tells:
    """Return `told` times the one factor by which most of what is stored differs from it: what reads told once.

    For reads that count again: with which factor they counted when they were withdrawn is on record nowhere else.
    """
    delta, found = replace(kind, accumulation=Accumulation.DELTA), []
    for (start, length), one in told.items():
        if one.energy > 0:
            found.append((start, length, one.energy))
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
    most = 2 * times > len(ratios)
    return {key: replace(one, energy=one.energy * factor) for key, one in told.items()} if most else {}


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


def _summed(kind: ReadingType, made: Sequence[Superseded]) -> DerivedAgain:
    since = from_epoch_s(min(one.start_s for one in made))
    before, now = (
        sum(each) * kind.resolution / 1000 for each in zip(*((one.before, one.now) for one in made), strict=True)
    )
    return DerivedAgain(kind, len(made), since, before, now)


def told_of(several: Iterable[DerivedAgain], zone: ZoneInfo) -> tuple[str, ...]:
    """Say what was derived again, a sentence for each series."""
    return tuple(each.told(zone) for each in several)
