"""`gridwright dispatch`: plan a battery over the forecast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridwright.cli.context import platform
from gridwright.cli.options import Json, Site, with_reading, with_site
from gridwright.cli.output import print_json, print_table, say
from gridwright.cli.source import File, Points, Tariff, rows_of, usable
from gridwright.domain.errors import UsageError
from gridwright.formats.source import ReadOptions

if TYPE_CHECKING:
    from gridwright.jobs.outlook.plan_dispatch import Planned

app = typer.Typer(help="Plan storage against prices and the forecast.", no_args_is_help=True)
POSITIVE = 0.01


@app.callback()
def group() -> None:
    """Plan storage against prices and the forecast."""


@app.command(epilog="Example: gridwright dispatch plan town.csv --usage-point UP-1043 --tariff residential-tou")
@with_site
@with_reading
def plan(
    *,
    file: File = None,
    points: Points = None,
    tariff: Tariff = None,
    horizon: Annotated[str, typer.Option("--horizon", help="How far ahead: 24h, 2d.")] = "24h",
    capacity_kwh: Annotated[float, typer.Option("--battery-kwh", min=POSITIVE, help="Battery: usable energy.")] = 10.0,
    power_kw: Annotated[float, typer.Option("--battery-kw", min=POSITIVE, help="Battery: power both ways.")] = 5.0,
    efficiency: Annotated[
        float, typer.Option("--round-trip", min=POSITIVE, max=1, help="Battery: efficiency there and back.")
    ] = 0.9,
    stored_kwh: Annotated[float, typer.Option("--stored-kwh", min=0, help="Battery: energy in it now.")] = 0.0,
    as_json: Json = False,
    reading: ReadOptions,
    site: Site,
) -> None:
    """Plan when a battery should charge and discharge, and tell what that saves."""
    from gridwright.app import duration
    from gridwright.domain.plan import Battery
    from gridwright.jobs.outlook.plan_dispatch import plan_dispatch

    if stored_kwh > capacity_kwh:
        raise UsageError(f"--stored-kwh {stored_kwh:g} is more than --battery-kwh {capacity_kwh:g} can hold")
    one_way = efficiency**0.5
    battery = Battery(capacity_kwh, power_kw, power_kw, one_way, one_way, initial_kwh=stored_kwh, feeds_in=False)
    wired = platform()
    card = wired.rate_card(tariff)
    plans = [
        plan_dispatch(group, row, card, battery, horizon=duration(horizon))
        for group in usable(wired, file, points, reading, site)
        for row in rows_of(group, points)
    ]
    if as_json:
        print_json({"plans": [planned_json(planned) for planned in plans]})
        return
    for planned in plans:
        for line in words(planned):
            say(line)
        print_table(
            ("start", "price", "load kW", "PV kW", "charge kW", "discharge kW", "stored kWh", "grid kW"),
            [tuple(str(value) for value in step.values()) for step in steps(planned)],
        )


def words(planned: Planned) -> list[str]:
    """Say what the plan is worth, and which limit gave way."""
    plan = planned.plan
    return [
        (
            f"{planned.usage_point}: {plan.cost:.2f} instead of {plan.cost_without:.2f} {plan.currency}, "
            f"saves {plan.saving:.2f} (forecast by {planned.model})"
        ),
        *(f"  gave way: {r.name} by {r.amount:.3f} {r.unit} at {r.at.isoformat()}" for r in plan.relaxations),
        *(f"  {note}" for note in planned.prices.notes),
    ]


def planned_json(planned: Planned) -> dict[str, Any]:
    """Return a plan with its steps."""
    plan = planned.plan
    return {
        "usage_point": planned.usage_point,
        "zone": planned.zone,
        "model": planned.model,
        "cost": plan.cost,
        "cost_without": plan.cost_without,
        "saving": plan.saving,
        "currency": plan.currency,
        "relaxations": [
            {"name": r.name, "amount": r.amount, "unit": r.unit, "at": r.at.isoformat()} for r in plan.relaxations
        ],
        "notes": list(planned.prices.notes),
        "steps": steps(planned),
    }


def steps(planned: Planned) -> list[dict[str, Any]]:
    """Return what happens in each interval."""
    plan = planned.plan
    columns = {
        "price": planned.prices.buy,
        "load_kw": planned.load_kw,
        "pv_kw": planned.received_kw,
        "charge_kw": plan.charge_kw,
        "discharge_kw": plan.discharge_kw,
        "stored_kwh": plan.stored_kwh,
        "grid_kw": plan.delivered_kw - plan.received_kw,
    }
    return [
        {
            "start": (plan.start + plan.interval * at).isoformat(),
            **{name: round(float(values[at]), 6) for name, values in columns.items()},
        }
        for at in range(plan.charge_kw.size)
    ]
