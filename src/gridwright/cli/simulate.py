"""`gridwright simulate`: a seeded town, told to a running server through the entrances of real devices, or as files."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridwright.cli.options import Json
from gridwright.cli.output import print_json, progress, save, say, tell
from gridwright.domain.errors import UsageError
from gridwright.domain.interval import Interval, from_epoch_s, local_midnight, parse_instant, zone_of

if TYPE_CHECKING:
    from gridwright.simulate.delivery import Delivered, Entrance, Story
    from gridwright.simulate.living import LivingTown

ZONE = "Europe/Berlin"
# How long the town lives on after it was first told.
AHEAD = timedelta(days=30)
MOST_HOMES = 200
# From so much history on there is room for faults of registers too.
ROOM = timedelta(days=14)
# How far ahead the clocks of the first meters on a port are; the others are right.
DRIFTS_S = (47.0, -3.0)
STATE = Path("gridwright-simulate.json")


@dataclass(frozen=True, slots=True)
class Wanted:
    """How the town is told: to which server, how fast, and whether a part of it is called on a port instead."""

    url: str
    key: str
    speed: float
    once: bool
    meters_port: int | None
    state: Path


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: gridwright simulate --url http://127.0.0.1:8080 --key gw_… --homes 24 --days 70")(
        simulate
    )


def simulate(
    *,
    url: Annotated[str, typer.Option("--url", help="Server that the town is told to.")] = "",
    key: Annotated[
        str, typer.Option("--key", envvar="GRIDWRIGHT_KEY", help="Key that may register and write readings.")
    ] = "",
    out: Annotated[Path | None, typer.Option("--out", help="Write files into this folder instead.")] = None,
    homes: Annotated[int, typer.Option("--homes", min=3, max=MOST_HOMES, help="Usage points.")] = 24,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed is another town.")] = 1,
    days: Annotated[int, typer.Option("--days", min=1, max=400, help="Days of history before now.")] = 70,
    since: Annotated[
        str, typer.Option("--from", help="Begin on this day instead (default: --days before today).")
    ] = "",
    speed: Annotated[
        float, typer.Option("--speed", min=0, help="Seconds of the town in one of ours until now; 0 = at once.")
    ] = 0.0,
    once: Annotated[bool, typer.Option("--once", help="End when the present is reached; else go on live.")] = False,
    meters_port: Annotated[
        int | None,
        typer.Option("--meters-port", min=0, max=65_535, help="Put a third of the meters on this port, to be called."),
    ] = None,
    truth: Annotated[Path | None, typer.Option("--truth", help="Write what really happened into this file.")] = None,
    state: Annotated[Path, typer.Option("--state", help="Keeps how far it is, so that it can go on.")] = STATE,
    as_json: Json = False,
) -> None:
    """Tell a simulated town to a server, its past first and then live; stopped by Ctrl-C, it goes on where it was."""
    if bool(url) == (out is not None):
        raise UsageError("where to?", remedy="name either a server by --url or a folder by --out")
    fresh = new_story(url, (homes, seed), days, since)
    if out is not None:
        town = built(fresh, timedelta(0))
        answer: dict[str, Any] = {"files": write_files(town, out)}
        if truth is not None:
            save_truth(town, truth)
    else:
        if not key:
            raise UsageError("the server wants a key", remedy="give --key, or set GRIDWRIGHT_KEY")
        if as_json and not once:
            raise UsageError("--json prints once it has ended", remedy="add --once")
        wanted = Wanted(url, key, speed, once, meters_port, state)
        answer = deliver(resumed(fresh, state, quiet=as_json), wanted, truth, quiet=as_json)
    if as_json:
        print_json(answer)
    elif out is not None:
        for name in answer["files"]:
            tell(str(name))


def new_story(url: str, who: tuple[int, int], days: int, since: str) -> Story:
    """Return a story that begins at a local midnight; a beginning that has not come yet is a UsageError."""
    from gridwright.simulate.delivery import Story

    zone, now = zone_of(ZONE), clock()
    start = local_midnight(now.astimezone(zone).date() - timedelta(days=days), zone)
    if since:
        start = local_midnight(parse_instant(since, zone).astimezone(zone).date(), zone)
    born = from_epoch_s(now.timestamp() // 3600 * 3600)
    if start >= born - timedelta(days=1):
        raise UsageError(f"--from {since!r} leaves no whole day before now", remedy="name an earlier day")
    return Story(url.rstrip("/"), who[0], who[1], start, born, start)


def resumed(fresh: Story, state: Path, *, quiet: bool) -> Story:
    """Return the story as it was left, if it is this town's on this server."""
    from gridwright.simulate.delivery import load_story

    kept = load_story(state)
    if kept is None or not kept.is_same_town(fresh):
        return fresh
    if not quiet:
        say(f"Going on where it was left, at {kept.done:%Y-%m-%d %H:%M} UTC; remove {state} to begin anew.")
    return kept


def built(story: Story, ahead: timedelta = AHEAD) -> LivingTown:
    """Build the story's town: the same story is the same town, whenever it is told."""
    from gridwright.simulate.living import living_town
    from gridwright.simulate.living.build import FAULTS, YEARS
    from gridwright.simulate.town import FaultKind

    zone = zone_of(ZONE)
    year = story.since.astimezone(zone).year
    end = min(story.born + ahead, local_midnight(datetime(year + YEARS, 1, 1, tzinfo=zone).date(), zone))
    return living_town(
        story.homes,
        Interval(story.since, end),
        story.seed,
        zone=ZONE,
        faults_until=story.born,
        faults=(*FAULTS, FaultKind.EXCHANGE, FaultKind.RESET) if story.born - story.since > ROOM else FAULTS,
    )


def write_files(town: LivingTown, folder: Path) -> list[Path]:
    """Write the town's past as its senders' files, and the truth beside."""
    from gridwright.simulate.living.truth_file import truth_document
    from gridwright.simulate.writers import to_long_csv, to_nem12, to_register_csv

    past = Interval(town.period.start, town.clean_until)
    inner = past_of(town, past)
    files = {
        "town.csv": to_long_csv(inner),
        "town.nem12": to_nem12(inner),
        "masters.csv": to_long_csv(town.masters.between(past), zone=inner.zone),
        "registers.csv": to_register_csv(inner.registers),
        "truth.json": json.dumps(truth_document(town), indent=1).encode(),
    }
    return [save(folder / name, content) for name, content in files.items()]


def past_of(town: LivingTown, past: Interval) -> Any:  # noqa: ANN401 - a Town, not imported for --help
    """Return the part of the town that has happened."""
    inner = town.town
    return replace(
        inner,
        panel=inner.panel.between(past),
        received=None if inner.received is None else inner.received.between(past),
        registers=tuple(read for read in inner.registers if read.at <= past.end),
    )


def save_truth(town: LivingTown, path: Path, *, on_a_port: bool = False) -> None:
    """Write what really happened, and by how many seconds the clocks of meters on a port are ahead."""
    from gridwright.simulate.living.truth_file import truth_document

    drifts = dict(zip(called_points(town), DRIFTS_S, strict=False)) if on_a_port else {}
    save(path, json.dumps({**truth_document(town), "clocks_ahead_s": drifts}, indent=1))


def deliver(story: Story, wanted: Wanted, truth: Path | None, *, quiet: bool) -> dict[str, Any]:
    """Register the town and tell it; returns what was acknowledged and how far it is."""
    from gridwright.simulate.delivery import Entrance, load_story, register_over_http, save_story
    from gridwright.simulate.living import registry_of

    with Entrance(wanted.url, wanted.key, tries=1) as door:
        door.call("GET", "/healthz", b"", "application/json")
    town = built(story)
    if truth is not None:
        save_truth(town, truth, on_a_port=wanted.meters_port is not None)
    with Entrance(wanted.url, wanted.key) as entrance:
        with progress("Registering", quiet=quiet) as advance:
            register_over_http(entrance, registry_of(town), advance)
        save_story(wanted.state, story)
        begun = time.monotonic()
        with on_port(town, wanted.meters_port, quiet=quiet) as points:
            try:
                story = past(town, entrance, story, wanted, points, quiet=quiet)
                report(entrance.delivered, time.monotonic() - begun, quiet=quiet)
                if not wanted.once:
                    live(town, entrance, story, wanted, points)
            except KeyboardInterrupt:
                say("Stopped; the same command goes on from here.")
        took = entrance.delivered
    return {
        "accepted": took.accepted,
        "rejected": took.rejected,
        "quarantined": took.quarantined,
        "until": (load_story(wanted.state) or story).done,
        "seconds": round(time.monotonic() - begun, 3),
    }


@contextmanager
def on_port(town: LivingTown, port: int | None, *, quiet: bool) -> Iterator[frozenset[str]]:
    """Put the last third of the meters on a port while the others are told; yields those others."""
    from gridwright.simulate.delivery import meters_of
    from gridwright.simulate.virtual_meter import MeterServerThread

    points = town.town.panel.points
    if port is None:
        yield frozenset(points)
        return
    called = called_points(town)
    meters = meters_of(town, called, clock, drifts=DRIFTS_S)
    with MeterServerThread(meters, port=port) as server:
        if not quiet:
            say("These meters wait to be called; gridwright collect add adds each, with the password 28430571:")
            for point, serial in zip(called, (meter.serial for meter in meters), strict=True):
                say(f"  {serial} --driver generic-relay --usage-point {point} --address {server.address(serial)}")
        yield frozenset(points) - frozenset(called)


def called_points(town: LivingTown) -> tuple[str, ...]:
    """Return the usage points whose meters stand on the port."""
    points = town.town.panel.points
    return points[-(len(points) // 3) :]


def past(
    town: LivingTown, entrance: Entrance, story: Story, wanted: Wanted, points: frozenset[str], *, quiet: bool
) -> Story:
    """Tell what has happened up to now, as fast as wanted."""
    now = clock()
    total = int((now - story.since).total_seconds())
    with progress("Telling the past", quiet=quiet) as advance:

        def note(kept: Story) -> None:
            advance(int((kept.done - story.since).total_seconds()), total)

        return told_on(town, entrance, story, (wanted, wanted.speed), points, until=whole(now), note=note)


def live(town: LivingTown, entrance: Entrance, story: Story, wanted: Wanted, points: frozenset[str]) -> None:
    """Tell each interval when it is over, until Ctrl-C or the end of the town's life."""
    say(f"Live from here until {town.period.end:%Y-%m-%d}; stop with Ctrl-C.")

    def note(kept: Story) -> None:
        say(f"  told until {kept.done:%Y-%m-%d %H:%M} UTC")

    told_on(town, entrance, story, (wanted, 0.0), points, until=town.period.end, note=note)


def told_on(
    town: LivingTown,
    entrance: Entrance,
    story: Story,
    how: tuple[Wanted, float],
    points: frozenset[str],
    *,
    until: datetime,
    note: Callable[[Story], None],
) -> Story:
    """Follow the town and keep after each part how far it is."""
    from gridwright.simulate.delivery import Pace, follow, save_story

    wanted, speed = how

    def keep(done: datetime, _: int) -> None:
        kept = story.told_until(done)
        save_story(wanted.state, kept)
        note(kept)

    pace = Pace(clock, speed, whole_story=True)
    done = follow(town, entrance, story.done, pace, threading.Event(), points=points, until=until, tell=keep)
    return story.told_until(done)


def report(took: Delivered, seconds: float, *, quiet: bool) -> None:
    """Say what the server took, how fast, and what it did not take."""
    if quiet:
        return
    rate = took.accepted / seconds if seconds > 0 else 0.0
    say(f"{took.accepted:,} readings accepted in {seconds:.1f} s ({rate:,.0f}/s)")
    if took.rejected or took.quarantined:
        say(f"{took.rejected:,} rejected, {took.quarantined:,} quarantined")
    for verdict in took.verdicts[:3]:
        say(f"  {verdict.get('status')}: {verdict.get('reason')}")


def whole(moment: datetime) -> datetime:
    """Return the last full quarter of an hour."""
    return from_epoch_s(moment.timestamp() // 900 * 900)


def clock() -> datetime:
    """Tell the time."""
    return datetime.now(UTC)
