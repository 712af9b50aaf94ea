"""`gridwright retention`: what the settings let go, before it goes."""

from __future__ import annotations

from dataclasses import asdict

import typer

from gridwright.cli.context import platform
from gridwright.cli.options import Json
from gridwright.cli.output import print_json, print_table, say

app = typer.Typer(help="What is older than it is kept, before it is deleted.", no_args_is_help=True)
MINUTE = "%Y-%m-%dT%H:%M:%SZ"


@app.command(epilog="Example: gridwright retention preview --json")
def preview(*, as_json: Json = False) -> None:
    """Show what the server would delete, by table and day, how many rows, and from when on; nothing is deleted."""
    from gridwright.app.care import keep_policy
    from gridwright.jobs.upkeep.tidy_store import preview_tidying

    wired = platform()
    now, keep = wired.clock(), keep_policy(wired)
    going = preview_tidying(wired.store, wired.access, now=now, keep=keep)
    kept = {
        "findings_days": wired.settings.retention.findings_days,
        "quarantine_days": wired.settings.retention.quarantine_days,
        "outlooks_days": wired.settings.work.keep_outlooks_days,
    }
    if as_json:
        print_json({"now": now, "kept": kept, "going": [asdict(one) for one in going]})
        return
    if not going:
        say("Nothing is older than it is kept.")
        return
    print_table(
        ("table", "day", "rows", "goes"),
        [(one.table, str(one.day), str(one.rows), _when(one.goes <= now, f"{one.goes:{MINUTE}}")) for one in going],
    )
    total = sum(one.rows for one in going)
    say(f"{total} rows; nothing was deleted. A running server looks once an hour.")


def _when(is_due: bool, at: str) -> str:
    return "with the next tidying" if is_due else f"from {at} on"
