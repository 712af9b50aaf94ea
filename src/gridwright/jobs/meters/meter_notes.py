"""What a bill says of meters that were exchanged within its period: when, and what both registers showed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from gridwright.domain.access import Access
from gridwright.domain.bill import Bill
from gridwright.domain.interval import Interval, zone_of
from gridwright.domain.reading_type import DELIVERED_REGISTER
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Installation
from gridwright.store import Store


def with_meters(store: Store, access: Access, bill: Bill) -> Bill:
    """Return the bill with a note for each meter that was exchanged in its period."""
    told = tuple(meter_notes(store, access, bill))
    return replace(bill, notes=(*bill.notes, *told)) if told else bill


def meter_notes(store: Store, access: Access, bill: Bill) -> Iterator[str]:
    """Yield a sentence for each exchange within the period of a bill, in order of time."""
    history = store.registry.installations(access, bill.usage_point)
    ordered = sorted(history, key=lambda each: each.period.start)
    for old, new in pairwise(ordered):
        at = new.period.start
        if not bill.period.start < at < bill.period.end or old.period.end != at:
            continue
        reads = store.registers.load(access, bill.usage_point, Interval(at, at), DELIVERED_REGISTER)
        when = at.astimezone(zone_of(bill.zone))
        what = "transformers were" if old.end_device == new.end_device else "meter was"
        yield (
            f"The {what} exchanged on {when:%-d %B %Y, %H:%M}: {_ended(old, reads)}, {_begun(new, reads)}. "
            "The energy of both is on this bill."
        )


def _ended(old: Installation, reads: tuple[RegisterReading, ...]) -> str:
    shown = [read for read in reads if read.end_device == old.end_device]
    return f"{old.end_device}{_factor(old)} ended at {_kwh(shown[0]) if shown else 'a read that nobody took'}"


def _begun(new: Installation, reads: tuple[RegisterReading, ...]) -> str:
    shown = [read for read in reads if read.end_device == new.end_device]
    return f"{new.end_device}{_factor(new)} began at {_kwh(shown[-1]) if shown else 'a read that nobody took'}"


def _factor(place: Installation) -> str:
    return "" if place.multiplier == 1 else f" (×{place.multiplier.normalize():f})"


def _kwh(read: RegisterReading) -> str:
    return f"{read.value * read.reading_type.resolution / 1000:,.3f} kWh"
