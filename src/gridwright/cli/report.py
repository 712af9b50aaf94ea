"""`gridwright report`: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gridwright.cli.context import platform
from gridwright.cli.options import Json, Site, with_reading, with_site
from gridwright.cli.output import print_json, progress, save, say, tell
from gridwright.cli.source import Tariff, site_of
from gridwright.domain.errors import NotFound
from gridwright.formats.catalogue import titles
from gridwright.formats.source import ReadOptions

if TYPE_CHECKING:
    from gridwright.documents.report_data import PointResult, ReportData

EXAMPLE = "Example: gridwright report town.csv --tariff residential-tou --out reports"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(epilog=EXAMPLE)(with_site(with_reading(report)))


def report(
    *,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help=f"Meter files: {titles()}, also zipped.")],
    tariff: Tariff = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for the report.")] = Path(),
    as_json: Json = False,
    reading: ReadOptions,
    site: Site,
) -> None:
    """Turn meter files into one HTML report: data quality, analysis, forecast, bill, battery."""
    from gridwright.documents.report import render_report
    from gridwright.documents.report_json import report_json

    wired = platform()
    with progress("Reporting", quiet=as_json) as advance:
        data = wired.report(files, reading, tariff=tariff, site=site_of(wired, site), progress=advance)
    if not data.points and not sum(intake.accepted for intake in data.intakes):
        raise NotFound("nothing could be read", where=str(files[0]), remedy=first_reason(data))
    path = write_report(render_report(data), out, files)
    if as_json:
        print_json(report_json(data, path))
        return
    for line in summary(data):
        say(line)
    tell(str(path))


def write_report(html: str, folder: Path, files: list[Path]) -> Path:
    """Write the page into the folder, named after the first file; returns its path."""
    path = folder / f"{files[0].name.partition('.')[0] or 'meter'}-report.html"
    return save(path, html).resolve()


def first_reason(data: ReportData) -> str:
    """Say why nothing was taken."""
    rejects = [reject for intake in data.intakes for reject in intake.rejects]
    return f"line {rejects[0].line}: {rejects[0].reason}; {rejects[0].remedy}" if rejects else _nothing(data)


def _nothing(data: ReportData) -> str:
    from gridwright.jobs.files.read_file import EVENTS

    records = sum(intake.records for intake in data.intakes)
    events = next((note for intake in data.intakes for note in intake.notes if note.endswith(EVENTS)), "")
    if events:
        return events
    return f"its {records:,} records hold no value: ask for the readings" if records else "is it a meter file?"


def summary(data: ReportData) -> list[str]:
    """Say in a few lines what was found."""
    lines = [
        f"{intake.source}: {intake.format}, {intake.accepted:,} readings taken, {intake.left_out()}"
        for intake in data.intakes
    ]
    shown = data.points[: data.details]
    return [*lines, *(f"  {point.usage_point.id}: {', '.join(point_facts(point))}" for point in shown), *data.notes]


def point_facts(point: PointResult) -> list[str]:
    """Say the figures of one usage point."""
    found = len(point.findings)
    facts = [f"{point.analysis.total_kwh:,.1f} kWh", f"{found} finding{'' if found == 1 else 's'}"]
    own = point.accuracy.own if point.accuracy else None
    if point.forecast is not None:
        error = f" (MASE {own.mase:.2f})" if own and own.mase == own.mase else ""
        facts.append(f"forecast by {point.forecast.models[0]}{error}")
    if point.bills:
        total = sum(bill.total for bill in point.bills)
        facts.append(f"bills {total:,.2f} {point.bills[0].currency}")
    if point.what_if is not None:
        facts.append(f"a battery saves {point.what_if.saving_on_forecast:,.2f} in {len(point.what_if.days)} days")
    return facts
