"""The wizard of a meter exchange: it asks for what is not given, shows what looks wrong, and then exchanges."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import typer

from gridwright.cli.output import say
from gridwright.cli.previewed import Manner, Previewed, go_through
from gridwright.domain.errors import UsageError
from gridwright.domain.interval import clock_time, exact_instant
from gridwright.domain.usage_point import Installation, Meter, installed_at
from gridwright.domain.written_number import read_number

if TYPE_CHECKING:
    from gridwright.app import Platform
    from gridwright.jobs.meters.exchange_meter import MeterExchange
    from gridwright.jobs.meters.preview_exchange import ExchangePreview


ESTIMATE = "estimate"  # said in place of a final read that nobody took


@dataclass(frozen=True, slots=True)
class Answers:
    """What was said on the command line; empty = not said."""

    serial: str
    at: str
    final: str
    opening: str
    final_received: str
    opening_received: str
    multiplier: str
    dials: int | None
    lsb_wh: int


def run_wizard(wired: Platform, point: str, given: Answers, manner: Manner) -> None:
    """Ask, preview, confirm, exchange, and tell what is installed then."""
    from gridwright.jobs.meters.exchange_meter import exchange_meter
    from gridwright.jobs.meters.preview_exchange import preview_exchange

    order = order_of(wired, point, given, asks=manner.asks)
    seen = preview_exchange(wired.store, wired.access, order, now=wired.clock())
    zone = wired.store.registry.point(wired.access, point).tz
    change = Previewed(
        lambda: tell(order, seen, zone),
        plain(order, seen),
        "Make the exchange?",
        lambda: exchange_meter(wired.store, wired.access, order, now=wired.clock()),
        zone,
    )
    go_through(change, manner)


def order_of(wired: Platform, point: str, given: Answers, *, asks: bool) -> MeterExchange:
    """Return the exchange as it was said, asking for the rest on a terminal."""
    from gridwright.jobs.meters.exchange_meter import MeterExchange

    place = wired.store.registry.point(wired.access, point)
    here = installed_at(wired.store.registry.installations(wired.access, point), point, wired.clock())
    if asks:
        say(f"{point}: {f'meter {here.end_device} (x{here.multiplier})' if here else 'no meter'} hangs there now.")
    serial = said(given.serial, "Serial number of the new meter", "--serial", asks=asks)
    at = said(given.at, f"When it took over (civil time of {place.zone}, or with an offset)", "--at", asks=asks)
    closing = optional(given.final, "Final read of the old meter, kWh, or estimate", asks=asks and here is not None)
    final = None if closing == ESTIMATE else read_number(closing, "--final")
    opening = read_number(optional(given.opening, "Opening read of the new meter, kWh", asks=asks), "--opening")
    fed = asks and place.exports
    final_fed = read_number(
        optional(given.final_received, "Final read of energy fed in, kWh", asks=fed), "--final-received"
    )
    open_fed = read_number(optional(given.opening_received, "Opening read of it, kWh", asks=fed), "--opening-received")
    factor = read_number(given.multiplier or kept(here, asks=asks), "--multiplier", unit="")
    meter = Meter(serial, dials=given.dials, lsb_wh=given.lsb_wh)
    moment = exact_instant(at, place.tz)
    times = Decimal(1) if factor is None else factor
    return MeterExchange(point, meter, moment, final, opening, times, final_fed, open_fed, closing == ESTIMATE)


def said(text: str, question: str, option: str, *, asks: bool) -> str:
    """Return what must be known; asked for on a terminal, else the option is missing."""
    if text:
        return text
    if not asks:
        raise UsageError(f"{option} is missing", remedy=f"give {option}, or run it on a terminal to be asked")
    answer: str = typer.prompt(question, err=True)
    return answer.strip()


def optional(text: str, question: str, *, asks: bool) -> str:
    """Return what may be left out."""
    if text or not asks:
        return text
    answer: str = typer.prompt(f"{question} (empty: not read)", default="", show_default=False, err=True)
    return answer.strip()


def kept(here: Installation | None, *, asks: bool) -> str:
    """Return the multiplier: on a terminal the old one is offered, else it is 1."""
    if not asks:
        return ""
    answer: str = typer.prompt("Transformer factor", default=str(here.multiplier if here else 1), err=True)
    return answer.strip()


def tell(order: MeterExchange, seen: ExchangePreview, zone: ZoneInfo) -> None:
    """Say what the exchange would do, and every doubt."""
    say(f"{order.usage_point}: {what_changes(order, seen.before)} at {clock_time(order.at, zone)}.")
    if seen.closing_kwh is not None:
        also = f"; the intervals say {seen.intervals_kwh:,} kWh" if seen.intervals_kwh is not None else ""
        say(f"The old meter counted {seen.closing_kwh:,} kWh since its last read{also}.")
    for doubt in seen.doubts:
        say(f"Look again: {doubt}.")


def what_changes(order: MeterExchange, before: Installation | None) -> str:
    """Say what goes and what comes; a meter that stays gets other transformers."""
    if before is not None and before.end_device == order.meter.serial:
        return f"{before.end_device} stays, its transformer factor goes from {before.multiplier} to {order.multiplier}"
    return f"{before.end_device if before else 'no meter'} goes, {order.meter.serial} comes"


def plain(order: MeterExchange, seen: ExchangePreview) -> dict[str, Any]:
    """Return what an exchange would do as a JSON object."""
    return {
        "usage_point": order.usage_point,
        "at": order.at,
        "before": seen.before.end_device if seen.before else None,
        "meter": order.meter.serial,
        "multiplier": order.multiplier,
        "closing_kwh": seen.closing_kwh,
        "intervals_kwh": seen.intervals_kwh,
        "doubts": list(seen.doubts),
    }
