"""`gridwright control`: ask for a disconnect or reconnect, approve it as a second person, and see what came of it."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridwright.cli.context import platform
from gridwright.cli.options import Json
from gridwright.cli.output import print_json, print_table, say
from gridwright.domain.control import Command
from gridwright.domain.errors import UsageError

if TYPE_CHECKING:
    from gridwright.app import Platform
    from gridwright.control import Consequence
    from gridwright.domain.control import ControlStep, EndDeviceControl
    from gridwright.jobs.field.execute_controls import Pace

app = typer.Typer(help="Controls of devices: asked for, approved, carried out, proven.", no_args_is_help=True)
Key = Annotated[
    str,
    typer.Option(
        "--key", envvar="GRIDWRIGHT_KEY", help="API key of the person who acts (default: whoever owns this machine)."
    ),
]
ControlId = Annotated[str, typer.Argument(help="The control's id, such as C-0193….")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask again on a terminal.")]
MINUTE = "%Y-%m-%dT%H:%M:%SZ"


def acting(key: str) -> Platform:
    """Return the platform speaking for the owner of the key; without one, for the owner of this machine."""
    wired = platform()
    return wired.for_access(wired.store.identities.access_of(key, wired.clock())) if key else wired


@app.command(epilog="Example: gridwright control request UP-1042 disconnect --reason 'contract ended'")
def request(
    *,
    point: Annotated[str, typer.Argument(help="The usage point.")],
    command: Annotated[Command, typer.Argument(help="disconnect, reconnect or arm-for-reconnect.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; whoever approves reads it.")],
    expires: Annotated[str, typer.Option("--expires", help="How long it may be carried out, such as 2h.")] = "2h",
    device: Annotated[str, typer.Option("--device", help="Which device, where several hang at the point.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the consequence, ask for nothing.")] = False,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Ask for a control; nothing moves before a second person has approved it."""
    from gridwright.app.live import control_policy
    from gridwright.app.platform import duration
    from gridwright.jobs.field.request_control import preview_control, request_control

    wired = acting(key)
    now, policy = wired.clock(), control_policy(wired)
    until = now + duration(expires)
    seen = preview_control(
        wired.store, wired.access, command=command, now=now, usage_point=point, device=device, policy=policy
    )
    if not as_json:
        say(seen.sentence)
    if dry_run:
        tell_refusals(seen, as_json=as_json)
        return
    control = request_control(
        wired.store,
        wired.access,
        command=command,
        reason=reason,
        expires=until,
        now=now,
        usage_point=point,
        device=device,
        policy=policy,
    )
    if as_json:
        print_json({**plain(control), "consequence": numbers(seen)})
        return
    say(f"Control {control.id} is requested and expires at {control.expires:{MINUTE}}. A second person lets it go:")
    say(f"  gridwright control approve {control.id} --key KEY")


def tell_refusals(seen: Consequence, *, as_json: bool) -> None:
    """Say what the guard has against a command."""
    if as_json:
        print_json({"consequence": numbers(seen)})
        return
    for refusal in seen.refusals:
        say(f"Refused ({refusal.rule}): {refusal.reason}. What helps: {refusal.remedy}")
    if not seen.refusals:
        say("No rule is against it. Dry run: nothing was asked for.")


@app.command(epilog="Example: gridwright control approve C-0193 --key KEY")
def approve(*, control_id: ControlId, key: Key = "", yes: Yes = False, as_json: Json = False) -> None:
    """Let a control go, as another person than the one who asked for it."""
    from gridwright.jobs.field.approve_control import approve_control

    wired = acting(key)
    if not as_json:
        show_consequence(wired, control_id)
        if not yes and sys.stdin.isatty():
            typer.confirm("Approve it?", abort=True, err=True)
    control = approve_control(wired.store, wired.access, control_id, now=wired.clock())
    if as_json:
        print_json(plain(control))
        return
    say(f"Control {control.id} is approved by {control.approved_by}; it is carried out by `gridwright serve`,")
    say("or now by: gridwright control execute --once")


def show_consequence(wired: Platform, control_id: str) -> None:
    """Say what an approval would do, before it is given."""
    from gridwright.app.live import control_policy
    from gridwright.jobs.field.request_control import preview_control

    control = wired.store.controls.control(wired.access, control_id)
    seen = preview_control(
        wired.store,
        wired.access,
        command=control.command,
        now=wired.clock(),
        usage_point=control.usage_point,
        device=control.end_device,
        policy=control_policy(wired),
    )
    say(f"{control.requested_by} asks for a {control.command}: {control.reason}")
    say(seen.sentence)


@app.command(epilog="Example: gridwright control reject C-0193 --reason 'has paid'")
def reject(
    *,
    control_id: ControlId,
    reason: Annotated[str, typer.Option("--reason", help="Why; whoever asked reads it.")],
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Stop a control that has not been sent yet."""
    from gridwright.jobs.field.approve_control import reject_control

    wired = acting(key)
    control = reject_control(wired.store, wired.access, control_id, reason=reason, now=wired.clock())
    if as_json:
        print_json(plain(control))
        return
    say(f"Control {control.id}: {control.evidence}")


@app.command(epilog="Example: gridwright control status --json")
def status(
    *,
    control_id: Annotated[str, typer.Argument(help="One control with its steps (default: the newest ones).")] = "",
    point: Annotated[str, typer.Option("--usage-point", help="Only those of this usage point.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many.")] = 20,
    key: Key = "",
    as_json: Json = False,
) -> None:
    """Show where controls stand and what proved it."""
    wired = acting(key)
    if control_id:
        show_one(wired, control_id, as_json=as_json)
        return
    found = wired.store.controls.find(wired.access, point=point or None, limit=limit)
    if as_json:
        print_json({"controls": [plain(control) for control in found]})
        return
    if not found:
        say("No control has been asked for yet: gridwright control request --help tells how.")
    print_table(
        ("control", "usage point", "device", "command", "state", "asked by", "approved by", "expires", "evidence"),
        [
            (
                c.id,
                c.usage_point,
                c.end_device,
                c.command,
                c.state,
                c.requested_by,
                c.approved_by,
                f"{c.expires:{MINUTE}}",
                c.evidence,
            )
            for c in found
        ],
    )


def show_one(wired: Platform, control_id: str, *, as_json: bool) -> None:
    """Show one control with every step it took."""
    control = wired.store.controls.control(wired.access, control_id)
    steps = wired.store.controls.steps(wired.access, control_id)
    if as_json:
        print_json({**plain(control), "steps": [plain_step(step) for step in steps]})
        return
    say(f"{control.command} of {control.usage_point} ({control.end_device}): {control.reason}")
    print_table(
        ("state", "at", "by", "detail"),
        [(step.state, f"{step.at:{MINUTE}}", step.actor, step.detail) for step in steps],
    )


@app.command(epilog="Example: gridwright control execute --once")
def execute(
    *,
    once: Annotated[bool, typer.Option("--once", help="One round, then end.")] = False,
    as_json: Json = False,
) -> None:
    """Carry out what is approved and read back what was sent; `gridwright serve` does it by itself."""
    from dataclasses import asdict

    from gridwright.app.live import execute_controls

    if as_json and not once:
        raise UsageError("without --once it goes on and on", remedy="add --once, or leave --json out")
    wired = platform()
    pace: Pace = {}
    while True:
        done = execute_controls(wired, pace)
        if as_json:
            print_json(asdict(done))
        elif done.looked_at or once:
            say(
                f"{done.looked_at} looked at: {done.confirmed} confirmed, {done.failed} failed, "
                f"{done.expired} expired, {done.waiting} waiting"
            )
            for note in done.notes:
                say(f"  {note}")
        if once:
            return
        time.sleep(wired.settings.work.controls_every_s)


def plain(control: EndDeviceControl) -> dict[str, Any]:
    """Return a control as a JSON object."""
    return {
        "id": control.id,
        "usage_point": control.usage_point,
        "end_device": control.end_device,
        "command": control.command,
        "reason": control.reason,
        "state": control.state,
        "requested": control.requested,
        "requested_by": control.requested_by,
        "approved_by": control.approved_by or None,
        "expires": control.expires,
        "attempts": control.attempts,
        "evidence": control.evidence,
    }


def plain_step(step: ControlStep) -> dict[str, Any]:
    """Return a step as a JSON object."""
    return {"state": step.state, "at": step.at, "by": step.actor, "detail": step.detail}


def numbers(seen: Consequence) -> dict[str, Any]:
    """Return a consequence as a JSON object."""
    age = seen.reading_age
    return {
        "usage_point": seen.usage_point,
        "end_device": seen.end_device,
        "customer_class": seen.customer_class,
        "critical": seen.critical,
        "load_kw": seen.load_kw,
        "day_kwh": seen.day_kwh,
        "reading_at": seen.reading_at,
        "reading_age_s": None if age is None else age.total_seconds(),
        "relay": seen.relay,
        "last_contact": seen.last_contact,
        "disconnects_in_window": seen.disconnects_in_window,
        "refusals": [{"rule": r.rule, "reason": r.reason, "remedy": r.remedy} for r in seen.refusals],
        "sentence": seen.sentence,
    }
