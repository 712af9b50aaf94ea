"""`gridwright vee again`: have readings judged, estimated and added up again, as if they had changed."""

from __future__ import annotations

from typing import Annotated

import typer

from gridwright.cli.control import Key, acting
from gridwright.cli.options import Json
from gridwright.cli.output import print_json, say
from gridwright.cli.source import Period
from gridwright.domain.interval import parse_period, zone_of

AGAIN = "Example: gridwright vee again UP-1042 --period 2025-03"
Named = Annotated[list[str] | None, typer.Argument(metavar="POINT", help="Usage points; left out, all that are seen.")]


def register(app: typer.Typer) -> None:
    """Add the command to `gridwright vee`."""
    app.command("again", epilog=AGAIN)(again)


def again(*, points: Named = None, period: Period = "", key: Key = "", as_json: Json = False) -> None:
    """Have readings judged, estimated and added up again, by the rules in force now; what comes out as before stays."""
    wired = acting(key)
    known = wired.store.registry.points(wired.access, points or None)
    names = [each.id for each in known]
    zone = known[0].zone if len(known) == 1 else wired.settings.site.zone
    asked = parse_period(period, zone_of(zone)) if period else None
    marked = wired.store.dirty.again(wired.access, names, asked) if names else 0
    if as_json:
        print_json({"usage_points": marked})
        return
    if not marked:
        say(f"There are no readings of intervals{f' of {period}' if period else ''}: nothing is to be done.")
        return
    say(f"{marked} usage points are to be judged again: the server does it by itself, or gridwright bill correct.")
