"""Tell how many dials an installed meter has: reads that fell are looked at again, and go on where it turned over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

from gridwright.domain.access import Access, Act
from gridwright.domain.errors import InputError, NotFound
from gridwright.domain.interval import Interval
from gridwright.domain.register import RegisterReading
from gridwright.domain.rollover import NARROWEST_WH, TurnedOver
from gridwright.domain.usage_point import Meter, installed_at
from gridwright.jobs.cascade.around import EVER
from gridwright.jobs.meters.follow_epochs import DAY, judge_again
from gridwright.jobs.meters.rollovers import Rollovers
from gridwright.store import Store


@dataclass(frozen=True, slots=True)
class ToldDials:
    """The meter as it is registered now, and the reads after which its register goes on, each with what it began at."""

    meter: Meter
    turned_over: tuple[RegisterReading, ...]


def tell_dials(
    store: Store, access: Access, point: str, count: tuple[int, int], *, now: datetime, serial: str = ""
) -> ToldDials:
    """Register the dials and the Wh of a count of the meter at a usage point, or of `serial` that hung there once.

    Falls of its registers that are rollovers by them (V32) begin no epoch any more. Again it changes nothing. A range
    of less than 10,000 kWh is an InputError: nobody would see it turn over in time.
    """
    access.require(Act.WRITE_REGISTRY, point)
    with store.transaction():
        meter = replace(_meter(store, access, point, serial, now), dials=count[0], lsb_wh=count[1])
        if meter.range_wh < NARROWEST_WH:
            raise InputError(
                f"{count[0]} dials of {count[1]} Wh turn over after {meter.range_wh / 1000:g} kWh",
                remedy="a digit before the point counts 1000 Wh (--lsb-wh 1000), one behind it less",
            )
        store.registry.save_meter(access, meter)
        turned_over, over = Rollovers(store, access), []
        for kind in store.registers.kinds(access, point):
            reads = sorted(store.registers.load(access, point, EVER, kind), key=lambda read: (read.at, read.epoch))
            falls = list(_turned_over(reads, meter.serial, turned_over))
            if falls:
                store.exchange_reads.move(access, _joined(reads, falls), known_at=now)
            over += falls
        if over:
            first = min(read.at for read in over)
            judge_again(store, access, point, Interval(first - DAY, max(read.at for read in over) + DAY))
    return ToldDials(meter, tuple(over))


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


def _turned_over(reads: Sequence[RegisterReading], serial: str, over: TurnedOver) -> Iterator[RegisterReading]:
    """Yield the reads with which a register of the meter began anew although it turned over."""
    for before, after in pairwise(reads):
        anew = after.value < before.value and after.epoch == before.epoch + 1
        if anew and before.end_device == after.end_device in ("", serial) and over(before, after, None):
            yield after


def _joined(reads: Sequence[RegisterReading], falls: Sequence[RegisterReading]) -> list[tuple[RegisterReading, int]]:
    """Return the epoch of each read from the first fall on: one lower for every fall that is none."""
    back, moved = 0, []
    for read in reads:
        back += read in falls
        if back:
            moved.append((read, read.epoch - back))
    return moved
