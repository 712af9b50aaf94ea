"""`gridwright quarantine`: readings of meters nobody knows, claimed for the usage point where they hang, or let go."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from gridwright.cli import claim_list
from gridwright.cli.control import Key, Yes, acting
from gridwright.cli.options import Json
from gridwright.cli.output import print_json, print_table, say
from gridwright.domain.errors import UsageError
from gridwright.domain.interval import clock_time, parse_instant
from gridwright.domain.written_number import read_number

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from gridwright.domain.quarantine import QuarantinedReading
    from gridwright.jobs.meters.preview_claim import ClaimSeen

app = typer.Typer(help="Readings of meters nobody knows: listed, claimed, let go.", no_args_is_help=True)
claim_list.register(app)
Waiting = Annotated[str, typer.Argument(metavar="METER", help="The name under which they came, as the list shows it.")]
MINUTE = "%Y-%m-%dT%H:%M:%SZ"


@app.command("list", epilog="Example: gridwright quarantine list --json")
def list_(
    *,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many.")] = 100,
    after: Annotated[str, typer.Option("--after", help="Go on behind this name.")] = "",
    key: Key = "",
    as_json: Json = False,
) -> None:
    """List the meters nobody knows, by name, with how many of their readings and events wait."""
    from gridwright.jobs.meters.waiting_meters import waiting_meters

    wired = acting(key)
    rows = waiting_meters(wired.store, wired.access, limit=limit + 1, after=after)
    found, following = rows[:limit], rows[limit - 1].meter if len(rows) > limit else None
    if as_json:
        print_json({"meters": [asdict(each) for each in found], "next": following})
        return
    if not found:
        say("Nothing waits: the meter of every reading is known.")
        return
    print_table(
        ("meter", "readings", "events", "first", "last", "came in"),
        [
            (
                each.meter,
                str(each.readings),
                str(each.events),
                *(f"{at:{MINUTE}}" for at in (each.first, each.last, each.received)),
            )
            for each in found
        ],
    )
    say(
        f"There are more: --after {following}"
        if following
        else "Where one hangs: gridwright quarantine claim METER UP; many at once: quarantine claim-list FILE"
    )
    if (days := wired.settings.retention.quarantine_days) is not None:
        say(f"What waits for more than {days:g} days is deleted (retention.quarantine_days).")


@app.command(epilog="Example: gridwright quarantine show M-9 --limit 5")
def show(
    *,
    meter: Waiting,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="At most so many.")] = 50,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Show the readings and the events of one meter that wait, in order of time."""
    wired = acting(key)
    found = wired.store.quarantine.readings(wired.access, meter, limit=limit)
    events = wired.store.waiting_events.of(wired.access, meter, limit=limit)
    if as_json:
        print_json(
            {
                "meter": meter,
                "readings": [_plain(each) for each in found],
                "events": [{"at": each.at, "type": each.type, "text": each.text} for each in events],
            }
        )
        return
    if not found:
        say(f"No readings of {meter} wait.")
    else:
        print_table(
            ("at", "interval", "value", "reading type"),
            [(f"{each.at:{MINUTE}}", _length(each), f"{_value(each):.12g}", str(each.reading_type)) for each in found],
        )
    if events:
        print_table(("at", "event", "text"), [(f"{each.at:{MINUTE}}", each.type, each.text) for each in events])


@app.command(epilog="Example: gridwright quarantine claim M-9 UP-1042 --since 2025-03-01 --dry-run")
def claim(
    *,
    meter: Waiting,
    point: Annotated[str, typer.Argument(metavar="USAGE_POINT", help="Where it hangs; a known usage point.")],
    since: Annotated[str, typer.Option("--since", help="Since when; left out, since its first reading.")] = "",
    multiplier: Annotated[str, typer.Option("--multiplier", help="Transformer factor.")] = "1",
    channel: Annotated[str, typer.Option("--channel", help="Move them into this channel of their type.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what it would do, record nothing.")] = False,
    yes: Yes = False,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Register and install an unknown meter at a usage point, and move its readings in, as far as they fit.

    A name that is a usage point by now is claimed for itself: its readings move in, and no meter is installed.
    """
    from gridwright.jobs.meters.claim_meter import claim_in_portions
    from gridwright.jobs.meters.claimed_place import MeterClaim
    from gridwright.jobs.meters.preview_claim import preview_claim

    wired = acting(key)
    zone = wired.store.registry.point(wired.access, point).tz
    factor = read_number(multiplier, "--multiplier")
    if not factor:
        raise UsageError("a transformer factor of 0 makes every reading 0", remedy="leave --multiplier out for none")
    wish = MeterClaim(meter, point, parse_instant(since, zone) if since else None, factor, channel)
    seen = preview_claim(wired.store, wired.access, wish, now=wired.clock())
    if not as_json:
        _tell(seen, zone)
    if not dry_run and not yes and not as_json and sys.stdin.isatty():
        typer.confirm(f"Claim {meter} for {point}?", abort=True, err=True)
    done = None if dry_run else claim_in_portions(wired.store, wired.access, wish, now=wired.clock())
    if as_json:
        told = {"meter": meter, "usage_point": point, "waiting": seen.waiting, "since": seen.place.period.start}
        counts = {"intervals": done.intervals if done else 0, "registers": done.registers if done else 0}
        print_json(
            {**told, "ends": seen.ends, **counts, "notes": done.notes if done else seen.notes, "dry_run": dry_run}
        )
    elif done is None:
        say("Dry run: nothing was recorded.")
    else:
        where = f"{meter} hangs at {point}" if done.installation else f"Readings of {point} itself"
        say(f"{where}: {done.intervals} intervals and {done.registers} register reads moved in.")


@app.command(epilog='Example: gridwright quarantine drop M-9 --reason "a test bench"')
def drop(
    *,
    meter: Waiting,
    reason: Annotated[str, typer.Option("--reason", help="Why; it stays in the audit chain.")],
    yes: Yes = False,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Let the readings and events of a meter go that will never be claimed, for a reason that is recorded."""
    from gridwright.jobs.meters.waiting_meters import drop_waiting, waiting_meter

    if not reason.strip():
        raise UsageError("--reason is empty", remedy="say why, for whoever reads the audit chain")
    wired = acting(key)
    if not yes and not as_json and sys.stdin.isatty():
        waits = waiting_meter(wired.store, wired.access, meter)
        waiting = _counted(waits.readings if waits else 0, waits.events if waits else 0)
        typer.confirm(f"Let {waiting} of {meter} go?", abort=True, err=True)
    dropped, events = drop_waiting(wired.store, wired.access, meter, reason=reason.strip())
    if as_json:
        print_json({"meter": meter, "dropped": dropped, "events": events})
    else:
        say(f"{_counted(dropped, events)} of {meter} are gone.")


def _counted(readings: int, events: int) -> str:
    return f"{readings} readings" + (f" and {events} events" if events else "")


def _tell(seen: ClaimSeen, zone: ZoneInfo) -> None:
    first, last = clock_time(seen.first, zone), clock_time(seen.last, zone)
    say(f"{seen.waiting} readings wait, from {first} to {last}; {seen.moving} of them move in.")
    begun = clock_time(seen.place.period.start, zone)
    if seen.own:
        say("They were sent under the id of the usage point itself: no meter is installed for them.")
    elif not seen.new:
        say(f"The meter hangs there already, since {begun}.")
    elif seen.ends:
        say(f"It replaces meter {seen.ends} on {begun}.")
    for note in seen.notes:
        say(f"  {note}")


def _plain(each: QuarantinedReading) -> dict[str, object]:
    kind = each.reading_type
    return {"at": each.at, "interval_s": each.interval_s, "value": _value(each), "unit": kind.unit, "type": kind.code}


def _value(each: QuarantinedReading) -> float:
    from gridwright.domain.units import base_amount

    return base_amount(each.value, each.reading_type)


def _length(each: QuarantinedReading) -> str:
    return f"{each.interval_s / 60:g} min" if each.interval_s else "register"
