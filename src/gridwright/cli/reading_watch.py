"""`gridwright reading watch`: import whatever appears in a folder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridwright.cli.context import platform
from gridwright.cli.interrupts import ctrl_c
from gridwright.cli.options import Json, with_reading
from gridwright.cli.output import print_json, say
from gridwright.domain.errors import UsageError
from gridwright.formats.source import ReadOptions

if TYPE_CHECKING:
    from gridwright.jobs.files.ingest_file import Imported
    from gridwright.jobs.files.watch_folder import Handled


@with_reading
def watch(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder that files are put into.")],
    once: Annotated[bool, typer.Option("--once", help="Take what is there, then end.")] = False,
    settle: Annotated[
        float, typer.Option("--settle", help="Seconds a file must rest before it counts as complete.", min=0)
    ] = 2.0,
    as_json: Json = False,
    *,
    reading: ReadOptions,
) -> None:
    """Import files as they appear: those read go to DIR/done, the others to DIR/failed with the reason."""
    if as_json and not once:
        raise UsageError("a watch that goes on prints no document", remedy="add --once")
    handled: list[Handled] = []
    with _told_where_files_wait(folder), ctrl_c() as pressed:
        from gridwright.jobs.files.watch_folder import Outcome, Watch

        wired = platform(makes=True)
        pressed.look()
        if not once:
            say(f"Watching {folder}; Ctrl-C ends it.")

        def import_one(path: Path, rejects: Path) -> Imported:
            try:
                return wired.import_file(path, reading, rejects_to=rejects, again=False)
            finally:
                pressed.look()  # before the file is put aside: it may have been refused for want of its end

        keep_days = wired.settings.retention.files_days
        job = Watch(folder, import_one, pressed.rest, time.monotonic, settle_s=settle, keep_days=keep_days)
        for one in job.run(once=once):
            if once:
                handled.append(one)
            if not as_json:
                say(sentence(one))
            pressed.look()
    if as_json:
        print_json({"files": [handled_json(one) for one in handled]})
    if any(one.outcome in {Outcome.FAILED, Outcome.KEPT} for one in handled):
        raise typer.Exit(1)


@contextmanager
def _told_where_files_wait(folder: Path) -> Iterator[None]:
    from gridwright.jobs.files.watch_folder import TAKING

    try:
        yield
    except KeyboardInterrupt:
        say(f"Stopped. What was read is stored; a file under way waits in {folder / TAKING} and is taken up first.")
        raise


def register(app: typer.Typer) -> None:
    """Add the command to its group."""
    app.command(epilog="Example: gridwright reading watch /srv/inbox --once")(watch)


def sentence(one: Handled) -> str:
    """Say what became of a file."""
    if one.error is not None:
        place = {"failed": "failed, see", "kept": "kept for later,"}.get(one.outcome, f"{one.outcome},")
        remedy = f" ({one.error.remedy})" if one.error.remedy else ""
        return f"{one.name}: {one.error.message}{remedy}; {place} {one.path}"
    intake = one.imported.intake if one.imported is not None else None
    if one.imported is None or intake is None:
        return f"{one.name}: {one.outcome}"
    made = one.imported
    aside = f", {made.aside:,} set aside" if made.aside else ""
    what = "imported before" if made.untouched else f"{made.new:,} new, {made.changed:,} changed{aside}"
    rejects = f", rejects in {made.rejects_file}" if made.rejects_file else ""
    notes = "".join(f"\n  note: {note}" for note in intake.notes)
    head = f"{one.name}: {intake.accepted:,} readings taken, {intake.rejected:,} rejected, {what}"
    return f"{head}; now {one.path}{rejects}{notes}"


def handled_json(one: Handled) -> dict[str, Any]:
    """Return what became of a file."""
    done = one.imported
    return {
        "name": one.name,
        "outcome": str(one.outcome),
        "path": one.path,
        "accepted": done.intake.accepted if done else 0,
        "rejected": done.intake.rejected if done else 0,
        "new": done.new if done else 0,
        "changed": done.changed if done else 0,
        "set_aside": done.aside if done else 0,
        "derived": {"new": done.derived.new if done else 0, "changed": done.derived.changed if done else 0},
        "already_imported": bool(done and done.already),
        "rejects_file": done.rejects_file if done else None,
        "notes": list(done.intake.notes) if done else [],
        "error": one.error.to_dict() if one.error else None,
    }
