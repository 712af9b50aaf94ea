"""`gridwright usage-point totals`: the energy of each civil day, as known now or then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridwright.cli.context import platform
from gridwright.cli.options import Json
from gridwright.cli.output import print_json, print_table, say
from gridwright.cli.source import Period
from gridwright.domain.interval import parse_instant, parse_period, zone_of

if TYPE_CHECKING:
    from datetime import datetime

    from gridwright.domain.interval import Interval


COLUMNS = ("peak kW", "intervals", "measured", "estimated", "edited", "missing")


def register(app: typer.Typer) -> None:
    """Add the command to `gridwright usage-point`."""
    app.command(epilog="Example: gridwright usage-point totals UP-1042 --period 2025-03 --as-of 2025-04-02")(totals)


def totals(
    point: Annotated[str, typer.Argument(help="The usage point.")],
    *,
    period: Period = "",
    as_of: Annotated[str, typer.Option("--as-of", help="As known at this instant, such as 2025-04-01T12:00.")] = "",
    as_json: Json = False,
) -> None:
    """Show the delivered energy of each civil day: total, channels, peak, and how its intervals are known."""
    from gridwright.jobs.load.load_totals import is_known, load_totals

    wired = platform()
    zone = zone_of(wired.store.registry.point(wired.access, point).zone)
    asked: Interval | None = parse_period(period, zone) if period else None
    known_at: datetime | None = parse_instant(as_of, zone) if as_of else None
    rows = load_totals(wired.store, wired.access, point, asked, as_of=known_at)
    if as_json:
        print_json([row.to_dict() for row in rows])
        return
    if not rows:
        if is_known(wired.store, wired.access, point, asked, as_of=known_at):
            say("No day totals: readings become final when the server, or gridwright bill correct, has judged them.")
        else:
            say(f"No day totals: no reading of {point}{_of(period)} {_known(known_at)}.")
    channels = sorted({name for row in rows for name in row.channels})
    header = ("day", "kWh", *(f"{name} kWh" for name in channels), *COLUMNS)
    print_table(header, [_cells(row.to_dict(), channels) for row in rows])


def _of(period: str) -> str:
    return f" of {period}" if period else ""


def _known(at: datetime | None) -> str:
    return f"was known at {at.isoformat()}" if at else "is known; gridwright reading import FILE brings some"


def _cells(row: dict[str, Any], channels: list[str]) -> tuple[str, ...]:
    counts = ("intervals", "measured", "estimated", "edited", "missing")
    peak = "" if row["peak_kw"] is None else f"{row['peak_kw']:.3f}"
    each = (f"{row['channels'][name]:.3f}" if name in row["channels"] else "" for name in channels)
    return (row["day"], f"{row['kwh']:.3f}", *each, peak, *(str(row[name]) for name in counts))
