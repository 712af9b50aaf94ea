"""Where a command's readings come from: a meter file, or usage points in the store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gridwright.cli.options import Site
from gridwright.cli.output import say
from gridwright.domain.errors import InputError, NotFound, UsageError
from gridwright.domain.interval import Interval, parse_period, zone_of
from gridwright.formats.source import ReadOptions

if TYPE_CHECKING:
    from gridwright.app import Platform
    from gridwright.jobs.cascade.trust_readings import Material, SiteDefaults, Trusted
    from gridwright.jobs.load.load_trusted import Usable

File = Annotated[
    Path | None, typer.Argument(metavar="FILE", help="A meter file; left out, the store is read.", show_default=False)
]
Points = Annotated[list[str] | None, typer.Option("--usage-point", help="Only this usage point; repeatable.")]
Period = Annotated[str, typer.Option("--period", help="2025, 2025-03, 2025-03-30 or FROM/TO; left out, everything.")]
Tariff = Annotated[
    str | None, typer.Option("--tariff", help="Rate card: a TOML file or a name; left out, 0.30 per kWh.")
]


def site_of(platform: Platform, site: Site, rules: Path | None = None) -> SiteDefaults:
    """Return what is assumed of usage points: the settings, overridden by the command line; `rules`: their file."""
    from dataclasses import replace

    book = platform.rule_book(rules)
    check_choice(site.customer_class or "", book.classes, "--class")
    given = {
        name: value
        for name in ("customer_class", "capacity_kw", "holidays")
        if (value := getattr(site, name)) is not None
    }
    return replace(platform.site, rules=book, **given)


def material(platform: Platform, file: Path | None, points: Sequence[str] | None, reading: ReadOptions) -> Material:
    """Return what a file holds, or the store; a usage point that is not there is NotFound."""
    if file is not None:
        return platform.read(file, reading)
    from gridwright.store.archive.reading import leaving_out

    with leaving_out() as lost:
        stored = platform.stored(points)
    for error in lost:
        say(f"left out: {error}")
    return stored


def trusted(
    platform: Platform,
    file: Path | None,
    points: Sequence[str] | None,
    reading: ReadOptions,
    site: Site,
    *,
    rules: Path | None = None,
) -> list[Trusted]:
    """Validate and estimate a source; with `points`, only groups that hold one of them. `rules`: their file."""
    source = material(platform, file, points, reading)
    judged = site_of(platform, site, rules)
    groups, notes = platform.trust(source, judged)
    for line in (*verdict_lines(source), *notes):
        say(line)
    known = {point.id for group in groups for point in group.points}
    lost = [name for name in points or () if name not in known]
    if lost:
        shown = ", ".join(sorted(known)[:5])
        raise NotFound(f"usage point {lost[0]!r} is not there", where=str(file or "store"), remedy=f"known: {shown}")
    if not points:
        return groups
    return [group for group in groups if any(point.id in points for point in group.points)]


def usable(
    platform: Platform, file: Path | None, points: Sequence[str] | None, reading: ReadOptions, site: Site
) -> Sequence[Usable]:
    """Return a file's readings validated and estimated, or what the store holds, as bills and pages have it."""
    if file is not None:
        return trusted(platform, file, points, reading, site)
    groups, notes = platform.usable(points, site=site_of(platform, site))
    for line in notes:
        say(line)
    return groups


def verdict_lines(source: Material) -> list[str]:
    """Say what could not be taken of a file, with the first reason; nothing where all was well."""
    intake = source.intake
    if intake is None or not intake.rejected:
        return []
    first = next((reject for reject in intake.rejects if not reject.conflict), None)
    why = f"; the first, line {first.line}: {first.reason}" if first else ""
    return [f"{intake.source}: {intake.accepted:,} readings taken, {intake.rejected:,} rejected{why}"]


def rows_of(group: Usable, points: Sequence[str] | None) -> list[int]:
    """Return the rows of a group that were asked for."""
    return [row for row, point in enumerate(group.points) if not points or point.id in points]


def check_choice(value: str, known: Sequence[str], option: str) -> None:
    """Refuse a value that is none of `known`."""
    if value and value not in known:
        raise UsageError(f"{option} {value!r} is unknown", remedy=f"use one of {', '.join(known)}")


def period_of(text: str, zone: str) -> Interval | None:
    """Read a period in a zone; empty text is None, nonsense a UsageError."""
    try:
        return parse_period(text, zone_of(zone)) if text else None
    except InputError as error:
        raise UsageError(error.message, where="--period", remedy=error.remedy) from error
