"""`gridwright audit`: who did what, and the proof that nobody changed the record of it."""

from __future__ import annotations

from typing import Annotated

import typer

from gridwright.cli.context import platform
from gridwright.cli.options import Json
from gridwright.cli.output import print_json, print_table, say

app = typer.Typer(help="Who did what, and the proof that the record is whole.", no_args_is_help=True)


@app.command(epilog="Example: gridwright audit verify --json")
def verify(as_json: Json = False) -> None:
    """Check the chain of digests through every record; a changed, lost or added one is named, with exit code 1."""
    wired = platform()
    records = wired.store.audit.verify(wired.access)
    if as_json:
        print_json({"records": records, "unbroken": True})
        return
    say(f"{records} records, and the chain through them is unbroken.")


@app.command("list", epilog="Example: gridwright audit list --limit 20 --json")
def list_(
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many of the newest records.")] = 100,
    as_json: Json = False,
) -> None:
    """List the newest records first."""
    wired = platform()
    records = wired.store.audit.records(wired.access, limit=limit)
    if as_json:
        plain = [
            {
                "number": each.number,
                "at": each.at,
                "actor": each.actor,
                "act": each.act,
                "subject": each.subject,
                "detail": each.detail,
                "digest": each.digest,
            }
            for each in records
        ]
        print_json({"records": plain})
        return
    print_table(
        ("number", "at", "actor", "act", "subject", "detail"),
        [
            (
                str(each.number),
                f"{each.at:%Y-%m-%d %H:%M:%S}",
                each.actor,
                each.act,
                each.subject,
                ", ".join(f"{name} {value}" for name, value in each.detail.items() if value not in {None, ""}),
            )
            for each in records
        ],
    )
