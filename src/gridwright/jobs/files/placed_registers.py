"""The register reads of a chunk among those that are stored: where they do not plainly go on, each takes its place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import pairwise

from gridwright.domain.access import Access
from gridwright.domain.interval import Interval, epoch_s
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.ingest import RegisterReads
from gridwright.jobs.files.uneven_reads import Edge, uneven_days, uneven_edges
from gridwright.jobs.meters.day_again import days_again, rules_of
from gridwright.jobs.meters.falls import tell_falls
from gridwright.jobs.meters.fill_energy import Day
from gridwright.jobs.meters.follow_reads import follow_reads
from gridwright.jobs.meters.place_reads import Neighbours, place_reads, save_placed
from gridwright.jobs.meters.reads_beyond import REACH, with_reads_beyond
from gridwright.jobs.meters.rollovers import Rollovers
from gridwright.jobs.meters.settle_falls import Stretch, settle_falls, stretch_of
from gridwright.jobs.store_port import StorePort
from gridwright.store import NOTHING_SAVED, SaveSummary

ALONE: Neighbours = (None, None)
Reads = Mapping[str, Sequence[RegisterReading]]


def save_registers(
    store: StorePort,
    access: Access,
    several: Sequence[RegisterReads],
    points: Collection[str],
    known_at: datetime,
    *,
    odd: Mapping[ReadingType, Collection[Day]],
) -> SaveSummary:
    """Save register reads in epochs of their own chunk; `points`: the usage points of which others may be stored.

    `odd`: days that are stored on another grid than their energy, by its type.
    """
    saved = NOTHING_SAVED
    for registers in several:
        reads: dict[str, list[RegisterReading]] = defaultdict(list)
        for read in registers:
            reads[read.usage_point].append(read)
        kind = registers.readings.reading_type
        known = {point: some for point, some in reads.items() if point in points}
        rollovers = Rollovers(store, access)
        around = _around(store, access, known, kind, rollovers)
        among = _interleaved(store, access, known, kind)
        apart = {point: some for point, some in known.items() if point in among or not _goes_on(some, around[point])}
        new = {point: some for point, some in reads.items() if point not in points and _comes_back(some)}
        apart, around = apart | new, around | dict.fromkeys(new, (None, None))
        plain = [read for point, some in reads.items() if point not in apart for read in some]
        edges = _edges(store, access, {point: around[point] for point in known if point not in apart}, kind)
        saved += store.registers.save(access, plain, known_at=known_at) if plain else NOTHING_SAVED
        found = place_reads(store, access, apart, around, rollovers)
        saved += save_placed(store, access, found, known_at)
        tell_falls(store, access, found.values(), known_at)
        if found:
            wide, rules = with_reads_beyond(store, access, found, rollovers), rules_of(store, access, found, rollovers)
            follow_reads(store, (access, access), wide, rules, (kind, known_at), filed=True)
        stretches = {point: _among_known(some, around.get(point, ALONE)) for point, some in reads.items()}
        stretches |= {point: stretch_of(one) for point, one in found.items()}
        rules_for = partial(rules_of, store, access, rollovers=rollovers)
        settle_falls(store, (access, access), stretches, rollovers, (kind, known_at), rules=rules_for)
        misfits = odd.get(kind.delta(), ())
        uneven = {*uneven_days(registers), *uneven_edges(registers, reads, edges)}
        days_again(store, (access, access), {*uneven, *misfits}, kind, known_at)
    return saved


def _among_known(reads: Sequence[RegisterReading], around: Neighbours) -> Stretch:
    before, after = around
    return Stretch([each for each in (before, *reads, after) if each is not None], more=after is not None)


def _around(
    store: StorePort, access: Access, reads: Reads, kind: ReadingType, rollovers: Rollovers
) -> dict[str, Neighbours]:
    """Return the stored reads before and after those of each usage point."""
    spans = {point: (min(each.at for each in some), max(each.at for each in some)) for point, some in reads.items()}
    found = store.registers.neighbours(access, spans, kind) if spans else {}
    return {
        point: (before and rollovers.named(before), after and rollovers.named(after))
        for point, (before, after) in found.items()
    }


def _edges(store: StorePort, access: Access, around: Mapping[str, Neighbours], kind: ReadingType) -> dict[str, Edge]:
    """Return what is stored just before and behind the reads of each usage point, where there is anything."""
    sides = (
        {point: Interval(one.at - REACH, one.at) for point, (one, _) in around.items() if one is not None},
        {point: Interval(one.at, one.at + REACH) for point, (_, one) in around.items() if one is not None},
    )
    before, behind = (store.registers.load_each(access, side, kind) if side else {} for side in sides)
    return {
        point: Edge(_instants(before.get(point, ())), _instants(behind.get(point, ())), *map(_instant, around[point]))
        for point in {**before, **behind}
    }


def _instants(reads: Sequence[RegisterReading]) -> list[int]:
    return sorted({epoch_s(read.at) for read in reads})


def _instant(read: RegisterReading | None) -> int | None:
    return None if read is None else epoch_s(read.at)


def _interleaved(store: StorePort, access: Access, reads: Reads, kind: ReadingType) -> set[str]:
    """Return the usage points of which others are stored between their reads, or the same with other values or epochs.

    Read anew with another value, an interval may have no energy any more: what was derived before is superseded.
    """
    if not reads:
        return set()
    keys = {(point, each.at, each.epoch, each.value) for point, some in reads.items() for each in some}
    span = {point: (min(each.at for each in some), max(each.at for each in some)) for point, some in reads.items()}
    whole = Interval(min(first for first, _ in span.values()), max(last for _, last in span.values()))
    stored = store.registers.load_several(access, list(reads), whole, kind)
    return {
        each.usage_point
        for each in stored
        if span[each.usage_point][0] <= each.at <= span[each.usage_point][1]
        if (each.usage_point, each.at, each.epoch, each.value) not in keys
    }


def _comes_back(reads: Sequence[RegisterReading]) -> bool:
    """Tell whether a wrong read is among reads in order: behind it the epoch is the one of before."""
    return any(other.epoch < one.epoch for one, other in pairwise(reads))


def _goes_on(reads: Sequence[RegisterReading], around: Neighbours) -> bool:
    """Tell whether reads plainly go on from the one before them, and the one after them from these.

    One that began an epoch in the chunk or just before it is looked at: the next one tells whether it was right. So is
    one by usage point alone that follows another meter's: of the instant of the exchange it may be that one's last.
    """
    before, after = around
    if any(
        each is not None and each.is_estimate for each in around
    ):  # whether they contradict it the reads beyond tell
        return False
    chain = [each for each in (before, *reads, after) if each is not None]
    ordered = all(
        one.value <= other.value and one.epoch == other.epoch
        if one.end_device == other.end_device
        else not other.presumed
        for one, other in pairwise(chain)
    )
    return (
        ordered and (before is None or not before.epoch) and (after is None or len({each.epoch for each in chain}) == 1)
    )
