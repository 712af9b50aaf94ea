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
    """Check settings, program, database, disk and optional parts; exit 1 when something must be mended."""
    from gridwright.jobs.check_health import check_health

    loaded = loaded_settings()
    checks = check_health(loaded.settings.store.url)
    healthy = all(check.ok for check in checks)
    if as_json:
        named = [{"name": c.name, "ok": c.ok, "found": c.found, "remedy": c.remedy} for c in checks]
        print_json({"healthy": healthy, "settings_file": loaded.file, "checks": named})
    else:
        print_table(
            ("check", "state", "found", "what helps"),
            [(c.name, "ok" if c.ok else "FAILED", c.found, c.remedy) for c in checks],
        )
        say("All is well." if healthy else "Something must be mended.")
    if not healthy:
        raise typer.Exit(1)
