"""The cancelling of a wrong meter exchange: what it would do is shown before it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gridwright.cli.output import say
from gridwright.cli.previewed import Manner, Previewed, go_through
from gridwright.jobs.meters.cancel_exchange import CancelPreview, ExchangeCancelling, cancel, preview_cancel

if TYPE_CHECKING:
    from gridwright.app import Platform
    from gridwright.domain.register import RegisterReading


def run_cancelling(wired: Platform, order: ExchangeCancelling, manner: Manner) -> None:
    """Preview, confirm, cancel, and tell what is installed then."""
    seen = preview_cancel(wired.store, wired.access, order)
    change = Previewed(
        lambda: tell(order, seen),
        plain(order, seen),
        "Cancel the exchange?",
        lambda: cancel(wired.store, wired.access, order, now=wired.clock()),
    )
    go_through(change, manner)


def tell(order: ExchangeCancelling, seen: CancelPreview) -> None:
    """Say what cancelling would do, and every doubt."""
    on = f"{seen.goes_on.end_device} (x{seen.goes_on.multiplier}) goes on" if seen.goes_on else "no meter goes on"
    say(f"{order.usage_point}: the exchange to {seen.gone.end_device} at {order.at.isoformat()} never was, {on}.")
    for read in seen.no_more:
        say(f"Counts no more: {worded(read)}.")
    for each in seen.written:
        if each.earlier:
            say(f"Counts again: {worded(each.earlier)}.")
    period = seen.judged_again
    say(f"Judged again: {period.start.isoformat()} to {period.end.isoformat()}.")
    if seen.bills:
        say(f"Rated again: {', '.join(seen.bills)}; where money changes, a note is drafted.")
    for doubt in seen.doubts:
        say(f"Look again: {doubt}.")


def worded(read: RegisterReading) -> str:
    """Return a read as a person reads it."""
    kwh = read.value * read.reading_type.resolution / 1000
    return f"{kwh:,.3f} kWh {read.reading_type.flow} of meter {read.end_device} at {read.at.isoformat()}"


def plain(order: ExchangeCancelling, seen: CancelPreview) -> dict[str, Any]:
    """Return what cancelling would do as a JSON object."""
    return {
        "usage_point": order.usage_point,
        "at": order.at,
        "gone": seen.gone.end_device,
        "goes_on": seen.goes_on.end_device if seen.goes_on else None,
        "withdrawn": [plain_read(each) for each in seen.no_more],
        "restored": [plain_read(each.earlier) for each in seen.written if each.earlier],
        "judged_again": {"from": seen.judged_again.start, "to": seen.judged_again.end},
        "bills": list(seen.bills),
        "doubts": list(seen.doubts),
    }


def plain_read(read: RegisterReading) -> dict[str, Any]:
    """Return a register read as a JSON object."""
    kind = read.reading_type
    return {"meter": read.end_device, "at": read.at, "kwh": read.value * kind.resolution / 1000, "flow": kind.flow}
