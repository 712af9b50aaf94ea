"""`gridwright listen`: readings by MQTT, acknowledged when they are on the disk, until Ctrl-C or SIGTERM."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridwright.cli.context import remember_folder
from gridwright.cli.options import Json
from gridwright.cli.output import finish, print_json, print_table, print_told, say
from gridwright.domain.errors import UsageError

if TYPE_CHECKING:
    from gridwright.app import Platform

Data = Annotated[
    Path | None, typer.Option("--data", help="Folder of the database, made if there is none (default: as set).")
]
app = typer.Typer(help="Take readings from an MQTT broker.", invoke_without_command=True)
SHOWN = 100  # characters of a payload, or of a topic, in the table


@app.callback(epilog="Example: GRIDWRIGHT_MQTT__HOST=localhost gridwright listen --data town")
def listen(
    context: typer.Context,
    *,
    data: Data = None,
    parent: Annotated[int, typer.Option("--parent", hidden=True, help="Process with which it ends.")] = 0,
    as_json: Json = False,
) -> None:
    """Take readings from an MQTT broker: JSON, single values by topic, Sparkplug B."""
    if context.invoked_subcommand is not None:
        _hand_on(context.invoked_subcommand, data, as_json=as_json)
        return
    from gridwright.cli.serve import settings_in, wire
    from gridwright.listen.run import listen as run

    wired = wire(settings_in(data))
    chosen = wired.settings.mqtt

    def ready() -> None:
        if as_json:
            print_json({"listening": f"{chosen.host}:{chosen.port}"})
            finish()
        else:
            say(f"Gridwright listens to the broker at {chosen.host}:{chosen.port}; stop with Ctrl-C.")

    try:
        figures = run(wired, ready, parent)
    finally:
        wired.close()
    if as_json:
        print_json(figures.to_dict())
    else:
        kept = f"{figures.accepted} readings stored, {figures.quarantined} in quarantine"
        say(f"Stopped: {kept}, {figures.rejected} refused, {figures.ignored} ignored.")


def _hand_on(command: str, data: Path | None, *, as_json: bool) -> None:
    """Let what stands before a command of the group count for it."""
    if as_json:
        raise UsageError(f"--json stands before {command}", remedy=f"write gridwright listen {command} --json")
    if data is not None:
        remember_folder(data)


@app.command(epilog="Example: gridwright listen status --data town --json")
def status(*, data: Data = None, as_json: Json = False) -> None:
    """Show how the listeners are: whether they are connected, what waits, what they took and what is in the way."""
    from gridwright.app.care import listeners
    from gridwright.jobs.upkeep.listener_status import listener_dict

    platform = _platform(data)
    told = [listener_dict(one, platform.clock()) for one in listeners(platform)]
    if as_json:
        print_json(told)
        return
    if not told:
        say("No listener has run here.")
    for one in told:
        print_told(one)


@app.command(epilog="Example: gridwright listen rejected --data town --limit 5 --json")
def rejected(
    *,
    data: Data = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many of the newest are shown.")] = 20,
    as_json: Json = False,
) -> None:
    """Show the messages of which a listener refused or ignored something, the newest last, with the reasons."""
    from gridwright.app.care import listeners_place
    from gridwright.app.live import vault
    from gridwright.listen.rejected import rejected_here

    platform = _platform(data)
    found = rejected_here(listeners_place(platform), vault(platform))
    if as_json:
        print_json(found[-limit:])
        return
    print_table(
        ("at", "listener", "topic", "bytes", "refused", "ignored", "why", "what helps", "payload"),
        [_row(one) for one in found[-limit:]],
    )
    say(f"{len(found)} messages are kept, with everything they hold: --json shows it.")


def _row(told: dict[str, Any]) -> tuple[str, ...]:
    first: dict[str, Any] = next(iter(told["verdicts"]), {})
    payload = told["payload"]
    shown = "(sealed)" if payload is None else _cut(payload)
    words = (
        told["at"],
        told["listener"],
        _cut(told["topic"]),
        told["bytes"],
        told["rejected"],
        told.get("ignored", 0),
        first.get("reason", ""),
        first.get("remedy", ""),
    )
    return (*map(str, words), shown)


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _platform(data: Path | None) -> Platform:
    from gridwright.app import Platform
    from gridwright.cli.context import loaded_settings

    return Platform(loaded_settings().in_folder(data).settings)
