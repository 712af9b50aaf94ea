"""Look at a meter exchange before it is made: what the old meter counted, and what looks wrong."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from gridwright.domain.access import Access
from gridwright.domain.errors import Conflict, InputError, NotFound
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import DELIVERED_REGISTER, ReadingType
from gridwright.domain.register import RegisterReading, Step, register_steps
from gridwright.domain.usage_point import FOREVER, Installation, Meter
from gridwright.jobs.meters.exchange_meter import MeterExchange, allowed, counts, last_read
from gridwright.store import Store
from gridwright.vee import estimate_read

SECOND = timedelta(seconds=1)
LOOK_BACK = timedelta(days=400)  # two reads of a register that is read once a year
ANY_KW = 10_000.0  # what a connection of unknown capacity may carry
OFF_KWH, OFF_SHARE = 1.0, 0.02  # by how much intervals and registers may differ unseen


@dataclass(frozen=True, slots=True)
class ExchangePreview:
    """What an exchange would do: the meter that goes, what it counted since its last read, and what looks wrong.

    `closing_kwh`: energy between the last read and the final one, with the old multiplier; `intervals_kwh`: what the
    intervals say of the same time. Each doubt is a sentence; a careful person clears them before going on.
    """

    before: Installation | None
    last_read: RegisterReading | None
    closing_kwh: Decimal | None
    intervals_kwh: Decimal | None
    doubts: tuple[str, ...]


def preview_exchange(store: Store, access: Access, exchange: MeterExchange, *, now: datetime) -> ExchangePreview:
    """Look at an exchange before it is made; nothing is recorded. What cannot be done raises as it would then."""
    before = allowed(store, access, exchange, now)
    last = last_read(store, access, exchange, DELIVERED_REGISTER)
    closing, doubts = None, list(_doubts(store, access, exchange, before))
    if last is not None and exchange.final_kwh is not None and before is not None:
        closing, doubt = _closing(store, access, exchange, before, last)
        doubts += [doubt] if doubt else []
    measured = _measured(store, access, exchange, last) if closing is not None else None
    if closing is not None and measured is not None and _differ(closing, measured):
        doubts.append(f"the intervals since the last read add up to {measured:,} kWh, the registers to {closing:,} kWh")
    return ExchangePreview(before, last, closing, measured, tuple(doubts))


def _doubts(store: Store, access: Access, exchange: MeterExchange, before: Installation | None) -> Iterator[str]:
    """Yield what is missing or contradicts what is known."""
    for kind, (final, opening) in exchange.reads.items():
        last = last_read(store, access, exchange, kind)
        if last is not None and before is not None and final is None:
            estimate = _would_show(store, access, exchange, before, kind)
            yield f"no final read of the {kind.flow} register: energy since {last.at.isoformat()} stays open{estimate}"
        if opening is None and (last is not None or final is not None):
            yield f"no opening read of the new {kind.flow} register: its first read will close nothing"
    if before is not None and before.multiplier != exchange.multiplier:
        yield f"the multiplier changes from {before.multiplier} to {exchange.multiplier}"
    known = _known(store, access, exchange.meter.serial)
    if known is not None and (known.dials, known.lsb_wh) != (exchange.meter.dials, exchange.meter.lsb_wh):
        yield (
            f"meter {known.serial} is registered with {known.dials} dials of {known.lsb_wh} Wh, "
            f"not {exchange.meter.dials} of {exchange.meter.lsb_wh} Wh: what is registered holds"
        )
    later = store.registers.load(access, exchange.usage_point, Interval(exchange.at + SECOND, FOREVER))
    old = [read for read in later if before is not None and read.end_device == before.end_device]
    if old and before is not None and before.end_device != exchange.meter.serial:
        yield f"meter {before.end_device} was read {len(old)} times after the exchange, last {old[-1].at.isoformat()}"


def _would_show(store: Store, access: Access, exchange: MeterExchange, before: Installation, kind: ReadingType) -> str:
    """Say what the old register would show if it went on as between its last two reads (E09); nothing without them."""
    meter = _known(store, access, before.end_device) or Meter(before.end_device)
    look = Interval(exchange.at - LOOK_BACK, exchange.at)
    reads = store.registers.load(access, exchange.usage_point, look, kind)
    mine = [read for read in reads if read.end_device == before.end_device]
    try:
        read = estimate_read(mine, exchange.at, meter, multiplier=before.multiplier)
    except InputError:
        return ""
    kwh = read.value * kind.resolution / 1000
    return f"; from its average daily use it would show about {kwh:,.3f} kWh, if nobody can read it any more"


def _known(store: Store, access: Access, serial: str) -> Meter | None:
    try:
        found = store.registry.meter(access, serial)
    except NotFound:
        return None
    return found if isinstance(found, Meter) else None


def _closing(
    store: Store, access: Access, exchange: MeterExchange, before: Installation, last: RegisterReading
) -> tuple[Decimal | None, str]:
    """Return what the old meter counted since its last read, or why that cannot be."""
    final = RegisterReading(
        exchange.usage_point, exchange.at, counts(exchange.final_kwh or Decimal(0)), before.end_device, last.epoch
    )
    meter = _known(store, access, before.end_device) or Meter(before.end_device)
    capacity = store.registry.point(access, exchange.usage_point).capacity_kw or ANY_KW
    (step,) = register_steps([last, final], meter=meter, capacity_kw=capacity, multiplier=float(before.multiplier))
    if step.energy is not None:
        told = "the register has turned over since its last read" if step.step is Step.ROLLOVER else ""
        return Decimal(round(step.energy)) / 1000, told
    if step.step is Step.EXCHANGE:
        return None, f"the last read is of meter {last.end_device}, not of {before.end_device}"
    return None, (
        f"the final read {exchange.final_kwh} kWh cannot follow the last one, {last.value / 1000:,.3f} kWh at "
        f"{last.at.isoformat()}: more than {capacity:g} kW could have counted"
    )


def _measured(store: Store, access: Access, exchange: MeterExchange, last: RegisterReading | None) -> Decimal | None:
    """Return what the intervals between the last read and the exchange add up to, None unless they are whole."""
    if last is None or last.at >= exchange.at:
        return None
    try:
        panel = store.readings.load(access, exchange.usage_point, Interval(last.at, exchange.at))
    except (NotFound, Conflict):
        return None
    whole = panel.slots and not panel.missing.any() and (panel.start, panel.end) == (last.at, exchange.at)
    return Decimal(str(round(float(panel.total_kwh()[0]), 3))) if whole else None


def _differ(closing: Decimal, measured: Decimal) -> bool:
    return float(abs(closing - measured)) > max(OFF_KWH, OFF_SHARE * float(closing))
