"""The sentences that explain a line: from which intervals a quantity comes, with an example day."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import numpy.typing as npt

from gridwright.billing.spans import Span
from gridwright.billing.tiers import Part
from gridwright.billing.usage import Account, Marked, to_kwh
from gridwright.domain.calendar import LocalCalendar, date_of
from gridwright.domain.rate import Allocate, Channel, Charge, Price

FLOW = {Channel.DELIVERED: "delivered", Channel.RECEIVED: "received"}
SHARED = {Allocate.PROPORTIONAL: "in proportion to their use", Allocate.CHRONOLOGICAL: "in the order of time"}
Slots = npt.NDArray[np.intp]


def block_text(part: Part) -> str:
    """Return the bounds of a block in words."""
    if part.high is None:
        return f"above {_short(part.low)} kWh" if part.low else "all"
    return f"{_short(part.low)}–{_short(part.high)} kWh" if part.low else f"first {_short(part.high)} kWh"


def _short(value: object) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def energy_basis(part: Part, charge: Charge, span: Span, account: Account) -> str:
    """Say which intervals a quantity sums, and show one day of them."""
    determinant = charge.determinant
    panel = account.usage.part(determinant.channel, span)
    marked = account.usage.marked(determinant, part.label, span)
    what = f"energy {FLOW[determinant.channel]}"
    name = f" in {part.label!r}" if part.label else ""
    days = "" if span == account.whole else f", {days_text(span)}"
    told = [f"{what}{name}{days}: {marked.slots.size} intervals of {panel.interval_s // 60} min"]
    if (factor := determinant.multiplier) != 1:
        told.append(f"times {_short(factor)}")
    if isinstance(charge.price, Price) and charge.price.tiered:
        told.append(_ladder_text(part, charge.price))
    return "; ".join([*told, _example_day(account, charge, span, marked)])


def _ladder_text(part: Part, price: Price) -> str:
    if price.mode == "volume":
        return f"all at the rate of block {part.index + 1}, which the total reaches"
    shared = f", shared among the labels {SHARED[price.allocate]}" if price.pooled else ""
    return f"block {part.index + 1}, {block_text(part)}{shared}"


def _example_day(account: Account, charge: Charge, span: Span, marked: Marked) -> str:
    channel = charge.determinant.channel
    values = account.part(channel, span)[marked.slots]
    used = values > 0
    first = int(used.argmax()) if used.size else 0
    if not used.size or not used[first]:
        return "no use in them"
    day = int(marked.day[first])
    low, high = np.searchsorted(marked.day, (day, day + 1))
    if day not in marked.told:
        clock = account.usage.part(channel, span).calendar(span.zone)
        hours = hours_text(clock, marked.slots[low:high])
        marked.told[day] = f"{date_of(day):%a} {date_of(day).isoformat()} {hours}: {high - low} intervals"
    kwh = to_kwh(float(np.nansum(values[low:high])), account.exponent(channel))
    return f"for example {marked.told[day]}, {kwh:f} kWh"


def hours_text(clock: LocalCalendar, slots: Slots) -> str:
    """Return the wall-clock ranges of some slots of one day, such as `00:00–07:00 and 21:00–24:00`."""
    edges = np.flatnonzero(np.diff(slots) > 1)
    firsts, lasts = np.r_[slots[0], slots[edges + 1]], np.r_[slots[edges], slots[-1]]
    ranges = [
        f"{_wall(clock, int(first))}–{_wall(clock, int(last), end=True)}"
        for first, last in zip(firsts, lasts, strict=True)
    ]
    return " and ".join(ranges)


def _wall(clock: LocalCalendar, slot: int, *, end: bool = False) -> str:
    minute = int(clock.minute[slot]) + (clock.interval_s // 60 if end else 0)
    return f"{minute // 60:02d}:{minute % 60:02d}"


def wall_time(clock: LocalCalendar, slot: int) -> str:
    """Return date and wall-clock time at which a slot begins."""
    day = date_of(int(clock.day[slot]))
    return f"{day:%a} {day.isoformat()} {_wall(clock, slot)}"


def days_text(span: Span) -> str:
    """Return the first and last day of a span."""
    return f"{span.first.isoformat()} to {(span.last - timedelta(days=1)).isoformat()}"
