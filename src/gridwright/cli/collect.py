"""`gridwright collect`: add devices, commission them, read them, and see how they are."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridwright.cli.context import platform
from gridwright.cli.options import Json
from gridwright.cli.output import print_json, print_table, progress, say
from gridwright.domain.errors import InputError, UsageError
from gridwright.domain.interval import parse_instant, zone_of
from gridwright.domain.written_number import read_number

if TYPE_CHECKING:
    from gridwright.app import Platform
    from gridwright.domain.device import DeviceLink
    from gridwright.jobs.field.collect_reads import CollectSummary

app = typer.Typer(help="Devices: add, commission and read them, and see how they are.", no_args_is_help=True)
Serials = Annotated[list[str] | None, typer.Argument(help="Serial numbers (default: all that wait for it).")]
MINUTE = "%Y-%m-%dT%H:%M:%SZ"


@app.command(
    epilog="Example: gridwright collect add M-1042 --driver generic-relay "
    "--address tcp://127.0.0.1:4059/M-1042 --usage-point UP-1042"
)
def add(
    *,
    serial: Annotated[str, typer.Argument(help="Serial number, as the device itself says it.")],
    driver: Annotated[str, typer.Option("--driver", help="A driver profile's name, or the path of a .toml file.")],
    address: Annotated[str, typer.Option("--address", help="Such as tcp://10.0.0.7:4059/M-1042.")],
    point: Annotated[
        str, typer.Option("--usage-point", help="Where it hangs; without, its readings wait in quarantine.")
    ] = "",
    multiplier: Annotated[str, typer.Option("--multiplier", help="Transformer factor.")] = "1",
    since: Annotated[
        str, typer.Option("--since", help="When it was installed: a date or an instant (default: now).")
    ] = "",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read its password from stdin; it is kept sealed.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Add a device, or change how it is called; nothing is sent to it yet."""
    from gridwright.app.live import vault
    from gridwright.jobs.field.add_device import NewDevice, add_device

    wired = platform(makes=True)
    zone = wired.settings.site.zone
    installed = parse_instant(since, zone_of(zone)) if since else None
    device = NewDevice(serial, driver, address, point, factor(multiplier), installed, zone, wired.new_point)
    secret = password() if password_stdin else None
    added = add_device(wired.store, wired.access, device, now=wired.clock(), secret=secret, seal=vault(wired).seal)
    if as_json:
        print_json({**plain(added.link), "usage_point": point or None, "new_usage_point": added.new_point})
        return
    if added.new_point:
        say(f"Usage point {point} was not known: it is new, in zone {zone}.")
    say(f"Device {serial} is {added.link.state}. Next: gridwright collect commission {serial}")


def factor(text: str) -> Decimal:
    """Read a transformer factor."""
    with suppress(InputError):
        found = read_number(text, "--multiplier", signed=True)
        if found is not None:
            return found
    raise UsageError(f"--multiplier {text!r} is not a number", remedy="write for example --multiplier 40")


def password() -> bytes:
    """Read one line from stdin, so that no password stands in the history of the shell."""
    line = sys.stdin.readline().rstrip("\r\n")
    if not line:
        raise UsageError("no password came on stdin", remedy="pipe it in: … --password-stdin < password.txt")
    return line.encode()


@app.command(epilog="Example: gridwright collect commission M-1042")
def commission(
    *,
    serials: Serials = None,
    set_clock: Annotated[
        bool, typer.Option("--set-clock/--no-set-clock", help="Set a clock that is more than 30 s off.")
    ] = True,
    set_any_clock: Annotated[
        bool, typer.Option("--set-any-clock", help="Set it also when it is more than two days off.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Take devices from registered to in service, step by step; interrupted or failed, it goes on where it was."""
    from gridwright.app.live import lines
    from gridwright.collect import CommissionPolicy
    from gridwright.jobs.field.commission_device import commission_devices

    wired = platform()
    policy = CommissionPolicy(set_clock=set_clock, set_any_clock=set_any_clock)
    with progress("Commissioning", quiet=as_json) as advance:
        done = commission_devices(
            wired.store,
            wired.access,
            lines(wired),
            wired.clock,
            serials=serials or (),
            policy=policy,
            tell=None if as_json else tell_step,
            progress=advance,
        )
    if as_json:
        print_json({"in_service": done.in_service, "devices": [plain(link) for link in done.links]})
    else:
        say(f"{done.in_service} of {len(done.links)} devices are in service.")
    if done.failed:
        raise typer.Exit(1)


def tell_step(link: DeviceLink) -> None:
    """Say what a device has reached, or what stopped it."""
    say(f"{link.serial}: {link.state}" + (f", stopped: {link.problem}" if link.problem else ""))


@app.command(epilog="Example: gridwright collect run --watch")
def run(
    *,
    serials: Annotated[
        list[str] | None, typer.Argument(help="Serial numbers, read now (default: all that are due).")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="One round, then end; so it is without --watch.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Round after round, until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """Read the devices that are due: new intervals, holes, events, and once a day registers and clock."""
    if watch and (once or as_json):
        raise UsageError("--watch goes on and on", remedy="leave --once and --json out, or --watch")
    wired = platform()
    done = one_round(wired, serials or (), quiet=as_json)
    if as_json:
        print_json(summary(done))
    while watch:
        time.sleep(wired.settings.work.collect_every_s)
        one_round(wired, serials or (), quiet=False)
    if done.failed and not done.read:
        raise typer.Exit(1)


def one_round(wired: Platform, serials: Sequence[str], *, quiet: bool) -> CollectSummary:
    """Read what is due, and say what came."""
    from gridwright.app.live import collect

    with progress("Reading devices", quiet=quiet) as advance:
        done = collect(wired, serials, progress=advance)
    if not quiet:
        say(
            f"{done.due} due, {done.read} read, {done.failed} failed: {done.readings:,} readings new or changed, "
            f"{done.events} events, {done.quarantined} quarantined, {done.findings} findings"
        )
        for note in done.notes:
            say(f"  {note}")
    return done


def summary(done: CollectSummary) -> dict[str, Any]:
    """Return a round as a JSON object."""
    from dataclasses import asdict

    return asdict(done)


@app.command(epilog="Example: gridwright collect status --json")
def status(as_json: Json = False) -> None:
    """Show each device: how far it is, when it was last heard, its drift, failures in a row, and its problem."""
    wired = platform()
    links = wired.store.devices.links(wired.access)
    places = {
        each.end_device: each.usage_point for each in wired.store.registry.installed(wired.access) if each.is_open
    }
    if as_json:
        devices = [{**plain(link), "usage_point": places.get(link.serial)} for link in links]
        print_json({"devices": devices})
        return
    if not links:
        say("No device has been added yet: gridwright collect add SERIAL adds one.")
    print_table(
        ("device", "usage point", "state", "last contact", "drift s", "failures", "problem"),
        [
            (
                link.serial,
                places.get(link.serial, ""),
                link.state,
                minute(link.last_contact),
                "" if link.clock_drift_s is None else f"{link.clock_drift_s:+.0f}",
                str(link.failures),
                link.problem,
            )
            for link in links
        ],
    )


def minute(moment: datetime | None) -> str:
    """Show an instant in UTC; empty when there is none."""
    return "" if moment is None else f"{moment:{MINUTE}}"


def plain(link: DeviceLink) -> dict[str, Any]:
    """Return a link as a JSON object; its password is no part of it."""
    return {
        "serial": link.serial,
        "driver": link.driver,
        "address": link.address,
        "state": link.state,
        "capabilities": dict(link.capabilities),
        "clock_drift_s": link.clock_drift_s,
        "last_contact": link.last_contact,
        "failures": link.failures,
        "problem": link.problem,
    }
