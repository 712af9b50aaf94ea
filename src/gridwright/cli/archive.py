"""`gridwright archive`: closed months as Parquet files outside the database."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from gridwright.cli.context import platform
from gridwright.cli.options import Json
from gridwright.cli.output import GOES_ON, print_json, print_table, progress, say
from gridwright.domain.errors import UsageError
from gridwright.domain.month import month_name, month_of, parse_month

if TYPE_CHECKING:
    from gridwright.jobs.upkeep.archive_months import Pruned

app = typer.Typer(
    help="Closed months as Parquet outside the database: written, listed, brought back.", no_args_is_help=True
)


@app.command(epilog="Example: gridwright archive run --to /srv/archive --before 2025-01")
def run(
    before: Annotated[
        str, typer.Option("--before", help="First month that stays; left out, archive.after_months decides.")
    ] = "",
    to: Annotated[str, typer.Option("--to", help="Folder or address, such as s3://bucket/folder.")] = "",
    drop: Annotated[
        bool, typer.Option("--drop", help="Remove from the database what the archive was verified to hold.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Archive closed months; safe to interrupt, and to run again."""
    from gridwright.app.care import archive_policy
    from gridwright.jobs.upkeep.archive_months import archive_months, require_past

    wired = platform()
    policy = archive_policy(wired)
    place = to or policy.to
    if not place:
        raise UsageError("no place for the archive is named", remedy="give --to, or set archive.to")
    now = wired.clock()
    first_kept = require_past(parse_month(before), now) if before else month_of(now) - policy.after_months
    with progress("archiving", quiet=as_json, stopped=f"Each month is whole where it is. {GOES_ON}") as advance:
        done = archive_months(
            wired.store,
            wired.access,
            place,
            before=first_kept,
            drop_before=first_kept if drop else None,
            progress=advance,
        )
    if as_json:
        print_json(
            {
                "to": place,
                "before": month_name(first_kept),
                "written": done.written,
                "dropped": done.dropped,
                "current": done.current,
                "waiting": done.waiting,
                "failed": done.failed,
                "blocks": done.blocks,
                "readings": done.readings,
            }
        )
    else:
        print_table(
            ("series", "state"),
            [
                *((name, "written") for name in done.written),
                *((name, "dropped") for name in done.dropped),
                *((name, "waits") for name in done.waiting),
                *((name, "FAILED") for name in done.failed),
            ],
        )
        say(f"{len(done.written)} written ({done.readings} readings), {done.current} already there.")
    if done.failed:
        raise typer.Exit(1)


@app.command("list", epilog="Example: gridwright archive list --json")
def list_(as_json: Json = False) -> None:
    """List what is in the archive, where, and whether the database still has it too."""
    wired = platform()
    parts = wired.store.archive.parts(wired.access)
    if as_json:
        rows = [
            {
                "month": month_name(part.month),
                "reading_type": part.code,
                "image": part.image,
                "state": part.state,
                "blocks": part.blocks,
                "readings": part.readings,
                "total": str(part.total),
                "place": part.place,
                "sha256": part.sha256,
                "archived": part.archived_at,
                "dropped": part.dropped_at,
            }
            for part in parts
        ]
        print_json({"parts": rows})
        return
    if not parts:
        say("Nothing is in the archive: gridwright archive run --to FOLDER puts closed months there.")
    print_table(
        ("month", "series", "image", "state", "readings", "place"),
        [(month_name(p.month), p.code, p.image, p.state, str(p.readings), p.place) for p in parts],
    )


@app.command(epilog="Example: gridwright archive restore 2024-12")
def restore(month: Annotated[str, typer.Argument(help="The month, such as 2024-12.")], as_json: Json = False) -> None:
    """Bring a month back into the database, exactly as it was; safe to interrupt, and to run again."""
    from gridwright.jobs.upkeep.archive_months import restore_month

    wired = platform()
    with progress("restoring", quiet=as_json, stopped=GOES_ON) as advance:
        parts = restore_month(wired.store, wired.access, parse_month(month), progress=advance)
    if as_json:
        print_json({"month": month, "restored": [str(part) for part in parts]})
        return
    say(f"{len(parts)} series of {month} are back." if parts else f"All of {month} is in the database.")


@app.command(epilog="Example: gridwright archive move --to /mnt/new/archive")
def move(
    to: Annotated[str, typer.Option("--to", help="Folder or address where the archive is, or is to be.")],
    as_json: Json = False,
) -> None:
    """Tell that the archive is elsewhere now; files that are not there yet are copied. Safe to interrupt."""
    from gridwright.app.care import archive_policy
    from gridwright.jobs.upkeep.move_archive import move_archive
    from gridwright.store.archive.file import Shelf

    wired = platform()
    with progress("moving", quiet=as_json, stopped=GOES_ON) as advance:
        done = move_archive(wired.store, wired.access, to, progress=advance)
    if as_json:
        told = {"moved": done.moved, "current": done.current, "copied": done.copied, "failed": done.failed}
        print_json({"to": done.address, **told})
    else:
        print_table(
            ("series", "state"),
            [*((name, "moved") for name in done.moved), *((name, "FAILED") for name in done.failed)],
        )
        say(f"{len(done.moved)} moved ({done.copied} files copied), {done.current} already there.")
        settled = archive_policy(wired).to
        if settled and Shelf.at(settled).address != done.address:
            say(f"archive.to still names {settled}: set it too, or new months go there.")
    if done.failed:
        raise typer.Exit(1)


@app.command(epilog="Example: gridwright archive prune --older-than 400 --dry-run")
def prune(
    older_than: Annotated[
        int,
        typer.Option("--older-than", min=1, help="Days that a newer file stands for it; longer than backups are kept."),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be deleted.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask again on a terminal.")] = False,
    as_json: Json = False,
) -> None:
    """Delete files that newer ones of the same month stand for; backups and restored copies may still name them."""
    from gridwright.jobs.upkeep.archive_months import prune_archive

    wired = platform()
    asks = sys.stdin.isatty() and not (dry_run or yes or as_json)
    now = wired.clock()

    def pruned(*, only_look: bool) -> Pruned:
        return prune_archive(wired.store, wired.access, older_days=older_than, now=now, dry_run=only_look)

    done = pruned(only_look=dry_run or asks)
    if asks and done.files:
        print_table(("file",), [(file,) for file in done.files])
        say("A backup older than these files' successors, or a database restored from one, cannot do without them.")
        typer.confirm(f"Delete {len(done.files)} files, {done.bytes:,} bytes?", abort=True, err=True)
        done = pruned(only_look=False)
    if as_json:
        print_json({"deleted": done.files, "bytes": done.bytes, "failed": done.failed, "dry_run": dry_run})
    else:
        if not asks:
            print_table(("file",), [(file,) for file in done.files])
        for told in done.failed:
            say(f"Left alone: {told}")
        say(f"{len(done.files)} files, {done.bytes:,} bytes{' would be' if dry_run else ''} deleted.")
    if done.failed:
        raise typer.Exit(1)
