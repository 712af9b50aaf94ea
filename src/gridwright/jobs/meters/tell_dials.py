"""Tell how many dials an installed meter has: reads that fell are looked at again, and go on where it turned over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from gridwright.domain.access import Access, Act
from gridwright.domain.errors import InputError, NotFound
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.rollover import NARROWEST_WH, TurnedOver
from gridwright.domain.usage_point import Meter, installed_at
from gridwright.jobs.cascade.around import EVER
from gridwright.jobs.meters.derive_again import derive_again, energies_told
from gridwright.jobs.meters.follow_epochs import DAY, judge_again
from gridwright.jobs.meters.rollovers import Rollovers
from gridwright.jobs.tried_again import tried_again
from gridwright.store import Store

Series = Mapping[ReadingType, Sequence[RegisterReading]]
Fall = tuple[RegisterReading, RegisterReading]


@dataclass(frozen=True, slots=True)
class ToldDials:
    """The meter as it is registered now, and the reads after which its register goes on, each with what it began at."""

    meter: Meter
    turned_over: tuple[RegisterReading, ...]
    reset: tuple[RegisterReading, ...]  # those with which it begins anew; it had been taken for a rollover


@tried_again
def tell_dials(
    store: Store, access: Access, point: str, count: tuple[int, int], *, now: datetime, serial: str = ""
) -> ToldDials:
    """Register the dials and the Wh of a count of the meter at a usage point, or of `serial` that hung there once.

    Falls of its registers that are rollovers by them (V32) begin no epoch any more; those that were taken for one while
    nobody had told its dials, and are none, begin one. Energy that was derived follows. Again it changes nothing. A
    range of less than 10,000 kWh is an InputError: nobody would see it turn over in time.
    """
    access.require(Act.WRITE_REGISTRY, point)
    with store.transaction():
        meter = replace(_meter(store, access, point, serial, now), dials=count[0], lsb_wh=count[1])
        if meter.range_wh < NARROWEST_WH:
            raise InputError(
                f"{count[0]} dials of {count[1]} Wh turn over after {meter.range_wh / 1000:,.0f} kWh",
                remedy="a digit before the point counts 1000 Wh (--lsb-wh 1000), one behind it less",
            )
        series = _series(store, access, point)
        told = energies_told(store, access, point, series)
        went_on = set(_rollovers(series, meter.serial, Rollovers(store, access)))
        store.registry.save_meter(access, meter)
        goes_on = set(_rollovers(series, meter.serial, Rollovers(store, access)))
        over = _move(store, access, series, (went_on, goes_on), now)
        again = [after.at for _, after in (went_on | goes_on)]
        if again:
            both = told, energies_told(store, access, point, _series(store, access, point))
            derive_again(store, access, point, both, (min(again), now))
            judge_again(store, access, point, Interval(min(again) - DAY, max(again) + DAY))
    return ToldDials(meter, *over)


def _series(store: Store, access: Access, point: str) -> dict[ReadingType, list[RegisterReading]]:
    """Return all reads of each register in order."""
    return {
        kind: sorted(store.registers.load(access, point, EVER, kind), key=lambda read: (read.at, read.epoch))
        for kind in store.registers.kinds(access, point)
    }


def _meter(store: Store, access: Access, point: str, serial: str, now: datetime) -> Meter:
    history = store.registry.installations(access, point)
    here = installed_at(history, point, now)
    wanted = serial or (here.end_device if here else "")
    if wanted not in {each.end_device for each in history}:
        raise NotFound(
            f"meter {wanted} never hung at {point}" if wanted else f"no meter hangs at {point}",
            remedy="name one that hung there, or put it on record with `gridwright usage-point exchange`",
        )
    known = store.registry.meter(access, wanted)
    return known if isinstance(known, Meter) else Meter(known.serial, known.brand, known.model)


def _rollovers(series: Series, serial: str, over: TurnedOver) -> Iterator[Fall]:
    """Yield the falls of the meter's registers that are rollovers by what is known of its dials."""
    for reads in series.values():
        for before, after in pairwise(reads):
            falls = after.value < before.value and after.epoch - before.epoch in {0, 1}
            if falls and before.end_device == after.end_device in ("", serial) and over(before, after, None):
                yield before, after


def _move(
    store: Store, access: Access, series: Series, both: tuple[set[Fall], set[Fall]], now: datetime
) -> tuple[tuple[RegisterReading, ...], tuple[RegisterReading, ...]]:
    """Let reads count in the epochs that are theirs now; return those that go on, and those that begin anew."""
    went_on, goes_on = both
    joined, parted, moved = [], [], []
    for reads in series.values():
        shift = 0
        for fall in zip([None, *reads], reads, strict=False):
            before, read = fall
            anew = before is not None and read.epoch > before.epoch
            if fall in goes_on and anew:
                joined.append(read)
                shift -= 1
            elif fall in went_on and fall not in goes_on and not anew:
                parted.append(read)
                shift += 1
            moved += [(read, read.epoch + shift)] if shift else []
    if moved:
        store.exchange_reads.move(access, moved, known_at=now)
    return tuple(joined), tuple(parted)
