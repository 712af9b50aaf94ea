"""E09 at an exchange: what a register that nobody read would have shown as its meter went."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from gridwright.domain.access import Access
from gridwright.domain.errors import InputError
from gridwright.domain.hung import all_named, plain_serial
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Installation, Meter
from gridwright.jobs.meters.register_room import known_meter
from gridwright.store import Store
from gridwright.vee import estimate_read

if TYPE_CHECKING:
    from gridwright.jobs.meters.exchange_meter import MeterExchange

LOOK_BACK = timedelta(days=400)  # two reads of a register that is read once a year


def estimated_finals(
    store: Store, access: Access, exchange: MeterExchange, before: Installation | None
) -> Iterator[RegisterReading]:
    """Yield the final reads that the exchange asks to have estimated: of registers that were read, but not then."""
    if not exchange.estimate_final or before is None:
        return
    of_none = True
    for kind, (final, _) in exchange.reads.items():
        if final is not None or not last_reads(store, access, exchange, before, kind):
            continue
        of_none = False
        if not read_at_exchange(store, access, exchange, before, kind):
            yield final_estimate(store, access, exchange, before, kind)
    if of_none and not any(final is not None for final, _ in exchange.reads.values()):
        raise _cannot(before.end_device, "no register read of it is known")


def final_estimate(
    store: Store, access: Access, exchange: MeterExchange, before: Installation, kind: ReadingType
) -> RegisterReading:
    """Return what the old register would show at the exchange; with too few reads of it an InputError."""
    meter = known_meter(store, access, before.end_device) or Meter(before.end_device)
    mine = last_reads(store, access, exchange, before, kind)
    try:
        return estimate_read(mine, exchange.at, meter, multiplier=before.multiplier)
    except InputError as error:
        raise _cannot(before.end_device, str(error)) from error


def last_reads(
    store: Store, access: Access, exchange: MeterExchange, before: Installation, kind: ReadingType
) -> list[RegisterReading]:
    """Return what was read of the old meter's register before the exchange; no estimate among them."""
    look = Interval(exchange.at - LOOK_BACK, exchange.at)
    reads = store.registers.load(access, exchange.usage_point, look, kind)
    history = store.registry.installations(access, exchange.usage_point)
    mine = [read for read in all_named(history, reads) if read.end_device == before.end_device]
    return [read for read in mine if not read.is_estimate and read.at < exchange.at]


def read_at_exchange(
    store: Store, access: Access, exchange: MeterExchange, before: Installation, kind: ReadingType
) -> bool:
    """Tell whether the old meter was read at that very instant already."""
    reads = store.registers.load(access, exchange.usage_point, Interval(exchange.at, exchange.at), kind)
    return plain_serial(before.end_device) in {plain_serial(read.end_device) for read in reads}


def _cannot(serial: str, why: str) -> InputError:
    return InputError(
        f"the final read of {serial} cannot be estimated: {why}", remedy="give the final read, or leave it open"
    )
