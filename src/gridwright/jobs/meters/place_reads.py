"""Register reads take their place among those that are stored: which of them are wrong, and how the epochs go on.

What one read proves wrong, or mends, bears on its neighbours: so the order in which reads come makes no difference.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

from gridwright.domain.access import Access
from gridwright.domain.interval import Interval
from gridwright.domain.misread import misreads
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import FOREVER
from gridwright.jobs.meters.at_exchange import beside_exchanges
from gridwright.jobs.meters.rollovers import Rollovers
from gridwright.jobs.store_port import StorePort
from gridwright.store import NOTHING_SAVED, SaveSummary

SECOND = timedelta(seconds=1)
BEHIND, AHEAD = 4, 4  # instants on both sides that may tell which reads are wrong
Neighbours = tuple[RegisterReading | None, RegisterReading | None]
Move = tuple[RegisterReading, int]


@dataclass(frozen=True, slots=True)
class Placed:
    """What becomes of reads of one usage point: they are saved as `saved`, then `moves` tells (read, its new epoch).

    `before` and `after`: the reads around as they were and as they will be, in order; `wrong`: those of `after` that
    are set aside, and `doubted` those of `before`. `alone`: of the stored reads only the last one is at hand.
    """

    saved: list[RegisterReading]
    moves: list[Move]
    before: list[RegisterReading]
    after: list[RegisterReading]
    doubted: frozenset[RegisterReading]
    wrong: frozenset[RegisterReading]
    alone: bool = False


def place_reads(
    store: StorePort,
    access: Access,
    arriving: Mapping[str, Sequence[RegisterReading]],
    around: Mapping[str, Neighbours],
    rollovers: Rollovers,
) -> dict[str, Placed]:
    """Return where reads of one type by usage point belong, `around` being the stored ones before and after them."""
    rollovers.learn(
        point
        for point, reads in arriving.items()
        if _is_unnamed(each for each in around[point] if each is not None) or any(read.presumed for read in reads)
    )
    beside = {point: _named(around[point], rollovers) for point in arriving}
    followed = {point: beside[point][0] for point, reads in arriving.items() if _follow(reads, *beside[point])}
    for point in _among(store, access, {point: arriving[point] for point in followed}):
        del followed[point]
    begun = _begun(store, access, [read for read in followed.values() if read is not None and read.epoch])
    closer = {point: reads for point, reads in arriving.items() if point not in followed or point in begun}
    windows = _windows(store, access, closer)
    rollovers.learn(point for point, reads in closer.items() if _may_be_asked([*windows[point][0], *reads]))
    found = {}
    for point, reads in arriving.items():
        if point in closer:
            raw, whole = windows[point]
            found[point] = placed([rollovers.named(read) for read in raw], reads, rollovers, whole=whole)
        else:
            last = followed[point]
            found[point] = replace(placed([last] if last else [], reads, rollovers), alone=last is not None)
    _go_on(store, access, found.values())
    return found


def _is_unnamed(reads: Iterable[RegisterReading]) -> bool:
    return any(not read.end_device for read in reads)


def _may_be_asked(reads: Sequence[RegisterReading]) -> bool:
    """Tell whether a place may be asked about: where a read names no meter, another falls, or an epoch begins."""
    chain = sorted(reads, key=lambda read: (read.at, read.epoch))
    goes_on = all(one.epoch == other.epoch and one.value <= other.value for one, other in pairwise(chain))
    return not goes_on or _is_unnamed(chain)


def _named(around: Neighbours, rollovers: Rollovers) -> Neighbours:
    before, after = around
    return before and rollovers.named(before), after and rollovers.named(after)


def _follow(reads: Sequence[RegisterReading], before: RegisterReading | None, after: RegisterReading | None) -> bool:
    """Tell whether reads plainly follow what is stored, each by the same meter and not below the one before it."""
    chain = sorted(reads, key=lambda read: read.at)
    if after is not None or (before is not None and (before.at >= chain[0].at or before.is_estimate)):
        return False
    whole = [before, *chain] if before is not None else chain
    return all(one.end_device == other.end_device and one.value <= other.value for one, other in pairwise(whole))


def _among(store: StorePort, access: Access, arriving: Mapping[str, Sequence[RegisterReading]]) -> list[str]:
    """Return the usage points of which reads are stored between the first and the last of those that arrive."""
    spans = {point: (min(read.at for read in some), max(read.at for read in some)) for point, some in arriving.items()}
    wide = {point: Interval(first + SECOND, last) for point, (first, last) in spans.items() if first < last}
    if not wide:
        return []
    kind = next(iter(arriving.values()))[0].reading_type
    return [point for point, reads in store.registers.load_each(access, wide, kind).items() if reads]


def _begun(store: StorePort, access: Access, reads: Sequence[RegisterReading]) -> set[str]:
    """Return the usage points whose last read began an epoch: the next one tells whether it was right."""
    if not reads:
        return set()
    moments = {read.usage_point: (read.at - SECOND, read.at) for read in reads}
    earlier = store.registers.neighbours(access, moments, reads[0].reading_type)
    before = {read.usage_point: earlier[read.usage_point][0] for read in reads}
    pairs = ((read, before[read.usage_point]) for read in reads)
    return {read.usage_point for read, one in pairs if one is not None and one.epoch != read.epoch}


def _windows(
    store: StorePort, access: Access, arriving: Mapping[str, Sequence[RegisterReading]]
) -> dict[str, tuple[list[RegisterReading], bool]]:
    """Return the stored reads among new ones and around them, and whether there are enough before to judge them by."""
    if not arriving:
        return {}
    kind = next(iter(arriving.values()))[0].reading_type
    spans = {point: (min(read.at for read in some), max(read.at for read in some)) for point, some in arriving.items()}
    loaded = store.registers.load_around(access, spans, kind, (BEHIND, AHEAD))
    return {point: (reads, before == BEHIND) for point, (reads, before) in loaded.items()}


def _go_on(store: StorePort, access: Access, several: Iterable[Placed]) -> None:
    """Let all later reads follow the last one of those around where that counts in another epoch."""
    led = {one.after[-1].usage_point: one for one in several if one.moves and one.moves[-1][0].at >= one.after[-1].at}
    if not led:
        return
    kind = next(iter(led.values())).after[-1].reading_type
    periods = {point: Interval(one.moves[-1][0].at + SECOND, FOREVER) for point, one in led.items()}
    for point, later in store.registers.load_each(access, periods, kind).items():
        last, epoch = led[point].moves[-1]
        led[point].moves.extend((read, read.epoch + epoch - last.epoch) for read in later)


def placed(
    stored: Sequence[RegisterReading],
    arriving: Sequence[RegisterReading],
    rollovers: Rollovers,
    *,
    whole: bool = False,
) -> Placed:
    """Return where reads of one usage point belong among stored ones, which are in order.

    `whole`: whether reads before those are left out. A read that is stored already keeps its key until it moves.
    """
    known = {(read.at, read.end_device): read for read in stored}
    mine = beside_exchanges(stored, arriving, rollovers)
    saved = [_as_known(read, known.get((read.at, read.end_device))) for read in mine]
    keys = {(read.at, read.epoch) for read in saved if (read.at, read.end_device) in known}
    kept = [read for read in stored if (read.at, read.epoch) not in keys]
    chain = _in_order([*kept, *saved])
    doubted, wrong = (frozenset(reads[at] for at in misreads(reads, rollovers.counts_on)) for reads in (stored, chain))
    sound = set(without_estimates(stored)) - wrong
    start = next((at for at in range(1, len(chain)) if chain[at] in sound), 0) if whole else 0
    judge = _Judge(rollovers, _preceding(stored, doubted), _hints(arriving) if mine == arriving else {})
    epochs = {read: read.epoch for read in chain[:start]} | _epochs(chain[start:], set(stored), wrong, judge)
    new = {read for read in saved if (read.at, read.end_device) not in known}
    moves = [(read, epoch) for read, epoch in epochs.items() if read not in new and epoch != read.epoch]
    after = {read: _in_epoch(read, epoch) for read, epoch in epochs.items()}
    return Placed(
        [after[read] if read in new else read for read in saved],
        moves,
        list(stored),
        list(after.values()),
        doubted,
        frozenset(after[read] for read in wrong),
    )


def _in_order(reads: Iterable[RegisterReading]) -> list[RegisterReading]:
    """Return reads in order of time; of one instant the last one of a meter that goes is before those of others."""
    chain = sorted(reads, key=lambda read: (read.at, read.epoch))
    for place in range(1, len(chain)):
        one, other = chain[place - 1 : place + 1]
        if one.at == other.at and one.end_device != other.end_device:
            goes = chain[place - 2].end_device if place > 1 else None
            comes = chain[place + 1].end_device if place + 1 < len(chain) else None
            if one.end_device != goes and (other.end_device == goes or one.end_device == comes):
                chain[place - 1 : place + 1] = other, one
    return chain


def _as_known(read: RegisterReading, stored: RegisterReading | None) -> RegisterReading:
    """Return a read with the epoch of the same one that is stored; what was told by usage point alone stays so.

    No estimate takes the place of what was read.
    """
    if stored is None:
        return read
    if read.is_estimate and not stored.is_estimate:
        return stored
    presumed = read.presumed or (stored.presumed and stored.value == read.value)
    same = (read.epoch, read.presumed) == (stored.epoch, presumed)
    return read if same else replace(read, epoch=stored.epoch, presumed=presumed)


def _in_epoch(read: RegisterReading, epoch: int) -> RegisterReading:
    return read if read.epoch == epoch else replace(read, epoch=epoch)


@dataclass(frozen=True, slots=True)
class _Judge:
    """Tells how many epochs lie between two reads; `hints`: what was found of reads that arrive together."""

    rollovers: Rollovers
    preceding: Mapping[RegisterReading, RegisterReading]
    hints: Mapping[tuple[datetime, datetime], int]

    def distance(self, last: RegisterReading, read: RegisterReading) -> int:
        """Return 0 where its register counted on; what follows the same read as before keeps its distance to it.

        Anything else begins anew after another meter, or where it falls and did not turn over.
        """
        same = last.end_device == read.end_device
        rises = same and last.value <= read.value
        known = read.epoch - last.epoch if self.preceding.get(read) == last else self.hints.get((last.at, read.at))
        if known is None:
            return int(not same or (not rises and not self.rollovers(last, read, None)))
        # Nearly all reads lie in the epoch of the one before: only of others the registry is asked.
        if known and rises and last.at < read.at and self.rollovers.counts_on(last, read):
            return 0
        return known


def _hints(arriving: Sequence[RegisterReading]) -> dict[tuple[datetime, datetime], int]:
    """Return the epochs between reads that arrive together, which tell how fast their register counts."""
    chain = sorted(without_estimates(arriving), key=lambda read: (read.at, read.epoch))
    return {(one.at, other.at): other.epoch - one.epoch for one, other in pairwise(chain)}


def _epochs(
    chain: Sequence[RegisterReading],
    known: Collection[RegisterReading],
    wrong: Collection[RegisterReading],
    judge: _Judge,
) -> dict[RegisterReading, int]:
    """Return the epoch of each read of a chain: those that were taken tell it, and estimates lie in theirs."""
    taken = without_estimates(chain)
    if len(taken) == len(chain):
        return _of_taken(chain, known, wrong, judge)
    epochs = _of_taken(taken, known, wrong, judge) if taken else {}
    if taken and not any(read in known for read in taken):  # the first ones that were taken, among estimates
        epochs = {read: epoch - epochs[taken[0]] for read, epoch in epochs.items()}
    last = next((read for read in taken if read not in wrong), chain[0])
    epochs.setdefault(last, 0)
    for read in chain:
        if read not in epochs:
            turns = int(read.end_device != last.end_device)
            epochs[read] = epochs[last] + (turns if last.at <= read.at else -turns) + (read in wrong)
        elif read not in wrong and not read.is_estimate:
            last = read
    return {read: epochs[read] for read in chain}


def without_estimates(reads: Iterable[RegisterReading]) -> list[RegisterReading]:
    """Return the reads without the estimates, which make none of them doubtful."""
    return [read for read in reads if not read.is_estimate]


def _of_taken(
    chain: Sequence[RegisterReading],
    known: Collection[RegisterReading],
    wrong: Collection[RegisterReading],
    judge: _Judge,
) -> dict[RegisterReading, int]:
    """Return the epoch of each read; a wrong one has its own, and the next goes on from the one before it.

    Of reads that were known as few move as can.
    """
    last = chain[0]
    epochs = {last: last.epoch}
    for read in chain[1:]:
        epochs[read] = epochs[last] + (1 if read in wrong else judge.distance(last, read))
        last = last if read in wrong else read
    firm = [read for read in chain if read in known]
    if chain[0] in known or not firm:
        return epochs
    last, before = chain[-1], chain[-2]
    if epochs[last] > epochs[before]:  # that the newest read began an epoch tells an epoch above 0
        shift = max(0, 1 - epochs[last])
    else:
        shift = firm[-1].epoch - epochs[firm[-1]] if epochs[last] == epochs[before] else 0
    return {read: epoch + shift for read, epoch in epochs.items()} if shift else epochs


def _preceding(
    reads: Sequence[RegisterReading], wrong: Collection[RegisterReading]
) -> dict[RegisterReading, RegisterReading]:
    """Return the read before each one, wrong ones and estimates left out."""
    taken = without_estimates(reads)
    found, last = {}, taken[0] if taken else None
    for read in taken[1:]:
        if last is not None:
            found[read] = last
        last = last if read in wrong else read
    return found


def save_placed(store: StorePort, access: Access, found: Mapping[str, Placed], known_at: datetime) -> SaveSummary:
    """Save reads where they belong, and let those move that count in another epoch now."""
    reads = [read for one in found.values() for read in one.saved]
    moves = [move for one in found.values() for move in one.moves]
    leave = {(read.usage_point, read.at, read.epoch): read.end_device for read, _ in moves}
    # Of the instant of an exchange a new read may take the place that the other meter's leaves.
    behind = [
        read for read in reads if leave.get((read.usage_point, read.at, read.epoch), read.end_device) != read.end_device
    ]
    first = [read for read in reads if read not in behind] if behind else reads
    saved = store.registers.save(access, first, known_at=known_at) if first else NOTHING_SAVED
    if moves:
        store.exchange_reads.move(access, moves, known_at=known_at)
    return saved + store.registers.save(access, behind, known_at=known_at) if behind else saved
