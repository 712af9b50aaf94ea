"""What follows a change of meters: the epochs of later reads, and the days that are judged again."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from gridwright.domain.access import Access
from gridwright.domain.interval import DAY_S, Interval
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.rollover import TurnedOver
from gridwright.domain.usage_point import FOREVER
from gridwright.store import Store

SECOND, DAY = timedelta(seconds=1), timedelta(seconds=DAY_S)


def reads_around(store: Store, access: Access, point: str, at: datetime, kind: ReadingType) -> list[RegisterReading]:
    """Return the last read of a register before an instant, and all from the instant on."""
    moment = at - SECOND
    last = store.registers.neighbours(access, {point: (moment, moment)}, kind)[point][0]
    later = store.registers.load(access, point, Interval(at, FOREVER), kind)
    return [*([last] if last else []), *later]


def moves(
    before: Sequence[RegisterReading],
    after: Sequence[RegisterReading],
    turned_over: TurnedOver,
    fixed: Collection[RegisterReading] = (),
) -> list[tuple[RegisterReading, int]]:
    """Return which reads count in another epoch once other reads precede them: (read, its new epoch).

    A read that follows the same one as `before` keeps its distance to it; any other begins a new epoch as on arrival:
    after another meter, or where it falls and did not turn over. `fixed` stay as they are.
    """
    ordered = [sorted(reads, key=lambda read: (read.at, read.epoch)) for reads in (before, after)]
    preceding = {read: earlier for earlier, read in pairwise(ordered[0])}
    epochs = {read: read.epoch for read in ordered[1][:1]}
    for earlier, read in pairwise(ordered[1]):
        other, falls = read.end_device != earlier.end_device, read.value < earlier.value
        # Of a meter that nobody knew to hang there, nobody could tell that it turned over; behind a wrong read, which
        # has an epoch of its own, the one before it goes on.
        begun = falls and not other and read.epoch > earlier.epoch
        if read in fixed:
            epochs[read] = read.epoch
        elif preceding.get(read) == earlier and not begun:
            epochs[read] = epochs[earlier] + read.epoch - earlier.epoch
        else:
            epochs[read] = epochs[earlier] + (other or (falls and not turned_over(earlier, read, None)))
    return [(read, epoch) for read, epoch in epochs.items() if epoch != read.epoch]


def judged_again(store: Store, access: Access, point: str, at: datetime) -> Interval:
    """Return the period on which a change of meters bears: from the last read before it to the newest one after it."""
    instants = [at - DAY, at]
    for kind in store.registers.kinds(access, point):
        instants += [read.at for read in reads_around(store, access, point, at, kind)]
    return Interval(min(instants), max(instants) + DAY)


def judge_again(store: Store, access: Access, point: str, period: Interval) -> None:
    """Mark days dirty in every series: their balance is closed by other reads, or another factor, now."""
    for series in store.readings.series(access, point):
        store.dirty.touch(access, [point], series.reading_type, period)
