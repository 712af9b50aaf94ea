"""A fall of a register is a rollover or a reset by all that is stored around it, whichever of the reads came last."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from gridwright.domain.access import Access
from gridwright.domain.interval import Interval
from gridwright.domain.misread import misreads
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import FOREVER
from gridwright.jobs.meters.falls import fallen
from gridwright.jobs.meters.follow_reads import follow_reads
from gridwright.jobs.meters.place_reads import AHEAD, BEHIND, Neighbours, Placed
from gridwright.jobs.meters.reads_beyond import REACH
from gridwright.jobs.meters.reads_tell import Rules
from gridwright.jobs.meters.rollovers import MONTH, Rollovers
from gridwright.jobs.store_port import StorePort

SECOND = timedelta(seconds=1)
SHORT = timedelta(hours=6)  # reads of so long are loaded at once: a display that falls often has many falls in them
Fall = tuple[RegisterReading, RegisterReading]
RulesOf = Callable[[Collection[str]], Rules]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Stored reads of one register in order, some of them new; `more`: whether others may be stored behind them."""

    reads: Sequence[RegisterReading]
    more: bool

    @property
    def goes_on(self) -> bool:
        """Tell whether none of them falls or begins an epoch."""
        return all(_goes_on(*pair) for pair in pairwise(self.reads))


def stretch_of(one: Placed) -> Stretch:
    """Return the reads around those that were placed."""
    return Stretch(one.after, more=one.after[-1] not in one.saved)


def settle_falls(
    store: StorePort,
    who: tuple[Access, Access],
    stretches: Mapping[str, Stretch],
    rollovers: Rollovers,
    what: tuple[ReadingType, datetime],
    *,
    rules: RulesOf | None = None,
) -> None:
    """Judge the falls on which new reads bear, by how fast their register counted in the month before.

    One that is not what it was taken for has its reads moved to their epochs, and what they tell is saved by the rules
    of their usage points; without these whoever calls sees to that. `who`: who reads what is stored, and who writes.
    `what`: the type of the reads, and when it becomes known.
    """
    job = _Settling(store, who, rollovers, what, rules)
    ends = job.ends({point: one.reads[-1].at for point, one in stretches.items() if one.more})
    for point, one in stretches.items():
        end = ends.get(point, one.reads[-1])
        if not (one.goes_on and _goes_on(one.reads[-1], end)):
            job.settle(point, one.reads, end.at)


def _goes_on(one: RegisterReading, other: RegisterReading) -> bool:
    return (one.end_device, one.epoch) == (other.end_device, other.epoch) and one.value <= other.value


@dataclass(frozen=True, slots=True)
class _Settling:
    """Settles the falls of registers of one type, of one usage point after the other."""

    store: StorePort
    who: tuple[Access, Access]
    rollovers: Rollovers
    what: tuple[ReadingType, datetime]
    rules: RulesOf | None

    def ends(self, lasts: Mapping[str, datetime]) -> dict[str, RegisterReading]:
        """Return of each usage point the last read whose fall hangs on reads up to an instant."""
        if not lasts:
            return {}
        moments = {point: (at + MONTH, at + MONTH) for point, at in lasts.items()}
        found = self.store.registers.neighbours(self.who[0], moments, self.what[0])
        ends = {point: end for point, (last, after) in found.items() if (end := after or last)}
        self.rollovers.learn(point for point, end in ends.items() if not end.end_device)
        return {point: self.rollovers.named(end) for point, end in ends.items()}

    def settle(self, point: str, reads: Sequence[RegisterReading], until: datetime) -> None:
        """Settle the falls of reads, and those stored behind them; each that moves bears on those of another month.

        Earlier ones come first: how fast a register counts is asked within its epoch.
        """
        at = reads[-1].at
        for fall in pairwise(self._sound(reads)):
            until = self._settled(point, fall, until)
        while at < until:
            at, falls = until, self._stored(point, at, until)
            for fall in falls:
                until = self._settled(point, fall, until)

    def _sound(self, reads: Sequence[RegisterReading]) -> list[RegisterReading]:
        """Return reads without those that are wrong."""
        wrong = set(misreads(reads, self.rollovers.counts_on))
        return [read for place, read in enumerate(reads) if place not in wrong]

    def _settled(self, point: str, fall: Fall, until: datetime) -> datetime:
        """Settle one fall; returns until when others hang on it."""
        before, after = fall
        if before.end_device != after.end_device or before.value <= after.value or before.at == after.at:
            return until
        begins_anew = not self.rollovers(before, after)
        if after.epoch - before.epoch != (not begins_anew):  # as it was taken, or no neighbours in their epochs
            return until
        self._move(point, fall, 1 if begins_anew else -1)
        end = self.ends({point: after.at}).get(point)
        return until if end is None else max(until, end.at)

    def _near(self, point: str, moment: datetime) -> Neighbours:
        """Return the last stored read up to a moment, and the first one after it."""
        found = self.store.registers.neighbours(self.who[0], {point: (moment, moment)}, self.what[0])
        before, after = found[point]
        return before and self.rollovers.named(before), after and self.rollovers.named(after)

    def _stored(self, point: str, since: datetime, until: datetime) -> Iterator[Fall]:
        """Yield the falls that are stored between two reads, loading no more than some hours around each."""
        (one, _), (other, _) = self._near(point, since), self._near(point, until)
        if one is None or other is None or one.at >= other.at or _goes_on(one, other):
            return
        if other.at - one.at <= SHORT:
            yield from self._beside(point, one, other)
            return
        before, after = self._near(point, one.at + (other.at - one.at) // 2 // SECOND * SECOND)
        if before is None or after is None:
            return
        yield from self._stored(point, one.at, before.at)
        if not _goes_on(before, after):
            yield from self._beside(point, before, after)
        yield from self._stored(point, after.at, other.at)

    def _beside(self, point: str, before: RegisterReading, after: RegisterReading) -> Iterator[Fall]:
        """Yield the falls behind a read up to another one, each from the last read before it that is not wrong."""
        chain = self._chain(point, before.at, after.at)
        yield from (fall for fall in pairwise(self._sound(chain)) if before.at < fall[1].at <= after.at)

    def _chain(self, point: str, since: datetime, until: datetime) -> list[RegisterReading]:
        """Return the reads of a time with some before and behind it, in order."""
        spans = {point: (since, until)}
        reads, _ = self.store.registers.load_around(self.who[0], spans, self.what[0], (BEHIND, AHEAD))[point]
        return sorted(map(self.rollovers.named, reads), key=lambda read: (read.at, read.epoch))

    def _move(self, point: str, fall: Fall, shift: int) -> None:
        """Let what was read from the end of a fall on count in other epochs, and save what the reads tell now."""
        (before, after), (reader, writer), (kind, known_at) = fall, self.who, self.what
        chain = self._chain(point, before.at - REACH, after.at + REACH)
        later = self.store.registers.load_each(reader, {point: Interval(after.at, FOREVER)}, kind)[point]
        moves = [(read, read.epoch + shift) for read in later]
        self.store.exchange_reads.move(writer, moves, known_at=known_at)
        moved = [read if read.at < after.at else replace(read, epoch=read.epoch + shift) for read in chain]
        if shift < 0:
            self.store.findings.dealt_with(writer, [fallen(before, after)], known_at=known_at)
        else:
            now = next(read for read in moved if read.at == after.at and read.end_device == after.end_device)
            self.store.findings.save(writer, [fallen(before, now)], known_at=known_at)
        if self.rules is not None:
            wrong, still = (
                frozenset(some[place] for place in misreads(chain, self.rollovers.counts_on)) for some in (chain, moved)
            )
            placed = Placed([], moves, chain, moved, wrong, still)
            follow_reads(self.store, self.who, {point: placed}, self.rules([point]), self.what)
