"""Cancel a meter exchange that never was: the old meter goes on, and what the exchange wrote counts no more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from gridwright.domain.access import ALLOWED, Access, Act
from gridwright.domain.errors import Conflict, InputError
from gridwright.domain.interval import Interval, clock_time
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Installation, cancel_exchange
from gridwright.jobs.meters.derive_again import DerivedAgain, derive_again, energies_told, reads_to_tell, told_of
from gridwright.jobs.meters.follow_epochs import judge_again, judged_again, moves, reads_around
from gridwright.jobs.meters.name_again import named_again, put_back, take_out, told_named
from gridwright.jobs.meters.rollovers import Rollovers
from gridwright.jobs.tried_again import tried_again
from gridwright.store import Store, WrittenRead

LONGEST_REASON = 2000


@dataclass(frozen=True, slots=True)
class ExchangeCancelling:
    """Which exchange never was, and why; `with_reads`: what the new meter told since is withdrawn too."""

    usage_point: str
    at: datetime
    reason: str
    with_reads: bool = False


@dataclass(frozen=True, slots=True)
class CancelPreview:
    """What cancelling an exchange does: who goes and who goes on, the reads that count no more, and what follows.

    `judged_again`: the days that are validated, estimated and totalled anew; `bills`: the bills of these days;
    `renamed`: reads that named their usage point alone, as they are stored, and as those of the meter that goes on.
    """

    gone: Installation
    goes_on: Installation | None
    written: tuple[WrittenRead, ...]
    withdrawn: tuple[RegisterReading, ...]
    judged_again: Interval
    bills: tuple[str, ...]
    doubts: tuple[str, ...]
    renamed: tuple[tuple[RegisterReading, RegisterReading], ...] = ()

    @property
    def no_more(self) -> tuple[RegisterReading, ...]:
        """Every read that counts no more."""
        return (*(each.read for each in self.written), *self.withdrawn)


def preview_cancel(store: Store, access: Access, order: ExchangeCancelling) -> CancelPreview:
    """Look at what cancelling would do; nothing is recorded. What cannot be done raises as it would then."""
    seen = _seen(store, access, order)
    again: list[DerivedAgain] = []
    with suppress(_LookedAtError), store.transaction():
        # Of what is taken back nobody asks when it became known.
        again += _cancelled(store, access, order, seen, seen.judged_again.end)[1]
        raise _LookedAtError
    zone = store.registry.point(access, order.usage_point).tz
    return replace(seen, doubts=(*seen.doubts, *told_of(again, zone)))


class _LookedAtError(Exception):
    """Ends a transaction that was only looked at, so that nothing of it is recorded."""


def _seen(store: Store, access: Access, order: ExchangeCancelling) -> CancelPreview:
    access.require(Act.WRITE_REGISTRY, order.usage_point)
    if not order.reason.strip() or len(order.reason) > LONGEST_REASON:
        raise InputError(
            f"cancelling an exchange needs a reason of 1 to {LONGEST_REASON} characters",
            remedy="say why, for whoever reads the audit chain",
        )
    history = store.registry.installations(access, order.usage_point)
    after, gone, goes_on = cancel_exchange(history, order.at)
    written = store.exchange_reads.written(access, order.usage_point, order.at)
    theirs = tuple(_of_new_meter(store, access, gone, goes_on, [each.read for each in written]))
    if theirs and not order.with_reads:
        raise _stands_on_it(gone, theirs)
    period = judged_again(store, access, order.usage_point, order.at)
    renamed = named_again(store, access, order.usage_point, after, order.at)
    doubts = (*_doubts(store, access, gone, goes_on, written), *told_named(renamed))
    bills = _bills(store, access, order, period)
    return CancelPreview(gone, goes_on, written, theirs, period, bills, doubts, tuple(renamed))


@tried_again
def cancel(store: Store, access: Access, order: ExchangeCancelling, *, now: datetime) -> tuple[Installation, ...]:
    """Return the history of the usage point as if the exchange had never been made; reason and author go on record.

    Later reads of the old meter count in the epoch in which they would have come without it.
    """
    with store.transaction():
        store.findings.hold(access, [order.usage_point])  # what is looked at stays until it is done
        return _cancelled(store, access, order, _seen(store, access, order), now)[0]


def _cancelled(
    store: Store, access: Access, order: ExchangeCancelling, seen: CancelPreview, now: datetime
) -> tuple[tuple[Installation, ...], list[DerivedAgain]]:
    """Cancel it, and tell what energy was derived again."""
    point = order.usage_point
    kinds = store.registers.kinds(access, point)
    before = {kind: reads_around(store, access, point, order.at, kind) for kind in kinds}
    told = energies_told(store, access, point, reads_to_tell(store, access, point, order.at))
    take_out(store, access, seen.renamed, known_at=now)
    after = store.registry.cancel_exchange(access, point, order.at, reason=order.reason.strip())
    if seen.written:
        store.exchange_reads.take_back(access, seen.written, known_at=now)
    if seen.withdrawn:
        store.exchange_reads.withdraw(access, seen.withdrawn, known_at=now)
    turned_over = Rollovers(store, access)
    for kind, reads in before.items():
        moved = moves(reads, reads_around(store, access, point, order.at, kind), turned_over)
        if moved:
            store.exchange_reads.move(access, moved, known_at=now)
    put_back(store, access, seen.renamed, known_at=now)
    tells = energies_told(store, access, point, reads_to_tell(store, access, point, order.at))
    again = derive_again(store, access, point, (told, tells), (order.at, now))
    judge_again(store, access, point, seen.judged_again)
    return after, again


def _of_new_meter(
    store: Store, access: Access, gone: Installation, goes_on: Installation | None, written: Sequence[RegisterReading]
) -> Iterator[RegisterReading]:
    """Yield what the new meter told from the exchange on, besides its opening; none where the meter stayed.

    What named the usage point alone is of the meter that goes on.
    """
    if goes_on is not None and goes_on.end_device == gone.end_device:
        return
    for kind in store.registers.kinds(access, gone.usage_point):
        for read in reads_around(store, access, gone.usage_point, gone.period.start, kind):
            named = read.end_device == gone.end_device and not read.presumed
            if read.at >= gone.period.start and named and read not in written:
                yield read


def _stands_on_it(gone: Installation, reads: Sequence[RegisterReading]) -> Conflict:
    last = max(reads, key=lambda read: read.at)
    kwh = last.value * last.reading_type.resolution / 1000
    return Conflict(
        f"{len(reads)} {'reads' if len(reads) > 1 else 'read'} of meter {gone.end_device} stand on the exchange at "
        f"{gone.period.start.isoformat()}, the last one {kwh:,.3f} kWh at {last.at.isoformat()}",
        remedy="have them withdrawn too (--with-reads, `with_reads`); an exchange to the same meter brings them back",
    )


def _doubts(
    store: Store, access: Access, gone: Installation, goes_on: Installation | None, written: Sequence[WrittenRead]
) -> Iterator[str]:
    """Yield what cancelling does not set right by itself."""
    at = gone.period.start
    told = clock_time(at, store.registry.point(access, gone.usage_point).tz)
    if goes_on is None:
        yield f"no meter ended at {told}: from then on none hangs at {gone.usage_point}"
    elif goes_on.multiplier != gone.multiplier:
        last = max((each.last for each in store.readings.series(access, gone.usage_point)), default=at)
        if last > at:
            yield (
                f"the multiplier is {goes_on.multiplier} again, not {gone.multiplier}: intervals that were collected "
                f"since {told} were multiplied by {gone.multiplier} and stay as they are; look at them, and "
                "edit them where they are wrong"
            )
    if not written:
        yield "the exchange wrote no reads that still count: none is withdrawn with it"
    if goes_on is not None and access.points is None and goes_on.end_device != gone.end_device:
        waiting = store.quarantine.waiting(access, goes_on.end_device)
        if waiting:
            yield f"{waiting} readings of meter {goes_on.end_device} wait in quarantine: claim them afterwards"


def _bills(store: Store, access: Access, order: ExchangeCancelling, period: Interval) -> tuple[str, ...]:
    """Return the bills of the days that are judged again, for who may see them."""
    if Act.READ_BILLS not in ALLOWED[access.role]:
        return ()
    bills = store.ledger.bills(access, order.usage_point)
    return tuple(each.bill.id for each in bills if each.bill.period.overlaps(period))
