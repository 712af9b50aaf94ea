"""Exchange a meter: the new one begins where the old one ends, and both registers are closed by a read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from gridwright.domain.access import Access, Act
from gridwright.domain.errors import InputError
from gridwright.domain.reading_type import DELIVERED_REGISTER
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Installation, Meter, install, installed_at
from gridwright.jobs.claim_meter import register, require_free
from gridwright.store import Store

INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class MeterExchange:
    """The new meter at a usage point from `at` on; final read of the old one and opening read of the new in kWh."""

    usage_point: str
    meter: Meter
    at: datetime
    final_kwh: Decimal | None = None
    opening_kwh: Decimal | None = None
    multiplier: Decimal = Decimal(1)


def exchange_meter(store: Store, access: Access, exchange: MeterExchange, *, now: datetime) -> tuple[Installation, ...]:
    """Return the history of the usage point after the exchange; the same exchange again changes nothing.

    The opening read begins a new epoch of the register, so that the reads of the two meters are never subtracted.
    """
    access.require(Act.WRITE_REGISTRY, exchange.usage_point)
    if exchange.at > now:
        raise InputError(f"the exchange is to be at {exchange.at.isoformat()}, which has not come yet")
    with store.transaction():
        before = installed_at(
            store.registry.installations(access, exchange.usage_point), exchange.usage_point, exchange.at - INSTANT
        )
        if exchange.final_kwh is not None and before is None:
            raise InputError(f"no meter hangs at {exchange.usage_point} to have a final read", remedy="leave it out")
        new = install(exchange.usage_point, exchange.meter.serial, exchange.at, exchange.multiplier)
        register(store, access, exchange.meter)
        require_free(store, access, new)
        after = store.registry.exchange_meter(access, new)
        reads = list(_reads(store, access, exchange, before))
        if reads:
            store.registers.save(access, reads, known_at=now)
    return after


def _reads(
    store: Store, access: Access, exchange: MeterExchange, before: Installation | None
) -> Iterator[RegisterReading]:
    """Yield the two reads; the epoch goes on from the last read of the old meter."""
    point, moment = exchange.usage_point, exchange.at - INSTANT
    last = store.registers.neighbours(access, {point: (moment, moment)}, DELIVERED_REGISTER)[point][0]
    epoch = last.epoch if last else 0
    if exchange.final_kwh is not None and before is not None:
        yield RegisterReading(point, exchange.at, _counts(exchange.final_kwh), before.end_device, epoch)
    if exchange.opening_kwh is not None:
        serial = exchange.meter.serial
        yield RegisterReading(point, exchange.at, _counts(exchange.opening_kwh), serial, epoch + (before is not None))


def _counts(kwh: Decimal) -> float:
    return float(round(kwh * 1000))
