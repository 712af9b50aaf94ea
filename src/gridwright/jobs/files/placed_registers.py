"""The register reads of a chunk among those that are stored: where they do not plainly go on, each takes its place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise

from gridwright.domain.access import Access
from gridwright.domain.hung import factor_between
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Installation
from gridwright.ingest import RegisterReads
from gridwright.jobs.meters.falls import falls
from gridwright.jobs.meters.limits import Limits
from gridwright.jobs.meters.place_reads import Neighbours, Placed, place_reads, save_placed
from gridwright.jobs.meters.reads_tell import Rules, tells
from gridwright.jobs.meters.rollovers import Rollovers
from gridwright.jobs.meters.supersede_told import Change, changes_of, supersede
from gridwright.jobs.store_port import StorePort
from gridwright.store import NOTHING_SAVED, SaveSummary

Reads = Mapping[str, Sequence[RegisterReading]]


def save_registers(
    store: StorePort, access: Access, several: Sequence[RegisterReads], points: Collection[str], known_at: datetime
) -> SaveSummary:
    """Save register reads in epochs of their own chunk; `points`: the usage points of which others may be stored."""
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
        odd = {point: some for point, some in known.items() if point in among or not _goes_on(some, around[point])}
        plain = [read for point, some in reads.items() if point not in odd for read in some]
        saved += store.registers.save(access, plain, known_at=known_at) if plain else NOTHING_SAVED
        found = place_reads(store, access, odd, around, rollovers)
        saved += save_placed(store, access, found, known_at)
        doubts = [each for one in found.values() for each in falls(one)]
        if doubts:
            store.findings.save(access, doubts, known_at=known_at)
        if found:
            changes = list(_changes(found, _rules(store, access, found, rollovers)))
            supersede(store, (access, access), changes, kind, known_at)
    return saved


def _rules(store: StorePort, access: Access, points: Collection[str], rollovers: Rollovers) -> Rules:
    history: dict[str, list[Installation]] = defaultdict(list)
    for one in store.field.installations(access, list(points)):
        history[one.usage_point].append(one)

    def factor(before: RegisterReading, after: RegisterReading) -> float | None:
        return factor_between(history[before.usage_point], before, after)

    return Rules(factor, rollovers, Limits(store, access))


def _changes(found: Mapping[str, Placed], rules: Rules) -> Iterator[Change]:
    """Yield what the reads of usage points do not tell any more; their own intervals are derived with the file's.

    That knew none of its reads for wrong, so that what they tell as they are may just have been saved.
    """
    free = rules.unlimited()
    for point, one in found.items():
        before = [tells(one.before, some, free) for some in ((one.doubted, ()) if one.doubted else ((),))]
        as_read = [tells(_in_one_epoch(one), (), free)] if one.wrong else []
        yield from changes_of(point, [*before, *as_read], tells(one.after, one.wrong, rules))


def _in_one_epoch(found: Placed) -> list[RegisterReading]:
    """Return reads with each wrong one in the epoch of the one before it, as a file took them."""
    epochs = [read.epoch for read in found.after]
    return [
        replace(read, epoch=epochs[place - 1]) if read in found.wrong else read
        for place, read in enumerate(found.after)
    ]


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


def _goes_on(reads: Sequence[RegisterReading], around: Neighbours) -> bool:
    """Tell whether reads plainly go on from the one before them, and the one after them from these.

    One that began an epoch in the chunk or just before it is looked at: the next one tells whether it was right.
    """
    before, after = around
    chain = [each for each in (before, *reads, after) if each is not None]
    ordered = all(
        one.end_device != other.end_device or (one.value <= other.value and one.epoch == other.epoch)
        for one, other in pairwise(chain)
    )
    return (
        ordered and (before is None or not before.epoch) and (after is None or len({each.epoch for each in chain}) == 1)
    )
