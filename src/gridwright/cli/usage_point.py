"""`gridwright usage-point`: what is known of the points in the network."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridwright.cli import add_point, change_point, estimate_read, totals
from gridwright.cli.context import platform
from gridwright.cli.control import Key, acting
from gridwright.cli.options import Json
from gridwright.cli.output import print_json, print_table, say
from gridwright.cli.previewed import Manner, plain_installation

if TYPE_CHECKING:
    from gridwright.app import Platform
    from gridwright.domain.usage_point import UsagePoint

app = typer.Typer(help="Usage points: registered, changed, and what is known of them.", no_args_is_help=True)
totals.register(app)
add_point.register(app)
change_point.register(app)
estimate_read.register(app)
LsbWh = Annotated[int, typer.Option("--lsb-wh", min=1, help="Watt-hours of one count of its last digit.")]


@app.command("list", epilog="Example: gridwright usage-point list --json")
def list_(as_json: Json = False) -> None:
    """List the usage points in the store."""
    points = platform().usage_points()
    if as_json:
        print_json({"usage_points": [plain(point) for point in points]})
        return
    if not points:
        say("The store holds no usage point yet: gridwright reading import FILE brings some, usage-point add one.")
    print_table(
        ("usage point", "zone", "class", "capacity kW", "feeds in"),
        [
            (
                p.id,
                p.zone,
                p.customer_class,
                "" if p.capacity_kw is None else f"{p.capacity_kw:g}",
                "yes" if p.exports else "",
            )
            for p in points
        ],
    )


@app.command(epilog="Example: gridwright usage-point show UP-1042 --json")
def show(
    point: Annotated[str, typer.Argument(help="The usage point.")],
    as_json: Json = False,
) -> None:
    """Show one usage point: what is installed, which series and registers are stored, its open findings and bills."""
    from gridwright.jobs.load.registers_alone import REMEDY, WHY

    wired = platform()
    facts = facts_of(wired, point)
    if as_json:
        print_json(facts)
        return
    for name, value in facts.items():
        if isinstance(value, list):
            say(f"{name}:")
            for entry in value or ["none"]:
                say(f"  {entry if isinstance(entry, str) else ', '.join(f'{k} {v}' for k, v in entry.items())}")
        else:
            say(f"{name}: {value}")
    if facts["registers"] and not facts["series"]:
        say(f"There are register reads alone, and {WHY}. {REMEDY[0].upper()}{REMEDY[1:]}.")


@app.command(epilog="Example: gridwright usage-point exchange UP-1042 --serial M-2077 --at 2026-11-20T09:00:00+01:00")
def exchange(
    *,
    point: Annotated[str, typer.Argument(help="The usage point.")],
    serial: Annotated[
        str, typer.Option("--serial", help="Serial number of the new meter (asked for on a terminal).")
    ] = "",
    at: Annotated[
        str, typer.Option("--at", help="When the new meter took over, such as 2026-11-20T09:00:00+01:00.")
    ] = "",
    final: Annotated[str, typer.Option("--final", help="Final read of the old meter in kWh, or estimate.")] = "",
    opening: Annotated[str, typer.Option("--opening", help="Opening read of the new meter in kWh.")] = "",
    final_received: Annotated[str, typer.Option("--final-received", help="The same of energy fed in.")] = "",
    opening_received: Annotated[str, typer.Option("--opening-received", help="The same of energy fed in.")] = "",
    multiplier: Annotated[str, typer.Option("--multiplier", help="Transformer factor of the new meter.")] = "",
    dials: Annotated[
        int | None, typer.Option("--dials", min=3, max=12, help="Digits before its registers wrap, if they are known.")
    ] = None,
    lsb_wh: LsbWh = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what it would do, record nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again on a terminal.")] = False,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Exchange the meter of a usage point, or its transformers: asks step by step for what is not given."""
    from gridwright.cli.exchange import Answers, run_wizard

    given = Answers(serial, at, final, opening, final_received, opening_received, multiplier, dials, lsb_wh)
    run_wizard(acting(key), point, given, Manner(dry_run, yes, as_json))


@app.command(
    epilog="Example: gridwright usage-point cancel-exchange UP-1042 --at 2026-11-20T09:00+01:00 --reason 'wrong point'"
)
def cancel_exchange(
    *,
    point: Annotated[str, typer.Argument(help="The usage point.")],
    at: Annotated[str, typer.Option("--at", help="When the exchange took place, as it is recorded.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it stays in the audit chain.")],
    with_reads: Annotated[
        bool, typer.Option("--with-reads", help="Withdraw what the new meter told since too.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what it would do, record nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again on a terminal.")] = False,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Cancel a wrong exchange: the old meter goes on, and the reads of the exchange count no more."""
    from gridwright.cli.cancel_exchange import run_cancelling
    from gridwright.domain.interval import exact_instant
    from gridwright.jobs.meters.cancel_exchange import ExchangeCancelling

    wired = acting(key)
    moment = exact_instant(at, wired.store.registry.point(wired.access, point).tz)
    order = ExchangeCancelling(point, moment, reason, with_reads)
    run_cancelling(wired, order, Manner(dry_run, yes, as_json))


@app.command(epilog="Example: gridwright usage-point dials UP-1042 --dials 5 --lsb-wh 1000")
def dials(
    *,
    point: Annotated[str, typer.Argument(help="The usage point.")],
    digits: Annotated[int, typer.Option("--dials", min=3, max=12, help="Digits before its registers wrap.")],
    lsb_wh: LsbWh = 1,
    serial: Annotated[str, typer.Option("--serial", help="A meter that hung there (default: the one that does).")] = "",
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Tell how many dials the meter has; reads that fell because it turned over count on from then."""
    from gridwright.jobs.meters.tell_dials import tell_dials

    wired = acting(key)
    told = tell_dials(wired.store, wired.access, point, (digits, lsb_wh), now=wired.clock(), serial=serial)
    over, reset = ([read.at for read in some] for some in (told.turned_over, told.reset))
    if as_json:
        print_json({"meter": told.meter.serial, "dials": digits, "lsb_wh": lsb_wh, "turned_over": over, "reset": reset})
        return
    room = f"{told.meter.range_wh / 1000:,.0f}"
    say(f"{told.meter.serial}: {digits} dials of {lsb_wh} Wh, which turn over after {room} kWh.")
    for at in over:
        say(f"It turned over before {at.isoformat()}; its register goes on there.")
    for at in reset:
        say(f"It did not turn over before {at.isoformat()}; its register begins anew there.")


def facts_of(wired: Platform, name: str) -> dict[str, Any]:
    """Gather what the store holds about one usage point."""
    store, access = wired.store, wired.access
    point = store.registry.point(access, name)
    return {
        **plain(point),
        "installations": [plain_installation(each) for each in store.registry.installations(access, name)],
        "series": [
            {
                "reading_type": str(one.reading_type),
                "channel": one.reading_type.channel,
                "interval_minutes": one.interval.total_seconds() / 60,
                "from": one.first,
                "to": one.last,
                "readings": one.readings,
            }
            for one in store.readings.known_series(access, name)
        ],
        "registers": [
            {
                "reading_type": str(one.reading_type),
                "channel": one.reading_type.channel,
                "from": one.first,
                "to": one.last,
                "reads": one.reads,
            }
            for one in store.registers.extents(access, name)
        ],
        "findings": [finding.to_dict() for finding in store.findings.load(access, [name])],
        "bills": [
            {"id": one.bill.id, "state": one.bill.state, "total": one.bill.total, "currency": one.bill.currency}
            for one in store.ledger.bills(access, name)
        ],
    }


def plain(point: UsagePoint) -> dict[str, Any]:
    """Return a usage point as a JSON object."""
    return {**asdict(point), "attributes": dict(point.attributes)}
