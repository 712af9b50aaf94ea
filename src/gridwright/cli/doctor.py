"""`gridwright doctor`: whether everything this installation needs is in order."""

from __future__ import annotations

import typer

from gridwright.cli.context import loaded_settings
from gridwright.cli.options import Json
from gridwright.cli.output import print_json, print_table, say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: gridwright doctor --json")(doctor)


def doctor(as_json: Json = False) -> None:
    """Check program, database, disk, clocks, queues, edges, backups, archive and keys; exit 1 on a failure."""
    from gridwright.app import Platform
    from gridwright.app.care import surroundings
    from gridwright.jobs.upkeep.check_health import check_health

    loaded = loaded_settings()
    checks = check_health(loaded.settings.store.url, surroundings(Platform(loaded.settings)))
    healthy = all(check.ok for check in checks)
    if as_json:
        named = [
            {"name": c.name, "ok": c.ok, "state": str(c.state), "found": c.found, "remedy": c.remedy} for c in checks
        ]
        print_json({"healthy": healthy, "settings_file": loaded.file, "checks": named})
    else:
        print_table(
            ("check", "state", "found", "what helps"),
            [(c.name, str(c.state) if c.ok else "FAILED", c.found, c.remedy) for c in checks],
        )
        doubts = sum(1 for check in checks if check.state == "warn")
        well = "All is well." if not doubts else f"Nothing must be mended; {doubts} warnings."
        say(well if healthy else "Something must be mended.")
    if not healthy:
        raise typer.Exit(1)
