"""Exchange a meter, or its transformers: the new one begins where the old one ends, each register closed by a read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from gridwright.domain.access import Access, Act
from gridwright.domain.errors import Conflict, InputError
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import DELIVERED_REGISTER, RECEIVED_REGISTER, ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Installation, Meter, install, installed_at
from gridwright.domain.usage_point import exchange as follow
from gridwright.jobs.meters.claim_meter import register
from gridwright.jobs.meters.claimed_place import require_free
from gridwright.jobs.meters.derive_again import (
    DerivedAgain,
    Several,
    derive_again,
    energies_told,
    reads_to_tell,
)
from gridwright.jobs.meters.estimate_final import estimated_finals
from gridwright.jobs.meters.follow_epochs import judge_again, judged_again, moves, reads_around
from gridwright.jobs.meters.name_again import named_again, put_back, take_out
from gridwright.jobs.meters.register_room import known_meter, require_room
from gridwright.jobs.meters.rollovers import Rollovers
from gridwright.jobs.tried_again import tried_again
from gridwright.store import Store

INSTANT = timedelta(microseconds=1)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class MeterExchange:
    """The new meter at a usage point from `at` on; final reads of the old one and opening reads of the new in kWh.

    The same meter with another multiplier is an exchange of its transformers. `estimate_final`: what nobody could read
    of the old meter goes on record as an estimate of its register (E09), for a read that comes later to supersede.
    """

    usage_point: str
    meter: Meter
    at: datetime
    final_kwh: Decimal | None = None
    opening_kwh: Decimal | None = None
    multiplier: Decimal = Decimal(1)
    final_received_kwh: Decimal | None = None
    opening_received_kwh: Decimal | None = None
    estimate_final: bool = False

    @property
    def new(self) -> Installation:
        """The installation that begins."""
        return install(self.usage_point, self.meter.serial, self.at, self.multiplier)

    @property
    def reads(self) -> dict[ReadingType, tuple[Decimal | None, Decimal | None]]:
        """Final and opening read of each register."""
        return {
            DELIVERED_REGISTER: (self.final_kwh, self.opening_kwh),
            RECEIVED_REGISTER: (self.final_received_kwh, self.opening_received_kwh),
        }


def exchange_meter(store: Store, access: Access, exchange: MeterExchange, *, now: datetime) -> tuple[Installation, ...]:
    """Return the history of the usage point after the exchange; the same exchange again changes nothing.

    The opening read begins a new epoch of the register, so that the reads of the two meters are never subtracted. Reads
    since then that named the usage point alone are the new meter's.
    """
    return exchanged(store, access, exchange, now=now)[0]


@tried_again
def exchanged(
    store: Store, access: Access, exchange: MeterExchange, *, now: datetime
) -> tuple[tuple[Installation, ...], list[DerivedAgain]]:
    """Do the same, and tell what energy was derived again."""
    with store.transaction():
        store.findings.hold(access, [exchange.usage_point])  # what is looked at stays until it is done
        before, history = allowed(store, access, exchange, now)
        register(store, access, exchange.meter)
        kinds = {*store.registers.kinds(access, exchange.usage_point), *exchange.reads}
        known = {kind: reads_around(store, access, exchange.usage_point, exchange.at, kind) for kind in kinds}
        told = _told(store, access, exchange)
        renamed = named_again(store, access, exchange.usage_point, history, exchange.at)
        take_out(store, access, renamed, known_at=now)
        after = store.registry.exchange_meter(access, exchange.new)
        reads = list(_reads(store, access, exchange, before))
        if reads:
            store.exchange_reads.save(access, reads, known_at=now)
        back = _follow(store, access, exchange, known, now)
        put_back(store, access, renamed, known_at=now)
        again = _derive_again(store, access, exchange, (told, back), now)
        judge_again(store, access, exchange.usage_point, judged_again(store, access, exchange.usage_point, exchange.at))
    return after, again


def _follow(
    store: Store,
    access: Access,
    exchange: MeterExchange,
    known: Mapping[ReadingType, list[RegisterReading]],
    now: datetime,
) -> set[ReadingType]:
    """Let what was known after the exchange go on from it, in its epochs.

    Reads of the new meter that were withdrawn with an exchange that was cancelled count again; returns of what.
    """
    point, at = exchange.usage_point, exchange.at
    back = store.exchange_reads.withdrawn(access, point, exchange.meter.serial, at)
    if back:
        store.registers.save(access, back, known_at=now)
    fixed = {each.read for each in store.exchange_reads.written(access, point, at)}
    turned_over = Rollovers(store, access)
    for kind in {*known, *(read.reading_type for read in back)}:
        moved = moves(known.get(kind, ()), reads_around(store, access, point, at, kind), turned_over, fixed)
        if moved:
            store.exchange_reads.move(access, moved, known_at=now)
    return {read.reading_type for read in back}


def _derive_again(
    store: Store,
    access: Access,
    exchange: MeterExchange,
    before: tuple[Mapping[ReadingType, Several], Collection[ReadingType]],
    now: datetime,
) -> list[DerivedAgain]:
    """Let energy that was derived from the registers follow; `before`: what they told, and which count again."""
    told, back = before
    tells = _told(store, access, exchange)
    return derive_again(store, access, exchange.usage_point, (told, tells), (exchange.at, now), back=back)


def _told(store: Store, access: Access, exchange: MeterExchange) -> dict[ReadingType, Several]:
    """Return what the reads tell of the time around the exchange, as everything is recorded now."""
    point = exchange.usage_point
    return energies_told(store, access, point, reads_to_tell(store, access, point, exchange.at))


def allowed(
    store: Store, access: Access, exchange: MeterExchange, now: datetime
) -> tuple[Installation | None, tuple[Installation, ...]]:
    """Return the meter that goes, None where none hangs, and what hung there in the end; what cannot be is refused."""
    access.require(Act.WRITE_REGISTRY, exchange.usage_point)
    if exchange.at > now:
        raise InputError(f"the exchange is to be at {exchange.at.isoformat()}, which has not come yet")
    if exchange.multiplier <= 0:
        raise InputError(f"the transformer factor {exchange.multiplier} is not above 0", remedy="give 1 without one")
    history = store.registry.installations(access, exchange.usage_point)
    before = installed_at(history, exchange.usage_point, exchange.at - INSTANT)
    if before is None and (exchange.estimate_final or any(final is not None for final, _ in exchange.reads.values())):
        raise InputError(f"no meter hangs at {exchange.usage_point} to have a final read", remedy="leave it out")
    same = before is not None and before.end_device == exchange.meter.serial
    if same and before is not None and before.multiplier == exchange.multiplier and before.is_open:
        raise Conflict(
            f"meter {before.end_device} hangs there already, with the multiplier {before.multiplier}",
            remedy="name the new meter's serial number, or the new multiplier",
        )
    require_free(store, access, exchange.new)
    _require_room(store, access, exchange, before)
    return before, history if exchange.new in history else follow(history, exchange.new)


def _require_room(store: Store, access: Access, exchange: MeterExchange, before: Installation | None) -> None:
    """Refuse reads that a register cannot show; what is registered of a meter holds, before what is said now."""
    new = known_meter(store, access, exchange.meter.serial)
    new = exchange.meter if new is None or new.dials is None else new
    old = before and known_meter(store, access, before.end_device)
    tell = f"gridwright usage-point dials {exchange.usage_point}"
    for kind, (final, opening) in exchange.reads.items():
        if old:
            remedy = f"read it again in kWh; if it has other digits: {tell} --dials N --lsb-wh WH"
            require_room(old, kind, final, "final", remedy)
        plate = "give --dials and --lsb-wh as they are on its plate (digits before the point count 1000 Wh each)"
        require_room(new, kind, opening, "opening", f"read it again in kWh, or {plate}")


def last_read(store: Store, access: Access, exchange: MeterExchange, kind: ReadingType) -> RegisterReading | None:
    """Return the last read of a register before the exchange."""
    point, moment = exchange.usage_point, exchange.at - INSTANT
    return store.registers.neighbours(access, {point: (moment, moment)}, kind)[point][0]


def _reads(
    store: Store, access: Access, exchange: MeterExchange, before: Installation | None
) -> Iterator[RegisterReading]:
    """Yield the reads that close and open each register; its epoch goes on from the last read of the old meter."""
    yield from estimated_finals(store, access, exchange, before)
    for kind, (final, opening) in exchange.reads.items():
        last = last_read(store, access, exchange, kind)
        epoch = last.epoch if last else 0
        point, at = exchange.usage_point, exchange.at
        if final is not None and before is not None:
            yield RegisterReading(point, at, counts(final), before.end_device, epoch, reading_type=kind)
        if opening is not None:
            same = before is not None and before.end_device == exchange.meter.serial
            here = [] if same else _came_before(store, access, exchange, kind)
            room = epoch + (before is not None and final is not None)
            begun = next((each for each in here if each >= room), epoch + (before is not None))
            yield RegisterReading(point, at, counts(opening), exchange.meter.serial, begun, reading_type=kind)


def _came_before(store: Store, access: Access, exchange: MeterExchange, kind: ReadingType) -> list[int]:
    """Return the epochs of reads of the new meter that came before its exchange, of that very instant."""
    here = store.registers.load(access, exchange.usage_point, Interval(exchange.at, exchange.at + SECOND), kind)
    return [each.epoch for each in here if (each.at, each.end_device) == (exchange.at, exchange.meter.serial)]


def counts(kwh: Decimal) -> float:
    """Return a register's reading as whole watt-hours."""
    return float(round(kwh * 1000))
