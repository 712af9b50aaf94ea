"""`gridwright outage`: outages as meters and people told them; told of, and taken back."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from gridwright.cli.control import Key, Yes, acting
from gridwright.cli.options import Json
from gridwright.cli.output import print_json, print_table, say
from gridwright.domain.errors import UsageError
from gridwright.domain.interval import Interval, exact_instant, parse_period, zone_of

if TYPE_CHECKING:
    from gridwright.api.ingest.verdicts import Verdicts
    from gridwright.app import Platform

app = typer.Typer(help="Outages: listed, told of, taken back.", no_args_is_help=True)
Points = Annotated[list[str], typer.Argument(metavar="USAGE_POINT...", help="Where power was off.")]
Start = Annotated[str, typer.Option("--from", help="When power went, by the clock of the usage points.")]
Text = Annotated[str, typer.Option("--text", help="What is to be remembered of it.")]
MINUTE = "%Y-%m-%dT%H:%M:%SZ"
LATELY = timedelta(days=31)
SHOWN = 20  # verdicts that are told on a terminal; --json tells all


@app.command("list", epilog="Example: gridwright outage list --period 2025-03 --json")
def list_(
    *,
    period: Annotated[str, typer.Option("--period", help="Which days, in the site's zone; the last 31 without.")] = "",
    key: Key = "",
    as_json: Json = False,
) -> None:
    """List outages, the newest first, with the indices of reliability."""
    from gridwright.jobs.grid.grid_events import grid_outages

    wired = acting(key)
    now = wired.clock()
    chosen = parse_period(period, zone_of(wired.settings.site.zone)) if period else Interval(now - LATELY, now)
    told = grid_outages(wired.store, wired.access, chosen).to_dict()
    if as_json:
        print_json(told)
        return
    if not told["outages"]:
        say("Nobody told of an outage.")
        return
    print_table(
        ("from", "to", "minutes", "node", "usage points"),
        [
            (each["from"], each["to"] or "", f"{each['minutes']:g}", each["node"], _shown(each["usage_points"]))
            for each in told["outages"]
        ],
    )
    indices = told["reliability"]
    say(
        f"{told['outages_total']} outages of {indices['customers']} customers: SAIDI {indices['saidi_min']:g} minutes, "
        f"SAIFI {indices['saifi']:g}, MAIFI {indices['maifi']:g}."
    )


@app.command(
    epilog='Example: gridwright outage add UP-1042 --from 2025-03-03T08:15 --to 2025-03-03T12:40 --text "storm"'
)
def add(
    *,
    points: Points,
    start: Start,
    end: Annotated[str, typer.Option("--to", help="When it was back; left out while it is not.")] = "",
    text: Text = "",
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Tell that usage points had no power: estimates there are zero, zeros are no doubt, and bills follow."""
    from gridwright.api.outages import with_verdicts
    from gridwright.jobs.grid.tell_outage import OutageTold, require_likely, tell_outage

    wired = acting(key)
    told = OutageTold((), _instant(wired, points, start), _instant(wired, points, end) if end else None, text)
    require_likely(told, wired.clock())
    done, verdicts = with_verdicts(
        points,
        lambda names: tell_outage(wired.store, wired.access, replace(told, usage_points=names), now=wired.clock()),
    )
    if as_json:
        own = {"usage_points": points, "from": told.start, "to": told.end, "events": done.events}
        print_json({**own, **verdicts.to_dict()})
    else:
        taken = _taken(points, verdicts)
        until = f"to {told.end:{MINUTE}}" if told.end else "on; tell its end by the same command with --to"
        say(f"{_shown(taken)}: no power from {told.start:{MINUTE}} {until}." if taken else "Nothing is kept.")
        _tell(verdicts)
        if taken:
            say(f"{done.events} reports are new." if done.events else "Nothing new: it was told before.")
    _end(verdicts)


@app.command(epilog="Example: gridwright outage cancel UP-1042 --from 2025-03-03T08:15")
def cancel(
    *, points: Points, start: Start, text: Text = "", yes: Yes = False, key: Key = "", as_json: Json = False
) -> None:
    """Take back an outage that never was, of the usage points where one begins at that instant, whoever told it."""
    from gridwright.api.outages import with_verdicts
    from gridwright.jobs.grid.tell_outage import OutageTold, cancel_outage

    wired = acting(key)
    told = OutageTold((), _instant(wired, points, start), text=text)
    if not yes and not as_json and sys.stdin.isatty():
        typer.confirm(f"Take the outage of {_shown(points)} from {told.start:{MINUTE}} back?", abort=True, err=True)
    done, verdicts = with_verdicts(
        points,
        lambda names: cancel_outage(wired.store, wired.access, replace(told, usage_points=names), now=wired.clock()),
    )
    if as_json:
        own = {"usage_points": points, "from": told.start, "events": done.events, "already": done.already}
        print_json({**own, **verdicts.to_dict()})
    else:
        _tell(verdicts)
        if done.already:
            say(f"{_shown(done.already)}: it was taken back before.")
        say(f"{done.events} reports count no more; they stay on record.")
    _end(verdicts)


def _taken(points: list[str], verdicts: Verdicts) -> list[str]:
    """Return the usage points of which an outage is kept, or waits."""
    refused = {each.index for each in verdicts.listed if each.status == "rejected"}
    return [one for at, one in enumerate(points) if at not in refused]


def _tell(verdicts: Verdicts) -> None:
    """Say what was not taken as it was told."""
    for each in verdicts.listed[:SHOWN]:
        say(f"  {each.value}: {each.status}, {each.fault.reason} ({each.fault.remedy})")
    if len(verdicts.listed) > SHOWN:
        say(f"  and {len(verdicts.listed) - SHOWN} more: --json tells them")


def _end(verdicts: Verdicts) -> None:
    """End with 1 where nothing was taken."""
    if verdicts.rejected and not (verdicts.accepted or verdicts.quarantined):
        raise typer.Exit(1)


def _instant(wired: Platform, points: list[str], text: str) -> datetime:
    """Return an instant by the clock of usage points; UsageError where it is another one at each of them.

    Where nobody knows any of them it is the site's clock.
    """
    registry, access = wired.store.registry, wired.access
    known = registry.registered(access, [one for one in dict.fromkeys(points) if access.may_see(one)])
    zones = {point.zone: point.tz for point in registry.points(access, sorted(known))}
    zones = zones or {wired.settings.site.zone: zone_of(wired.settings.site.zone)}
    found = {exact_instant(text, zone) for zone in zones.values()}
    if len(found) > 1:
        raise UsageError(
            f"{text} is not one instant: the usage points lie in {', '.join(sorted(zones))}",
            remedy="write it with an offset, such as 2025-03-03T08:15:00+01:00",
        )
    return found.pop()


def _shown(points: list[str] | tuple[str, ...]) -> str:
    most = 3
    more = f" and {len(points) - most} more" if len(points) > most else ""
    return ", ".join(points[:most]) + more
