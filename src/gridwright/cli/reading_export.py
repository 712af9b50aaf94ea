"""`gridwright reading export`: stored readings as a file that others can read."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from gridwright.cli.context import platform
from gridwright.cli.options import Json
from gridwright.cli.output import leave_quietly, print_json, progress, say
from gridwright.domain.errors import GridwrightError, UsageError
from gridwright.domain.interval import Interval, parse_instant, parse_period, zone_of

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from gridwright.app import Platform
    from gridwright.jobs.files.export_readings import Export, Wanted

IMAGES = ("raw", "final")
STDOUT = Path("-")


def export(
    points: Annotated[
        list[str] | None, typer.Argument(metavar="[POINT...]", help="Usage points; left out, all.", show_default=False)
    ] = None,
    format_name: Annotated[
        str,
        typer.Option("--format", help="nem12, nem13, csv, wide-csv, parquet, green-button, cim-xml, cmep or mscons."),
    ] = "csv",
    *,
    period: Annotated[str, typer.Option("--period", help="2025, 2025-03, 2025-03-30 or FROM/TO.")] = "",
    since: Annotated[str, typer.Option("--from", help="From this date or time on, instead of --period.")] = "",
    until: Annotated[str, typer.Option("--to", help="Up to this date or time, which is left out.")] = "",
    kinds: Annotated[
        list[str] | None,
        typer.Option("--reading-type", help="Only this one, such as electricity/delivered/energy/delta/0; repeatable."),
    ] = None,
    interval: Annotated[
        int | None, typer.Option("--interval", help="Only intervals of so many minutes.", min=1)
    ] = None,
    image: Annotated[str, typer.Option("--image", help="raw: as they came; final: as validated.")] = "raw",
    as_of: Annotated[str, typer.Option("--as-of", help="As known at this instant, such as 2025-04-01.")] = "",
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write; - is standard output.")] = STDOUT,
    as_json: Json = False,
) -> None:
    """Write stored readings as a file: CSV, NEM12, Parquet, CMEP, MSCONS, Green Button or CIM XML."""
    from gridwright.formats.registry import writer_named
    from gridwright.jobs.files.export_readings import Wanted, plan_export

    if as_json and out == STDOUT:
        raise UsageError("--json and the file cannot both go to standard output", remedy="name a file with -o FILE")
    if image not in IMAGES:
        raise UsageError(f"there is no image {image!r}", remedy=f"use one of {', '.join(IMAGES)}")
    writer = writer_named(format_name)
    wired = platform()
    wanted = _wanted(wired, points, (period, since, until), as_of, Wanted(kinds=tuple(kinds or ())))
    wanted = _narrowed(wanted, interval, image)
    with progress(
        f"Exporting as {writer.name}", quiet=as_json or out == STDOUT, stopped="No file was written."
    ) as advance:
        plan = plan_export(wired.store, wired.access, writer, wanted, progress=advance)
        size = _write(plan, out)
    if as_json:
        print_json(_summary(plan, out, size))
        return
    say(
        f"Exported {plan.readings:,} readings and {plan.registers:,} register reads of {len(plan.written):,} usage "
        f"points as {writer.name}, {size:,} bytes" + ("." if out == STDOUT else f": {out}")
    )
    for reason in plan.left_out:
        say(f"  left out: {reason}")
    for note in plan.notes:
        say(f"  note: {note}")


def register(app: typer.Typer) -> None:
    """Add the command to its group."""
    app.command(epilog="Example: gridwright reading export UP-1042 --format nem12 --period 2025-03 -o march.csv")(
        export
    )


def _wanted(wired: Platform, points: list[str] | None, when: tuple[str, str, str], as_of: str, base: Wanted) -> Wanted:
    """Complete the wish with points, period and instant, in the zone of the one usage point, else of the site."""
    from dataclasses import replace

    names = tuple(dict.fromkeys(points or ())) or None
    one = names[0] if names is not None and len(names) == 1 else None
    tz = wired.store.registry.point(wired.access, one).tz if one else zone_of(wired.settings.site.zone)
    known_at = parse_instant(as_of, tz) if as_of else None
    return replace(base, points=names, period=_period(*when, tz), as_of=known_at)


def _narrowed(wanted: Wanted, interval: int | None, image: str) -> Wanted:
    from dataclasses import replace

    from gridwright.domain.image import Image

    length = timedelta(minutes=interval) if interval else None
    return replace(wanted, interval=length, image=Image(image))


def _period(period: str, since: str, until: str, tz: ZoneInfo) -> Interval | None:
    if period and (since or until):
        raise UsageError("--period and --from/--to say the same thing twice", remedy="give one of them")
    if period:
        return parse_period(period, tz)
    if not since and not until:
        return None
    start = parse_instant(since, tz) if since else parse_instant("1970-01-01", tz)
    return Interval(start, parse_instant(until, tz) if until else parse_instant("9999-01-01", tz))


def _write(plan: Export, out: Path) -> int:
    """Write the file, whole or not at all; returns its size."""
    size = 0
    with _opened(out) as file:
        for piece in plan.pieces():
            try:
                file.write(piece)
            except BrokenPipeError:
                leave_quietly()
            size += len(piece)
    return size


@contextmanager
def _opened(out: Path) -> Iterator[BinaryIO]:
    """Open standard output, or a file beside the wanted one that takes its place at the end."""
    if out == STDOUT:
        yield sys.stdout.buffer
        return
    if out.exists() and not out.is_file():
        # A pipe or a device is written to, never replaced.
        with _told(out), out.open("wb") as file:
            yield file
        return
    target = out.resolve()
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with _told(out):
            with part.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _told(out: Path) -> Iterator[None]:
    """Say which file could not be written, and what helps."""
    try:
        yield
    except OSError as error:
        raise GridwrightError(
            error.strerror or str(error), where=str(out), remedy="check the path, its permissions and the room there"
        ) from error


def _summary(plan: Export, out: Path, size: int) -> dict[str, Any]:
    return {
        "file": out,
        "format": plan.writer.name,
        "usage_points": sorted(plan.written),
        "readings": plan.readings,
        "register_reads": plan.registers,
        "bytes": size,
        "left_out": plan.left_out,
        "notes": plan.notes,
    }
