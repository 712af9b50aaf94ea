"""The epochs of register reads that arrive: what a device gave, and what waited until its meter was claimed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from operator import attrgetter

from gridwright.domain.access import Access
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.rollover import DAY, TurnedOver
from gridwright.jobs.meters.place_reads import Neighbours
from gridwright.jobs.meters.rollovers import Rollovers
from gridwright.jobs.store_port import StorePort


def in_epochs(store: StorePort, access: Access, reads: Iterable[RegisterReading]) -> list[RegisterReading]:
    """Return the reads in time, each in the epoch of the one before it, or the next one where it begins anew.

    Anew begins another meter, and a register that fell and did not turn over. One that is stored keeps its epoch.
    """
    turned_over = Rollovers(store, access)
    series: dict[tuple[str, ReadingType], _Series] = {}
    placed = []
    for read in sorted(reads, key=attrgetter("at")):
        point, kind = read.usage_point, read.reading_type
        of = series.setdefault((point, kind), _Series(turned_over))
        if not of.lies_within(read):
            of.around = store.registers.neighbours(access, {point: (read.at, read.at)}, kind, taken=True)[point]
        placed.append(of.put(read))
    return placed


@dataclass(slots=True)
class _Series:
    """What arrived of one register until now: the newest read, and the first one since it counts without a fall.

    `around`: the stored reads before and after the newest one, None before anybody asked.
    """

    turned_over: TurnedOver
    newest: RegisterReading | None = None
    first: RegisterReading | None = None
    around: Neighbours | None = None

    def lies_within(self, read: RegisterReading) -> bool:
        """Tell whether no stored read lies between the read before and this one: those around are the same."""
        if self.around is None:
            return False
        after = self.around[1]
        return after is None or read.at < after.at

    def put(self, read: RegisterReading) -> RegisterReading:
        """Return a read in its epoch, between those that are stored and after those that arrived with it."""
        before, after = self.around or (None, None)
        newest = self.newest
        # At the instant of an exchange the last read of the other meter is stored, too.
        same = newest is not None and newest.end_device == read.end_device
        if newest is not None and (before is None or before.at < newest.at or (same and before.at == newest.at)):
            before = newest
        epoch = read.epoch
        if before is not None:
            epoch = before.epoch + self._begins_anew(before, read)
        elif after is not None:
            epoch = after.epoch - self._begins_anew(read, after)
        placed = replace(read, epoch=epoch)
        if placed.is_estimate:  # it tells nothing of the reads that follow
            return placed
        if before is None or self.first is None or not _counts_on(before, placed):
            self.first = placed
        self.newest = placed
        return placed

    def _begins_anew(self, before: RegisterReading, after: RegisterReading) -> bool:
        if before.end_device != after.end_device:
            return True
        # A value of the same instant that was corrected is no fall.
        return (
            before.at < after.at and after.value < before.value and not self.turned_over(before, after, self._a_day())
        )

    def _a_day(self) -> float | None:
        """Return what it counted a day over reads that are not stored yet; None where they are too near."""
        first, newest = self.first, self.newest
        if first is None or newest is None or newest.at - first.at < DAY:
            return None
        return (newest.value - first.value) / ((newest.at - first.at) / DAY)


def _counts_on(before: RegisterReading, after: RegisterReading) -> bool:
    return before.end_device == after.end_device and before.value <= after.value
