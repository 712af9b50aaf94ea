"""`gridwright reading import`: meter files into the store, one or many, each with its verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from gridwright.cli.context import platform
from gridwright.cli.interrupts import CtrlC, ctrl_c
from gridwright.cli.options import Json, with_reading
from gridwright.cli.output import GOES_ON, from_os, print_error, print_json, progress, say
from gridwright.domain.errors import GridwrightError, InputError, StoreError, UsageError
from gridwright.formats.catalogue import titles
from gridwright.formats.source import ReadOptions

if TYPE_CHECKING:
    from gridwright.app import Platform
    from gridwright.domain.verdict import Reject
    from gridwright.jobs.files.import_trusted import TrustedImport
    from gridwright.jobs.files.ingest_file import Imported

SHOWN_REJECTS = 10


class Wanted(NamedTuple):
    """How files are imported: `shown`: with a progress bar."""

    reading: ReadOptions
    dry_run: bool
    validate: bool
    rejects: Path | None
    shown: bool

    def rejects_of(self, file: Path) -> Path:
        """Return where the records of a file go that are not taken."""
        # Not `with_name`: a path such as `.` has none, and is refused by whoever opens it.
        return self.rejects or file.parent / f"{file.name}.rejects.csv"


class Done(NamedTuple):
    """What became of a file."""

    file: Path
    imported: Imported
    judged: TrustedImport | None

    @property
    def nothing(self) -> bool:
        """Tell whether the file is new and nothing of it could be taken."""
        return self.imported.took_nothing and not self.imported.untouched

    def as_json(self) -> dict[str, Any]:
        """Return the verdict, what changed in the store, and what validation brought."""
        return {**imported_json(self.imported), **judged_json(self.judged)}


@with_reading
def import_(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help=f"Meter files: {titles()}, also zipped.", show_default=False)
    ],
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
    """Import files: good records are kept, bad ones go to a file with reason and remedy; safe to interrupt."""
    if validate and dry_run:
        raise UsageError("--validate writes, --dry-run does not", remedy="give one of them")
    if rejects is not None and len(files) > 1:
        raise UsageError("--rejects names one file for the records of several", remedy="leave it out, or import one")
    wired = platform(makes=True, dry_run=dry_run)
    how = Wanted(reading, dry_run, validate, rejects, shown=not as_json)
    with ctrl_c() as pressed:
        if len(files) == 1:
            _import_alone(wired, files[0], how, pressed)
        else:
            _import_many(wired, files, how, pressed)


def _import_alone(wired: Platform, file: Path, how: Wanted, pressed: CtrlC) -> None:
    done = _imported(wired, file, how, pressed)
    if how.shown:
        _say(done)
    else:
        print_json(done.as_json())
    if done.nothing:
        raise why_nothing(done.imported, str(file)) if how.shown else typer.Exit(1)


def _import_many(wired: Platform, files: Sequence[Path], how: Wanted, pressed: CtrlC) -> None:
    """Import one file after the other; one that fails costs itself."""
    told: list[dict[str, Any]] = []
    taken: list[Imported] = []
    failed: list[Path] = []
    for file in files:
        pressed.look()
        try:
            done = _imported(wired, file, how, pressed)
        except StoreError:
            raise  # it is no fault of this file, and the next one would meet it too
        except (OSError, GridwrightError) as error:
            told.append(_say_failed(file, from_os(error) if isinstance(error, OSError) else error, how))
        else:
            told.append({"file": str(file), **done.as_json()})
            if how.shown:
                _say(done)
            if not done.nothing:
                taken.append(done.imported)
                continue
            if how.shown:
                print_error(why_nothing(done.imported, str(file)), as_json=False)
        failed.append(file)
    if how.shown:
        say(_in_all(files, taken, failed, dry_run=how.dry_run))
    else:
        print_json({"files": told})
    if failed:
        raise typer.Exit(1)


def _say_failed(file: Path, error: GridwrightError, how: Wanted) -> dict[str, Any]:
    if how.shown:
        print_error(error, as_json=False)
    return {"file": str(file), "error": error.to_dict()}


def _in_all(files: Sequence[Path], taken: Sequence[Imported], failed: Sequence[Path], *, dry_run: bool) -> str:
    new, changed, same = (sum(getattr(one, name) for one in taken) for name in ("new", "changed", "same"))
    lost = f"; not taken: {', '.join(map(str, failed))}" if failed else ""
    would = "would be " if dry_run else ""
    return f"{len(taken):,} of {len(files):,} files: {would}{new:,} new, {changed:,} changed, {same:,} as before{lost}."


def _imported(wired: Platform, file: Path, how: Wanted, pressed: CtrlC) -> Done:
    left = "Nothing was written." if how.dry_run else f"What was read is stored. {GOES_ON}"
    target = how.rejects_of(file)
    with progress(f"Importing {file.name}", quiet=not how.shown, stopped=left) as advance:
        step = pressed.looked_at(advance)
        if how.validate:
            judged = wired.import_trusted(file, how.reading, rejects_to=target, progress=step)
            return Done(file, judged.imported, judged)
        made = wired.import_file(file, how.reading, dry_run=how.dry_run, rejects_to=target, progress=step)
        return Done(file, made, None)


def _say(done: Done) -> None:
    for line in [*words(done.imported), *judged_words(done.judged)]:
        say(line)


def register(app: typer.Typer) -> None:
    """Add the command to its group."""
    app.command("import", epilog="Example: gridwright reading import town.csv --dry-run")(import_)


def why_nothing(done: Imported, place: str) -> InputError:
    """Return why nothing of a file was taken, with its place."""
    error, first = done.why_nothing, next(iter(done.intake.rejects), None)
    error.where = place if first is None or done.unkept else f"{place} line {first.line}"
    return error


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
        "register_reads": done.registers,
        "not_kept": done.unkept,
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
    stored = [f"{begin}: {done.new:,} new, {done.changed:,} changed, {done.same:,} as before{_besides(done)}."]
    if done.derived.readings:
        made = done.derived
        counts = f"{made.new:,} new, {made.changed:,} changed, {made.same:,} as before"
        stored.append(f"Intervals of energy between the register reads: {counts}.")
    return [*lines, *stored, *told, *left]


def _besides(done: Imported) -> str:
    """Say how many of them are register reads, and what of the readings was not stored or did not count."""
    told = [
        f"; {done.registers:,} of them register reads" if done.registers else "",
        f", {done.aside:,} set aside: a better value is stored" if done.aside else "",
        f"; {done.unkept:,} not kept: longer than an hour, or on no grid" if done.unkept else "",
    ]
    return "".join(told)
