"""`gridwright listen`: readings by MQTT, acknowledged when they are on the disk, until Ctrl-C or SIGTERM."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gridwright.cli.options import Json
from gridwright.cli.output import finish, print_json, say

Data = Annotated[
    Path | None, typer.Option("--data", help="Folder of the database, made if there is none (default: as set).")
]


def register(app: typer.Typer) -> None:
    """Add the command to the tree."""
    app.command(epilog="Example: GRIDWRIGHT_MQTT__HOST=localhost gridwright listen --data town")(listen)


def listen(*, data: Data = None, as_json: Json = False) -> None:
    """Take readings from an MQTT broker: JSON, single values by topic, Sparkplug B."""
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
        figures = run(wired, ready)
    finally:
        wired.close()
    if as_json:
        print_json(asdict(figures))
    else:
        kept = f"{figures.accepted} readings stored, {figures.quarantined} in quarantine"
        say(f"Stopped: {kept}, {figures.rejected} refused.")
