"""Posts of one reading each, to the store without columns: what is plain in them is written one by one, and quickly.

What is not plain is handed back, and takes the way of all other batches; both ways leave the same behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from gridwright.api.write.registers import interval_of, put_derived
from gridwright.api.write.waiting import put_singles
from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.minute_marks import ends, ends_nothing
from gridwright.domain.register import is_possible
from gridwright.ingest.order import between_reads
from gridwright.jobs.meters.day_again import days_again
from gridwright.jobs.meters.even_reads import goes_on_evenly
from gridwright.jobs.meters.fill_energy import Derived, fill_energy
from gridwright.jobs.meters.limits import Limits
from gridwright.jobs.meters.reads_beyond import reaches_past
from gridwright.jobs.meters.reads_tell import ends_usual
from gridwright.store import Near, Newest, Single

if TYPE_CHECKING:
    from datetime import datetime

    from gridwright.api.ingest.few import Few
    from gridwright.api.write.batch import Batch
    from gridwright.domain.reading_type import ReadingType
    from gridwright.store import Store

Pile = list["Batch"]
SECOND_KW = 3.6  # kW of one watt-hour in a second
FAR_BELOW = 0.9


def write_singles(store: Store, batches: Sequence[Batch], now: datetime) -> list[Batch]:
    """Write what is plain, and return the batches that are not written yet, in their order."""
    piles, left = _sorted(batches)
    wait = all(batch.journal and not batch.resolved.intervals and not batch.resolved.registers for batch in batches)
    wait = wait and not any(batch.guesses for batch in batches)
    for pile in piles:
        register = pile[0].resolved.few[0].meaning.is_register
        places = (_append if register else _lay)(store, pile, now, wait=wait)
        left.update(id(pile[place]) for place in places)
    return [batch for batch in batches if id(batch) in left]


def _sorted(batches: Sequence[Batch]) -> tuple[list[Pile], set[int]]:
    """Put batches of one reading beside those of the same sender and meaning; of a usage point the first alone."""
    piles: dict[tuple[int, int], Pile] = {}
    left: set[int] = set()
    seen: set[str] = set()
    for batch in batches:
        resolved = batch.resolved
        few = resolved.few
        if len(few) != 1 or batch.once or resolved.intervals or resolved.registers or few[0].name in seen:
            left.add(id(batch))
        else:
            # Meanings and accesses are remembered objects: those of one kind are one object, nearly always.
            piles.setdefault((id(batch.access), id(few[0].meaning)), []).append(batch)
        seen.update([one.name for one in few])
        for part in (*resolved.intervals, *resolved.registers):
            seen.update(part.points)
    return list(piles.values()), left


def _lay(store: Store, pile: Pile, now: datetime, *, wait: bool) -> list[int]:
    access, meaning = pile[0].access, pile[0].resolved.few[0].meaning
    singles = [Single(one.name, one.at_s, one.counts, one.meaning.quality) for one in _each(pile)]
    if wait and put_singles(store, access, (meaning.reading_type, meaning.interval_s), singles, now, fill=False):
        return []
    return store.readings.save_singles(access, meaning.reading_type, meaning.interval_s, singles, known_at=now)


def _append(store: Store, pile: Pile, now: datetime, *, wait: bool) -> list[int]:
    access, kind = pile[0].access, pile[0].resolved.few[0].meaning.reading_type
    newest = [
        Newest(one.name, one.at_s, one.counts, one.meter, one.meaning.quality, one.presumed) for one in _each(pile)
    ]
    directory, derived = pile[-1].directory, dict[int, Derived]()
    registry = directory.multiplier, Limits(store, LOCAL_OWNER, directory.limits)

    def put_off(new: Mapping[int, Near | None]) -> set[int]:
        derived.update(_between(new, newest, kind, registry))
        return put_derived(store, access, derived, kind, now)

    waiting = put_off if wait else None
    appended = store.registers.append(access, kind, newest, known_at=now, put_off=waiting, closer=_closer)
    if not wait:
        derived.update(_between(appended.new, newest, kind, registry))
    who = LOCAL_OWNER, access
    days_again(store, who, fill_energy(store, who, list(derived.values()), kind, now), kind, now)
    return appended.left


@lru_cache(maxsize=1 << 12)  # most meters of a fleet are read at the same instants
def _closer(before: tuple[int, ...], read_s: int) -> bool:
    """Tell whether more than the interval between a read and the one before may be told with it, or another grid."""
    if ends_nothing(before[-1], read_s):
        return False
    at = [end.at_s for end in ends(before)]
    if at[-1] != before[-1] or reaches_past(at[-1], read_s):
        return True
    return ends_usual(read_s) and not goes_on_evenly(at, read_s)


def _between(
    new: Mapping[int, Near | None],
    newest: Sequence[Newest],
    kind: ReadingType,
    registry: tuple[Callable[[str, str, int], float], Limits],
) -> Iterator[tuple[int, Derived]]:
    """Yield the energy between two reads, by the place of the later one, as `registers.between` does."""
    multiplier, limits = registry
    told: dict[int, tuple[Derived, int]] = {}
    for place, before in new.items():
        read = newest[place]
        found = None if before is None else interval_of(before.at_s, read.at_s)
        if before is not None and found is not None:
            energy = (read.counts - before.value) * multiplier(read.point, read.end_device, before.at_s)
            if energy.is_integer():
                quality = between_reads(before.quality & 0xFF, read.quality)
                told[place] = Derived(read.point, *found, energy, quality), read.at_s - before.at_s
    limits.learn([one.point for one, _ in told.values()])
    known, kw = limits.known, kind.resolution * SECOND_KW
    for place, (one, lasted_s) in told.items():
        # Nearly all are far below the limit: only the others are worth the exact question.
        far = one.energy * kw < FAR_BELOW * known[one.point] * lasted_s
        if far or is_possible(one.energy, kind, timedelta(seconds=lasted_s), known[one.point]):
            yield place, one


def _each(pile: Pile) -> list[Few]:
    return [batch.resolved.few[0] for batch in pile]
