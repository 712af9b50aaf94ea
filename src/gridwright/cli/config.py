"""`gridwright config`: what is set, and where it came from."""

from __future__ import annotations

import re
from dataclasses import replace

import typer

from gridwright.cli.context import loaded_settings
from gridwright.cli.options import Json
from gridwright.cli.output import print_json, print_table, say

# A database's address holds its password between the account and the last @.
PASSWORD = re.compile(r"(?<=://)([^:/@]*):.*(?=@)")
app = typer.Typer(help="What is set, and where it came from.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Show what is set, and where it came from."""


@app.command(epilog="Example: gridwright config show --json")
def show(as_json: Json = False) -> None:
    """Print every setting with its value and origin (default, file or environment variable)."""
    loaded = loaded_settings()
    rows = [
        replace(row, value=PASSWORD.sub(r"\1", row.value)) if isinstance(row.value, str) else row
        for row in loaded.rows()
    ]
    if as_json:
        settings = {row.name: {"value": row.value, "origin": row.origin} for row in rows}
        print_json({"file": loaded.file, "settings": settings})
        return
    say(f"Settings file: {loaded.file or 'none (./gridwright.toml is read when it exists)'}")
    shown = ["" if row.value is None else str(row.value) for row in rows]
    print_table(
        ("setting", "value", "origin", "meaning"),
        [(row.name, value, row.origin, row.description) for row, value in zip(rows, shown, strict=True)],
    )
