"""Energy that was derived from a register counts as its meter hung: it follows a change of meter or factor."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

from gridwright.domain.access import Access
from gridwright.domain.hung import all_named, factor_between
from gridwright.domain.interval import DAY_S, Interval, clock_time, epoch_s, from_epoch_s
from gridwright.domain.minute_marks import DENSE_S
from gridwright.domain.misread import misreads
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import FOREVER
from gridwright.ingest.registers import JITTER
from gridwright.jobs.meters.day_again import days_again
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
    """What was derived again of one series: how many intervals, from when on, and their energy before and now.

    Of what no read tells any more nothing is known now.
    """

    reading_type: ReadingType
    intervals: int
    since: datetime
    before_kwh: float
    now_kwh: float | None

    def told(self, zone: ZoneInfo) -> str:
        """Say it."""
        some = "1 interval" if self.intervals == 1 else f"{self.intervals:,} intervals"
        some = f"{some} of {self.reading_type.flow} energy since {clock_time(self.since, zone)}"
        if not self.before_kwh and self.now_kwh is not None:
            return f"{some} {'is' if self.intervals == 1 else 'are'} derived from the register: {self.now_kwh:,.3f} kWh"
        told = f"{some} were derived from the"
        if self.now_kwh is None:
            return f"{told} register, which tells them no more: {self.before_kwh:,.3f} kWh are taken back"
        return f"{told} register and are derived again: {self.now_kwh:,.3f} kWh instead of {self.before_kwh:,.3f} kWh"


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
    *,
    back: Collection[ReadingType] = (),
) -> list[DerivedAgain]:
    """Supersede energy that is what the reads of a usage point told before a change by what they tell after it.

    Other energy was measured, and stays. Where nothing is stored, what they tell now is filled in; what nothing tells
    any more is taken back, as of reads that are withdrawn, or of a meter that hung there no more. `when`: the instant
    of the change, on whose interval and later ones it bears, and now. `back`: of which registers reads that were
    withdrawn count again. Days of which other intervals are told than before are derived on the grid that is theirs.
    """
    since, now = epoch_s(when[0]), when[1]
    found: list[DerivedAgain] = []
    for kind in {**both[0], **both[1]}:
        before, after = both[0].get(kind, ()), both[1].get(kind, ({},))
        delta = kind.delta()
        changes = [
            change
            for change in changes_of(point, before, after[0], fill=True, again=kind in back)
            if _reaches(change.key, since)
        ]
        made = supersede(store, (access, access), changes, kind, now)
        found += _summed(delta, made)
        saved = {one.start_s for one in made if one.now is not None}  # others may be of a day on another grid
        other = {
            (point, change.key[0] // DAY_S) for change in changes if not change.stale or change.key[0] not in saved
        }
        days_again(store, (access, access), other, kind, now)
    return found


def _reaches(key: Key, since: int) -> bool:
    """Tell whether an interval ends with what happened at an instant, or later: at the full minute before, perhaps."""
    start, length = key
    return start + length * (1 + JITTER) >= since - DENSE_S


def _summed(kind: ReadingType, made: Sequence[Superseded]) -> Iterator[DerivedAgain]:
    """Yield what was derived again, and what was taken back."""
    for gone in (False, True):
        some = [one for one in made if (one.now is None) == gone]
        if some:
            since = from_epoch_s(min(one.start_s for one in some))
            before, now = (
                _kwh(kind, each) for each in ([one.before for one in some], [one.now or 0.0 for one in some])
            )
            yield DerivedAgain(kind, len(some), since, before, None if gone else now)


def _kwh(kind: ReadingType, counts: Iterable[float]) -> float:
    return sum(counts) * kind.resolution / 1000


def joined(several: Iterable[DerivedAgain]) -> list[DerivedAgain]:
    """Return what was derived again in portions, one of each series; what is taken back stays by itself."""
    found: dict[tuple[ReadingType, bool], DerivedAgain] = {}
    for one in several:
        key = one.reading_type, one.now_kwh is None
        found[key] = one if key not in found else _sum_of(found[key], one)
    return list(found.values())


def _sum_of(one: DerivedAgain, other: DerivedAgain) -> DerivedAgain:
    now_kwh = None if one.now_kwh is None or other.now_kwh is None else one.now_kwh + other.now_kwh
    intervals, since = one.intervals + other.intervals, min(one.since, other.since)
    return DerivedAgain(one.reading_type, intervals, since, one.before_kwh + other.before_kwh, now_kwh)


def told_of(several: Iterable[DerivedAgain], zone: ZoneInfo) -> tuple[str, ...]:
    """Say what was derived again, a sentence for each series."""
    return tuple(each.told(zone) for each in several)
