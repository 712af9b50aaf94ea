"""The cancelling of a wrong meter exchange: what it would do is shown before it is done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gridwright.cli.output import say
from gridwright.cli.previewed import Manner, Previewed, go_through
from gridwright.domain.interval import clock_time
from gridwright.jobs.meters.cancel_exchange import CancelPreview, ExchangeCancelling, cancel, preview_cancel

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from gridwright.app import Platform
    from gridwright.domain.register import RegisterReading


def run_cancelling(wired: Platform, order: ExchangeCancelling, manner: Manner) -> None:
    """Preview, confirm, cancel, and tell what is installed then."""
    seen = preview_cancel(wired.store, wired.access, order)
    zone = wired.store.registry.point(wired.access, order.usage_point).tz
    change = Previewed(
        lambda: tell(order, seen, zone),
        plain(order, seen),
        "Cancel the exchange?",
        lambda: cancel(wired.store, wired.access, order, now=wired.clock()),
        zone,
    )
    go_through(change, manner)


def tell(order: ExchangeCancelling, seen: CancelPreview, zone: ZoneInfo) -> None:
    """Say what cancelling would do, and every doubt."""
    say(f"{order.usage_point}: {what_never_was(seen)} at {clock_time(order.at, zone)} never was, {who_goes_on(seen)}.")
    for read in seen.no_more:
        say(f"Counts no more: {worded(read, zone)}{which_read(read, seen)}.")
    for each in seen.written:
        if each.earlier:
            say(f"Counts again: {worded(each.earlier, zone)}.")
    period = seen.judged_again
    say(f"Judged again: {clock_time(period.start, zone)} to {clock_time(period.end, zone)}.")
    if seen.bills:
        say(f"Rated again: {', '.join(seen.bills)}; where money changes, a note is drafted.")
    for doubt in seen.doubts:
        say(f"Look again: {doubt}.")


def what_never_was(seen: CancelPreview) -> str:
    """Say what is taken back: a meter's coming, or other transformers of one that stayed."""
    same = seen.goes_on is not None and seen.goes_on.end_device == seen.gone.end_device
    factor = f"the change of {seen.gone.end_device} to the transformer factor {seen.gone.multiplier}"
    return factor if same else f"the exchange to {seen.gone.end_device}"


def who_goes_on(seen: CancelPreview) -> str:
    """Say which meter hangs there then."""
    return f"{seen.goes_on.end_device} (x{seen.goes_on.multiplier}) goes on" if seen.goes_on else "no meter goes on"


def worded(read: RegisterReading, zone: ZoneInfo) -> str:
    """Return a read as a person reads it."""
    kwh = read.value * read.reading_type.resolution / 1000
    return f"{kwh:,.3f} kWh {read.reading_type.flow} of meter {read.end_device} at {clock_time(read.at, zone)}"


def which_read(read: RegisterReading, seen: CancelPreview) -> str:
    """Say which of the exchange's reads one is: where the meter stayed, both may be the same in all else."""
    pair = sorted((each.read for each in seen.written if each.read.reading_type == read.reading_type), key=_epoch)
    if len(pair) < 2 or read not in pair:  # noqa: PLR2004 - one closes, and one opens
        return ""
    return ", the final read" if read == pair[0] else ", the opening read"


def _epoch(read: RegisterReading) -> int:
    return read.epoch


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
