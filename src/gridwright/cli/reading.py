"""`gridwright reading`: import meter files into the store, and show what is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridwright.cli import reading_export, reading_watch
from gridwright.cli.context import platform
from gridwright.cli.interrupts import ctrl_c
from gridwright.cli.options import Json, with_reading
from gridwright.cli.output import GOES_ON, print_json, print_table, progress, say
from gridwright.cli.source import Period
from gridwright.domain.errors import InputError, UsageError
from gridwright.domain.interval import parse_instant, zone_of
from gridwright.formats.catalogue import titles
from gridwright.formats.source import ReadOptions

if TYPE_CHECKING:
    from gridwright.domain.verdict import Reject
    from gridwright.jobs.files.import_trusted import TrustedImport
    from gridwright.jobs.files.ingest_file import Imported

SHOWN_REJECTS = 10
app = typer.Typer(help="Import and export meter files, and show what is stored.", no_args_is_help=True)
reading_export.register(app)
reading_watch.register(app)


@app.command("import", epilog="Example: gridwright reading import town.csv --dry-run")
@with_reading
def import_(
    file: Annotated[Path, typer.Argument(help=f"A meter file: {titles()}, also zipped.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and judge everything, write nothing.")] = False,
    validate: Annotated[
        bool, typer.Option("--validate", help="Validate and estimate in the same pass, and keep the final readings.")
    ] = False,
    rejects: Annotated[
        Path | None, typer.Option("--rejects", help="CSV for rejected records (default: FILE.rejects.csv).")
    ] = None,
    as_json: Json = False,
    *,
    reading: ReadOptions,
) -> None:
    """Import a file: good records are kept, bad ones go to a file with reason and remedy; safe to interrupt."""
    if validate and dry_run:
        raise UsageError("--validate writes, --dry-run does not", remedy="give one of them")
    wired = platform(makes=True, dry_run=dry_run)
    # Not `with_name`: a path such as `.` has none, and is refused by whoever opens it.
    target = rejects or file.parent / f"{file.name}.rejects.csv"
    judged: TrustedImport | None = None
    left = "Nothing was written." if dry_run else f"What was read is stored. {GOES_ON}"
    with ctrl_c() as pressed, progress(f"Importing {file.name}", quiet=as_json, stopped=left) as advance:
        step = pressed.looked_at(advance)
        if validate:
            judged = wired.import_trusted(file, reading, rejects_to=target, progress=step)
        done = (
            judged.imported
            if judged
            else wired.import_file(file, reading, dry_run=dry_run, rejects_to=target, progress=step)
        )
    if as_json:
        print_json({**imported_json(done), **judged_json(judged)})
    else:
        for line in [*words(done), *judged_words(judged)]:
            say(line)
    if done.took_nothing and not done.untouched:
        raise typer.Exit(1) if as_json else why_nothing(done, str(file))


def why_nothing(done: Imported, place: str) -> InputError:
    """Return why nothing of a file was taken: its first reject, or what was noted where there is not even that."""
    if done.intake.rejects:
        first = done.intake.rejects[0]
        return InputError(first.reason, where=f"{place} line {first.line}", remedy=first.remedy)
    return InputError(f"no reading is in it: {done.intake.notes[0]}", where=place, remedy="fetch the file again")


def judged_json(judged: TrustedImport | None) -> dict[str, Any]:
    """Return what validation and estimation brought, where they were asked for."""
    if judged is None:
        return {}
    return {
        "findings": judged.findings,
        "final_readings": judged.final,
        "estimated": judged.estimated,
        "with_history": judged.later,
    }


def judged_words(judged: TrustedImport | None) -> list[str]:
    """Say the same."""
    if judged is None:
        return []
    return [f"Judged: {judged.findings:,} new findings, {judged.final:,} final readings."]


def imported_json(done: Imported) -> dict[str, Any]:
    """Return the verdict and what changed in the store."""
    from gridwright.documents.report_json import intake_json

    return {
        **intake_json(done.intake),
        "usage_points": list(done.points),
        "new": done.new,
        "changed": done.changed,
        "same": done.same,
        "set_aside": done.aside,
        "derived": {
            "new": done.derived.new,
            "changed": done.derived.changed,
            "same": done.derived.same,
        },
        "already_imported": done.already,
        "resumed_at_byte": done.resumed_at,
        "dry_run": done.dry_run,
        "rejects_file": done.rejects_file,
        "findings": done.findings,
    }


def told_once(rejects: Sequence[Reject]) -> Iterator[str]:
    """Say what became of records, each verdict of a line once: a row of NEM12 holds a day of them."""
    several = Counter((one.line, one.reason, one.remedy) for one in rejects)
    for (line, reason, remedy), times in several.items():
        yield f"  line {line}: {reason}{f' ({remedy})' if remedy else ''}{f', {times:,} times' if times > 1 else ''}"


def words(done: Imported) -> list[str]:
    """Say what was read, how it was understood, and what became of it."""
    intake = done.intake
    lines = [
        f"{one.what}: {one.value} ({one.because}{f'; override: {one.override}' if one.override else ''})"
        for one in intake.evidence
    ]
    lines.append(
        f"{intake.source}: {intake.records:,} records, {intake.accepted:,} readings taken, {intake.left_out()}"
    )
    lines += [*islice(told_once(intake.rejects), SHOWN_REJECTS), *(f"  note: {note}" for note in intake.notes)]
    if done.rejects_file is not None:
        lines.append(f"{'Rejected' if intake.rejected else 'Conflicting'} records: {done.rejects_file}")
    if done.untouched:
        return lines
    told = [f"{done.findings:,} new findings: readings that came twice, or of the future."] if done.findings else []
    begin = "Would be stored" if done.dry_run else "Stored"
    left = ["Dry run: nothing was written."] if done.dry_run else []
    stored = [f"{begin}: {done.new:,} new, {done.changed:,} changed, {done.same:,} as before{_aside(done.aside)}."]
    if done.derived.readings:
        made = done.derived
        counts = f"{made.new:,} new, {made.changed:,} changed, {made.same:,} as before"
        stored.append(f"Intervals of energy between the register reads: {counts}.")
    return [*lines, *stored, *told, *left]


def _aside(readings: int) -> str:
    """Say how many values did not count, if any."""
    return f", {readings:,} set aside: a better value is stored" if readings else ""


@app.command(epilog="Example: gridwright reading show UP-1042 --period 2025-03-30 --json")
def show(
    point: Annotated[str, typer.Argument(help="The usage point.")],
    period: Period = "",
    as_of: Annotated[str, typer.Option("--as-of", help="As known at this instant, such as 2025-04-01T12:00.")] = "",
    image: Annotated[str, typer.Option("--image", help="raw: as they came; final: as validated.")] = "raw",
    as_json: Json = False,
) -> None:
    """Show a usage point's stored readings with status and estimation method."""
    from gridwright.domain.block import IntervalBlock
    from gridwright.domain.image import Image

    if image not in set(Image):
        raise UsageError(f"there is no image {image!r}", remedy=f"use one of {', '.join(Image)}")
    wired = platform()
    zone = wired.store.registry.point(wired.access, point).zone
    known_at: datetime | None = parse_instant(as_of, zone_of(zone)) if as_of else None
    if image == Image.RAW:
        panel = wired.as_came(point, period or None, as_of=known_at)
    else:
        panel = wired.readings(point, period or None, as_of=known_at, image=Image(image))
    kwh = panel.kwh[0]
    rows = [
        {
            "start": one.start.astimezone(zone_of(zone)).isoformat(),
            "kwh": None if one.value is None else float(kwh[slot]),
            "status": one.status.name.lower(),
            "method": one.method.name.lower(),
        }
        for slot, one in enumerate(IntervalBlock(panel))
    ]
    if as_json:
        facts = {"usage_point": point, "zone": zone, "interval_minutes": panel.interval_s / 60}
        print_json(
            {**facts, "reading_type": panel.reading_type.code, "as_of": known_at, "image": image, "readings": rows}
        )
        return
    print_table(
        ("start", "kWh", "status", "method"),
        [
            (str(r["start"]), "" if r["kwh"] is None else f"{r['kwh']:.6f}", str(r["status"]), str(r["method"]))
            for r in rows
        ],
    )
