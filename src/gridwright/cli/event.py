"""`gridwright event`: demand response, from the offer to the payment."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridwright.cli.context import platform
from gridwright.cli.options import Json
from gridwright.cli.output import print_json, print_table, say
from gridwright.domain.errors import InputError, UsageError
from gridwright.domain.written_number import read_number

if TYPE_CHECKING:
    from gridwright.app import Platform
    from gridwright.domain.program import Event, Performance, Program

app = typer.Typer(help="Demand response: programs, events, what they delivered and what is paid.", no_args_is_help=True)
program = typer.Typer(
    help="Offers to customers: what is paid for a kWh not used during an event.", no_args_is_help=True
)
app.add_typer(program, name="program")

AMOUNTS = ("baseline_kwh", "actual_kwh", "reduction_kwh", "payment")
EventId = Annotated[str, typer.Argument(metavar="EVENT", help="The event, as `event list` names it.")]


@program.command("add", epilog="Example: gridwright event program add peak --price 0.50 --currency EUR")
def add_program(
    name: Annotated[str, typer.Argument(metavar="PROGRAM", help="Its id, such as peak.")],
    *,
    price: Annotated[str, typer.Option("--price", help="Paid for each kWh not used.")],
    currency: Annotated[str, typer.Option("--currency", help="Currency (default: of the settings).")] = "",
    title: Annotated[str, typer.Option("--name", help="What customers read.")] = "",
    baseline: Annotated[str, typer.Option("--baseline", help="Rule of the baseline, such as 10-of-10.")] = "10-of-10",
    as_json: Json = False,
) -> None:
    """Add a program, or change it; what is settled stays as it is."""
    from gridwright.demand_response import baseline_rule
    from gridwright.domain.program import Program

    wired = platform()
    rule = baseline_rule(baseline)
    unit = currency or wired.settings.billing.currency
    offer = Program(name, title or name, unit.upper(), _price(price), rule.id)
    new = wired.store.programs.save_program(wired.access, offer)
    if as_json:
        print_json({**_program(offer), "changed": new})
        return
    say(f"{offer.id}: {offer.price_per_kwh:f} {offer.currency} a kWh below the {rule.text}" if new else "Nothing new.")


@program.command("list", epilog="Example: gridwright event program list --json")
def list_programs(as_json: Json = False) -> None:
    """List the programs."""
    wired = platform()
    offers = wired.store.programs.programs(wired.access)
    if as_json:
        print_json({"programs": [_program(offer) for offer in offers]})
        return
    print_table(
        ("program", "name", "price per kWh", "currency", "baseline"),
        [(each.id, each.name, f"{each.price_per_kwh:f}", each.currency, each.baseline) for each in offers],
    )


@app.command(
    epilog="Example: gridwright event plan peak --from 2025-03-05T17:00 --to 2025-03-05T19:00 --target UP-1042"
)
def plan(
    name: Annotated[str, typer.Argument(metavar="PROGRAM", help="The program, as `event program list` names it.")],
    *,
    start: Annotated[str, typer.Option("--from", help="Begin, by the clock of the site's zone.")],
    end: Annotated[str, typer.Option("--to", help="End.")],
    targets: Annotated[
        list[str] | None, typer.Option("--target", help="A usage point that takes part; repeatable.")
    ] = None,
    everybody: Annotated[
        bool, typer.Option("--all", help="Every customer's usage point in the store takes part.")
    ] = False,
    signal: Annotated[str, typer.Option("--signal", help="What participants are asked for, in words.")] = "",
    as_json: Json = False,
) -> None:
    """Plan an event; its participants count as told now."""
    from gridwright.domain.interval import Interval, parse_instant, zone_of
    from gridwright.jobs.programs.run_event import plan_event

    wired = platform()
    zone = zone_of(wired.settings.site.zone)
    event = plan_event(
        wired.store,
        wired.access,
        program=name,
        period=Interval(parse_instant(start, zone), parse_instant(end, zone)),
        targets=_targets(wired, targets or [], everybody=everybody),
        signal=signal,
        now=wired.clock(),
    )
    if as_json:
        print_json(_event(event))
        return
    say(f"{event.id}: {len(event.participants)} usage points, {event.period}")


@app.command("list", epilog="Example: gridwright event list --json")
def list_events(
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many, the newest first.")] = 100,
    as_json: Json = False,
) -> None:
    """List events, the newest first."""
    wired = platform()
    events = [_now(wired, each) for each in wired.store.programs.events(wired.access, limit=limit)]
    if as_json:
        print_json({"events": [_event(each) for each in events]})
        return
    print_table(
        ("event", "program", "state", "from", "to", "participants"),
        [
            (
                each.id,
                each.program,
                str(each.state),
                each.period.start.isoformat(),
                each.period.end.isoformat(),
                str(len(each.participants)),
            )
            for each in events
        ],
    )


@app.command(epilog="Example: gridwright event show EVENT --json")
def show(event_id: EventId, as_json: Json = False) -> None:
    """Show an event and what each participant delivered, as far as it was measured."""
    wired = platform()
    event = _now(wired, wired.store.programs.event(wired.access, event_id))
    rows = wired.store.programs.performances(wired.access, event=event_id)
    if as_json:
        print_json({**_event(event), "performances": [_performance(each) for each in rows]})
        return
    for key, value in _event(event).items():
        say(f"{key}: {', '.join(value) if isinstance(value, list) else value}")
    _print_performances(rows)


@app.command("opt-out", epilog="Example: gridwright event opt-out EVENT UP-1042")
def opt_out(
    event_id: EventId,
    point: Annotated[str, typer.Argument(help="The usage point that does not take part.")],
    as_json: Json = False,
) -> None:
    """Take a usage point out of an event that is not over."""
    from gridwright.jobs.programs import run_event

    wired = platform()
    event = run_event.opt_out(wired.store, wired.access, event_id, point, now=wired.clock())
    _tell(event, f"{point} is out; {len(event.participants)} take part.", as_json=as_json)


@app.command(epilog="Example: gridwright event cancel EVENT")
def cancel(event_id: EventId, as_json: Json = False) -> None:
    """Cancel an event that is not over; it pays nothing."""
    from gridwright.jobs.programs.run_event import cancel_event

    wired = platform()
    event = cancel_event(wired.store, wired.access, event_id, now=wired.clock())
    _tell(event, f"{event.id} is cancelled.", as_json=as_json)


@app.command(epilog="Example: gridwright event measure EVENT --json")
def measure(event_id: EventId, as_json: Json = False) -> None:
    """Measure what each participant delivered; can be done again as readings arrive, until it is settled."""
    from gridwright.jobs.programs.run_event import measure_event

    wired = platform()
    rows = measure_event(wired.store, wired.access, event_id, wired.site, wired.clock())
    if as_json:
        print_json({"event": event_id, "performances": [_performance(each) for each in rows]})
        return
    _print_performances(rows)


@app.command(epilog="Example: gridwright event settle EVENT --json")
def settle(event_id: EventId, as_json: Json = False) -> None:
    """Settle an event once and for all; the payments become lines of the next bills."""
    from gridwright.jobs.programs.settle_event import settle_event

    wired = platform()
    done = settle_event(wired.store, wired.access, event_id, site=wired.site, now=wired.clock())
    if as_json:
        print_json(
            done.to_dict()
            | {"portfolio": done.portfolio.to_dict() | _exact(done.portfolio, ("paid_kwh", *AMOUNTS))}
            | {"performances": [_performance(each) for each in done.performances]}
        )
        return
    _print_performances(done.performances)
    whole = done.portfolio
    say(
        f"Together {whole.reduction_kwh:f} kWh less than the baseline ({done.rule}); "
        f"{whole.payment:f} {whole.currency} are paid for {whole.paid_kwh:f} kWh saved."
    )
    if whole.band_kwh is not None:
        say(f"On days without event this baseline is off by {whole.bias_kwh:+.3f} kWh ± {whole.band_kwh:.3f} (80 %).")
    for point, reason in done.problems.items():
        say(f"Not measured: {point}: {reason}")


def _targets(wired: Platform, named: list[str], *, everybody: bool) -> list[str]:
    if everybody == bool(named):
        raise UsageError("say who takes part", remedy="either --target POINT, as often as needed, or --all")
    if not everybody:
        return named
    from gridwright.jobs.billing.customers import customers

    return customers(wired.store, wired.access)


def _price(text: str) -> Decimal:
    with suppress(InputError):
        price = read_number(text, "--price")
        if price:
            return price
    raise UsageError(f"--price {text!r} is no price", remedy="write for example --price 0.50")


def _now(wired: Platform, event: Event) -> Event:
    """Return the event as it stands by the clock, whether or not a server has moved it already."""
    from gridwright.jobs.programs.run_event import by_clock

    return by_clock(event, wired.clock())


def _tell(event: Event, sentence: str, *, as_json: bool) -> None:
    if as_json:
        print_json(_event(event))
    else:
        say(sentence)


def _print_performances(rows: list[Performance] | tuple[Performance, ...]) -> None:
    print_table(
        ("usage point", "baseline kWh", "used kWh", "saved kWh", "payment", "currency", "note"),
        [
            (
                each.usage_point,
                f"{each.baseline_kwh:f}",
                f"{each.actual_kwh:f}",
                f"{each.reduction_kwh:f}",
                f"{each.payment:f}",
                each.currency,
                each.note,
            )
            for each in rows
        ],
    )


def _program(offer: Program) -> dict[str, Any]:
    return {
        "program": offer.id,
        "name": offer.name,
        "price_per_kwh": offer.price_per_kwh,
        "currency": offer.currency,
        "baseline": offer.baseline,
    }


def _event(event: Event) -> dict[str, Any]:
    notified: datetime | None = event.notified
    return {
        "event": event.id,
        "program": event.program,
        "state": str(event.state),
        "from": event.period.start.isoformat(),
        "to": event.period.end.isoformat(),
        "signal": event.signal,
        "notified": notified.isoformat() if notified else None,
        "targets": list(event.targets),
        "opted_out": list(event.opted_out),
    }


def _performance(each: Performance) -> dict[str, Any]:
    from gridwright.demand_response import performance_dict

    return performance_dict(each) | _exact(each, AMOUNTS)


def _exact(each: object, names: tuple[str, ...]) -> dict[str, Any]:
    """Return amounts as decimals, which are printed as numbers: the store's texts are for programs that keep them."""
    return {name: getattr(each, name) for name in names}
