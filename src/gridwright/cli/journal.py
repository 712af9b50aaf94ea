"""`gridwright journal`: readings that were acknowledged and could not be brought into their days."""

from __future__ import annotations

from typing import Annotated

import typer

from gridwright.cli.context import platform
from gridwright.cli.options import Json
from gridwright.cli.output import print_json, print_table, say
from gridwright.domain.errors import UsageError

app = typer.Typer(help="Readings that were put aside: listed, tried again, let go.", no_args_is_help=True)
Row = Annotated[int, typer.Argument(metavar="ROW", help="Number of the row, as `journal list` shows it.")]


@app.command("list", epilog="Example: gridwright journal list --json")
def list_(as_json: Json = False) -> None:
    """List what waits, and the rows that were put aside, with the reason."""
    wired = platform()
    waits = wired.store.journal.waiting(wired.access)
    rows = wired.store.journal.put_aside(wired.access)
    if as_json:
        plain = [
            {
                "row": each.id,
                "actor": each.actor,
                "received": each.received,
                "readings": each.readings,
                "put_aside": each.put_aside,
                "reason": each.reason,
            }
            for each in rows
        ]
        print_json({"waiting": waits.readings, "oldest": waits.oldest, "put_aside": plain})
        return
    print_table(
        ("row", "received", "from", "readings", "reason"),
        [
            (str(each.id), f"{each.received:%Y-%m-%d %H:%M:%S}", each.actor, str(each.readings), each.reason)
            for each in rows
        ],
    )
    say(f"{waits.readings} readings waited and are in their days now; {len(rows)} rows are put aside.")


@app.command(epilog="Example: gridwright journal retry 3")
def retry(
    rows: Annotated[list[int], typer.Argument(metavar="ROW...", help="Numbers of rows, as `journal list` shows them.")],
    as_json: Json = False,
) -> None:
    """Try rows again that were put aside; what still does not fit is put aside anew, under another number."""
    wired = platform()
    fitted = wired.store.journal.retry(wired.access, rows)
    if as_json:
        print_json({"tried": len(set(rows)), "fitted": fitted})
    else:
        say(f"{len(set(rows))} tried again, {fitted} fitted.")
    if fitted < len(set(rows)):
        raise typer.Exit(1)


@app.command(epilog='Example: gridwright journal drop 3 --reason "the meter was read again"')
def drop(
    row: Row,
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in the audit chain.")],
    as_json: Json = False,
) -> None:
    """Let the readings of a row that was put aside go, for a reason that is recorded."""
    if not reason.strip():
        raise UsageError("--reason is empty", remedy="say why, for whoever reads the audit chain")
    wired = platform()
    wired.store.journal.drop(wired.access, row, reason.strip())
    if as_json:
        print_json({"dropped": row})
    else:
        say(f"Row {row} is gone.")
