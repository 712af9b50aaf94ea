"""`gridwright verify`: every checksum, sum and count of the database computed anew."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gridwright.cli.context import loaded_settings, platform
from gridwright.cli.options import Json
from gridwright.cli.output import print_json, print_table, progress, say
from gridwright.domain.access import LOCAL_OWNER

if TYPE_CHECKING:
    from gridwright.store import Store


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog="Example: gridwright verify --json")(verify)


def verify(
    deep: Annotated[
        bool, typer.Option("--deep", help="Also read every row in the archive, and every index of the database.")
    ] = False,
    database: Annotated[
        str, typer.Option("--database", help="A database, such as one restored; left out, that of the settings.")
    ] = "",
    key: Annotated[
        Path | None, typer.Option("--key", help="Its key file; left out, that of the settings or the environment.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check the whole database against itself: blocks, totals, money, audit, archive; exit 1 on a fault."""
    from gridwright.jobs.upkeep.verify_store import verify_store

    with ExitStack() as opened:
        store = opened.enter_context(_opened(database, key)) if database or key else platform().store
        with progress("verifying", quiet=as_json, stopped="Nothing was changed.") as advance:
            found = verify_store(store, LOCAL_OWNER, deep=deep, progress=advance)
    if as_json:
        checks = [
            {
                "name": check.name,
                "ok": check.ok,
                "looked_at": check.looked_at,
                "without": check.without,
                "faults": check.faults,
                "first": check.first,
                "remedy": check.remedy,
            }
            for check in found.checks
        ]
        print_json({"ok": found.ok, "deep": deep, "checks": checks})
    else:
        print_table(
            ("check", "state", "looked at", "what helps"),
            [(c.name, "ok" if c.ok else f"{c.faults} FAULTS", str(c.looked_at), c.remedy) for c in found.checks],
        )
        for check in found.checks:
            for text in check.first:
                say(f"{check.name}: {text}")
            if check.without:
                say(f"{check.name}: {check.without} rows have none, because they are from before there were any")
        say("Everything agrees." if found.ok else "Something does not agree.")
    if not found.ok:
        raise typer.Exit(1)


def _opened(database: str, key: Path | None) -> Store:
    """Open a database as it is, with the key file of the settings, or another."""
    from gridwright.cli.backup import vault_of
    from gridwright.store import open_store

    return open_store(database or loaded_settings().settings.store.url, create=False, master=vault_of(key))
