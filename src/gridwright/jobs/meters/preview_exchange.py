"""Look at a meter exchange before it is made: what the old meter counted, and what looks wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.errors import Conflict, InputError, NotFound
from gridwright.domain.hung import counts as counts_at
from gridwright.domain.hung import named, plain_serial
from gridwright.domain.interval import Interval, clock_time
from gridwright.domain.reading_type import DELIVERED_ENERGY, DELIVERED_REGISTER, ReadingType
from gridwright.domain.register import RegisterReading, Step, register_steps
from gridwright.domain.rollover import NARROWEST_WH, as_shown
from gridwright.domain.usage_point import FOREVER, Installation, Meter
from gridwright.jobs.load.any_resolution import load_counted
from gridwright.jobs.meters.derive_again import DerivedAgain, told_of
from gridwright.jobs.meters.estimate_final import LOOK_BACK, estimated_finals, final_estimate
from gridwright.jobs.meters.exchange_meter import MeterExchange, allowed, counts, exchanged, last_read
from gridwright.jobs.meters.limits import limits_of
from gridwright.jobs.meters.name_again import Pair, named_again, told_named
from gridwright.jobs.meters.register_room import known_meter
from gridwright.store import Store

SECOND = timedelta(seconds=1)
OFF_KWH, OFF_SHARE = 1.0, 0.02  # by how much intervals and registers may differ unseen


@dataclass(frozen=True, slots=True)
class ExchangePreview:
    """What an exchange would do: the meter that goes, what it counted since its last read, and what looks wrong.

    `closing_kwh`: energy between the last read and the final one, with the old multiplier; `intervals_kwh`: what the
    whole intervals of the same time say, up to one less at either end. Each doubt is a sentence; a careful person
    clears them before going on.
    """

    before: Installation | None
    last_read: RegisterReading | None
    closing_kwh: Decimal | None
    intervals_kwh: Decimal | None
    doubts: tuple[str, ...]


def preview_exchange(store: Store, access: Access, exchange: MeterExchange, *, now: datetime) -> ExchangePreview:
    """Look at an exchange before it is made; nothing is recorded. What cannot be done raises as it would then."""
    before, after = allowed(store, access, exchange, now)
    last = last_read(store, access, exchange, DELIVERED_REGISTER)
    renamed = named_again(store, access, exchange.usage_point, after, exchange.at)
    stray = _stray(store, access, exchange, after, {read for read, _ in renamed})
    closing = None
    doubts = [*_doubts(store, access, exchange, before), *stray, *told_named(_behind(renamed, exchange.at))]
    if last is not None and exchange.final_kwh is not None and before is not None:
        last = named(store.registry.installations(access, exchange.usage_point), last)
        closing, doubt = _closing(store, access, exchange, before, last)
        doubts += [doubt] if doubt else []
    measured, cut = _measured(store, access, exchange, last) if closing is not None else (None, 0.0)
    if closing is not None and measured is not None and _differ(closing, measured, cut):
        doubts.append(f"the intervals since the last read add up to {measured:,} kWh, the registers to {closing:,} kWh")
    zone = store.registry.point(access, exchange.usage_point).tz
    doubts += told_of(_tried(store, access, exchange, now), zone)
    return ExchangePreview(before, last, closing, measured, tuple(doubts))


class _LookedAtError(Exception):
    """Ends a transaction that was only looked at, so that nothing of it is recorded."""


def _tried(store: Store, access: Access, exchange: MeterExchange, now: datetime) -> list[DerivedAgain]:
    """Return what energy the exchange derives again; of the exchange itself nothing stays."""
    again: list[DerivedAgain] = []
    with suppress(_LookedAtError), store.transaction():
        again += exchanged(store, access, exchange, now=now)[1]
        raise _LookedAtError
    return again


def _doubts(store: Store, access: Access, exchange: MeterExchange, before: Installation | None) -> Iterator[str]:
    """Yield what is missing or contradicts what is known."""
    zone = store.registry.point(access, exchange.usage_point).tz
    for read in estimated_finals(store, access, exchange, before):
        flow = read.reading_type.flow
        yield f"nobody read the {flow} register: its final read is an estimate from its average daily use, {_kwh(read)}"
    for kind, (final, opening) in exchange.reads.items():
        last = last_read(store, access, exchange, kind)
        closed, opened = _read_then(store, access, exchange, before, kind)
        if last is not None and before is not None and final is None and not closed and not exchange.estimate_final:
            estimate = _would_show(store, access, exchange, before, kind)
            since = clock_time(last.at, zone)
            yield f"no final read of the {kind.flow} register: energy since {since} stays open{estimate}"
        if opening is None and not opened and (last is not None or final is not None):
            yield f"no opening read of the new {kind.flow} register: its first read will close nothing"
    if before is not None and before.multiplier != exchange.multiplier:
        yield f"the multiplier changes from {before.multiplier} to {exchange.multiplier}"
    known = known_meter(store, access, exchange.meter.serial)
    told = exchange.meter
    if told.range_wh < NARROWEST_WH:
        yield (
            f"{told.dials} dials of {told.lsb_wh} Wh turn over after {told.range_wh / 1000:,.0f} kWh; "
            "digits before the point count 1000 Wh each"
        )
    both = known is not None and None not in (known.dials, told.dials)
    if known is not None and both and (known.dials, known.lsb_wh) != (told.dials, told.lsb_wh):
        yield (
            f"meter {known.serial} is registered with {known.dials} dials of {known.lsb_wh} Wh, "
            f"not {told.dials} of {told.lsb_wh} Wh: what is registered holds"
        )


def _read_then(
    store: Store, access: Access, exchange: MeterExchange, before: Installation | None, kind: ReadingType
) -> tuple[bool, bool]:
    """Tell whether the meter that goes, and the one that comes, were read at that very instant already.

    A read that names no meter is of the one that hangs there from then on.
    """
    new = exchange.meter.serial
    reads = store.registers.load(access, exchange.usage_point, Interval(exchange.at, exchange.at), kind)
    read = {plain_serial(each.end_device or new) for each in reads}
    return before is not None and plain_serial(before.end_device) in read, plain_serial(new) in read


def _behind(renamed: Sequence[Pair], at: datetime) -> list[Pair]:
    """Leave out what is of the very instant of the exchange: it may be the last read of the meter that goes."""
    return [pair for pair in renamed if pair[0].at > at]


def _stray(
    store: Store,
    access: Access,
    exchange: MeterExchange,
    after: Sequence[Installation],
    renamed: Collection[RegisterReading],
) -> Iterator[str]:
    """Yield which meters were read when, after the exchange, none of them hangs there: such reads count nothing."""
    zone = store.registry.point(access, exchange.usage_point).tz
    first = min(each.period.start for each in after) - LOOK_BACK
    stray: dict[str, list[RegisterReading]] = defaultdict(list)
    for read in store.registers.load(access, exchange.usage_point, Interval(first, FOREVER)):
        if not counts_at(after, read) and read not in renamed:
            stray[read.end_device].append(read)
    for serial, reads in stray.items():
        last_at = clock_time(max(read.at for read in reads), zone)
        times = "once" if len(reads) == 1 else f"{len(reads)} times"
        left = any(each.end_device == serial and each.period.end == exchange.at for each in after)
        when = "after the exchange" if left else "while it did not hang there"
        told = "; what the new meter told under that name, send again afterwards" if left else ""
        yield f"meter {serial} was read {times} {when}, last {last_at}: that counts nothing{told}"


def _would_show(store: Store, access: Access, exchange: MeterExchange, before: Installation, kind: ReadingType) -> str:
    """Say what the old register would show if it went on as between its last two reads (E09); nothing without them."""
    try:
        read = final_estimate(store, access, exchange, before, kind)
    except InputError:
        return ""
    return f"; from its average daily use it would show about {_kwh(read)}, if nobody can read it any more"


def _kwh(read: RegisterReading) -> str:
    return f"{read.value * read.reading_type.resolution / 1000:,.3f} kWh"


def _closing(
    store: Store, access: Access, exchange: MeterExchange, before: Installation, last: RegisterReading
) -> tuple[Decimal | None, str]:
    """Return what the old meter counted since its last read, or why that cannot be."""
    final = RegisterReading(
        exchange.usage_point, exchange.at, counts(exchange.final_kwh or Decimal(0)), before.end_device, last.epoch
    )
    meter = as_shown(known_meter(store, access, before.end_device) or Meter(before.end_device), [last, final])
    point = store.registry.point(access, exchange.usage_point)
    (capacity,) = limits_of([point], store.usual_kw)
    (step,) = register_steps([last, final], meter=meter, capacity_kw=capacity, multiplier=float(before.multiplier))
    if step.energy is not None:
        told = "the register has turned over since its last read" if step.step is Step.ROLLOVER else ""
        return Decimal(round(step.energy)) / 1000, told
    if step.step is Step.EXCHANGE:
        return None, f"the last read is of meter {last.end_device}, not of {before.end_device}"
    return None, (
        f"the final read {exchange.final_kwh} kWh cannot follow the last one, {last.value / 1000:,.3f} kWh at "
        f"{clock_time(last.at, point.tz)}: more than {capacity:g} kW could have counted"
    )


def _measured(
    store: Store, access: Access, exchange: MeterExchange, last: RegisterReading | None
) -> tuple[Decimal | None, float]:
    """Return what the whole intervals between the last read and the exchange add up to, None where one is missing.

    Beside it, what the intervals that either instant cuts may hold: nobody exchanges a meter on the quarter-hour.
    """
    if last is None or last.at >= exchange.at:
        return None, 0.0
    try:
        panel = load_counted(store, access, [exchange.usage_point], Interval(last.at, exchange.at), DELIVERED_ENERGY)
    except (NotFound, Conflict):
        return None, 0.0
    panel = panel.slice(0, panel.slots - (panel.end > exchange.at))
    before, after = panel.start - last.at, exchange.at - panel.end
    if not panel.slots or panel.missing.any() or max(before, after) >= panel.interval:
        return None, 0.0
    largest = float(np.nanmax(panel.kwh))
    return Decimal(str(round(float(panel.total_kwh()[0]), 3))), largest * (bool(before) + bool(after))


def _differ(closing: Decimal, measured: Decimal, cut: float) -> bool:
    return float(abs(closing - measured)) > cut + max(OFF_KWH, OFF_SHARE * float(closing))
