"""The head of the page: what it is about, the figures of all usage points, and a table of them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from datetime import UTC
from pathlib import Path

from gridwright.documents.charts.scale import fixed, number
from gridwright.documents.report_data import PointResult, ReportData
from gridwright.documents.report_forecast import short_name
from gridwright.documents.report_money import bill_of
from gridwright.documents.report_point import point_view
from gridwright.documents.report_reading import left_out, reading_view
from gridwright.documents.report_text import clock_of, counted, energy, share, span
from gridwright.documents.report_views import Fact, OverviewView, PageView, Row, Rows

ROWS_SHOWN = 1000
COMMANDS = (
    ("gridwright validate {}", "every finding"),
    ("gridwright forecast backtest {}", "how good the forecasts are"),
    ("gridwright bill explain {}", "each line of the bill, worked out"),
    ("gridwright dispatch plan {}", "a battery's plan for the next day"),
    ("gridwright reading import {}", "keep the readings in the store"),
)
NOTHING = (
    "No usage point was found in what was read. See above what could not be taken and why; "
    "the option in the last column of “How it was understood” tells Gridwright how to read the file."
)


def page_view(data: ReportData) -> PageView:
    """Show the whole report; usage points beyond `details` get only their row of the table."""
    anchors = [f"point-{number}" for number in range(1, min(len(data.points), data.details) + 1)]
    shown = [point_view(point, anchor) for point, anchor in zip(data.points, anchors, strict=False)]
    return PageView(
        title=f"Meter report: {_source(data)}",
        subtitle=_subtitle(data),
        facts=tuple(_facts(data)),
        notes=data.notes,
        reading=reading_view(data.intakes),
        overview=_overview(data, anchors) if len(data.points) > 1 else None,
        points=tuple(shown),
        empty="" if data.points else NOTHING,
        made=_made(data),
        commands=_commands(data.sources),
    )


def _source(data: ReportData) -> str:
    return data.sources[0].name if len(data.sources) == 1 else counted(len(data.sources), "file")


def _subtitle(data: ReportData) -> str:
    made = f"made {data.made_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC by Gridwright {data.version}"
    if not data.points:
        return made
    zones = sorted({point.usage_point.zone for point in data.points})
    where = clock_of(zones[0]) if len(zones) == 1 else f"local times of {len(zones)} zones"
    return f"{_period(data.points)}, {where}; {made}"


def _period(points: Sequence[PointResult]) -> str:
    first = min(points, key=lambda point: point.analysis.period.start)
    last = max(points, key=lambda point: point.analysis.period.end)
    return span(first.analysis.period.start, last.analysis.period.end, first.usage_point.tz)


def _facts(data: ReportData) -> Iterator[Fact]:
    records = sum(intake.records for intake in data.intakes)
    taken = sum(intake.accepted for intake in data.intakes)
    lost = sum(intake.rejected for intake in data.intakes)
    yield Fact("Readings", f"{taken:,}", f"from {counted(records, 'record')}")
    yield Fact("Not taken", f"{lost:,}", "each with its reason below" if lost else "every record is used")
    yield Fact("Usage points", f"{len(data.points):,}")
    if not data.points:
        return
    yield Fact("Energy delivered", energy(sum(point.analysis.total_kwh for point in data.points)), _period(data.points))
    totals = [point.analysis.ribbon.totals for point in data.points]
    slots = sum(sum(counts.values()) for counts in totals)
    good = sum(counts["measured"] + counts["edited"] for counts in totals)
    estimated = sum(counts["estimated"] for counts in totals)
    yield Fact("Measured", share(good, slots), f"{estimated:,} estimated, {slots - good - estimated:,} without value")
    yield Fact("Findings", f"{sum(len(point.findings) for point in data.points):,}", "doubts of the validation rules")


def _overview(data: ReportData, anchors: Sequence[str]) -> OverviewView:
    header = (
        "usage point",
        "energy",
        "fed in",
        "measured",
        "estimated",
        "missing",
        "findings",
        "forecast by",
        "MASE",
        "bill",
        "battery saves",
    )
    rows = tuple(map(_row, data.points[:ROWS_SHOWN]))
    links = tuple((anchor, point.usage_point.id) for anchor, point in zip(anchors, data.points, strict=False))
    return OverviewView(
        table=Rows(header, rows, numbers=True, note=left_out(len(data.points), ROWS_SHOWN, "usage point")),
        links=links,
        note=_shown(len(data.points), len(anchors)),
    )


def _shown(total: int, shown: int) -> str:
    bills = "Bill: the last whole month. Battery: the last whole days, planned on the forecast."
    return f"{bills} The first {shown} of {total:,} usage points follow in full." if shown < total else bills


def _row(point: PointResult) -> Row:
    found, quality = point.analysis, point.analysis.ribbon.totals
    bill, own = bill_of(point.bills), point.accuracy.own if point.accuracy else None
    return (
        point.usage_point.id,
        f"{number(found.total_kwh)} kWh",
        f"{number(found.received.total_kwh)} kWh" if found.received else "–",
        share(quality["measured"] + quality["edited"], sum(quality.values())),
        f"{quality['estimated']:,}",
        f"{quality['missing'] + quality['rejected']:,}",
        f"{len(point.findings):,}",
        short_name(point.forecast.models[0]) if point.forecast else "–",
        fixed(own.mase, 2) if own else "–",
        f"{bill.total:,f} {bill.currency}" if bill else "–",
        f"{point.what_if.saving_on_forecast + 0.0:,.2f} {point.what_if.currency}" if point.what_if else "–",
    )


def _made(data: ReportData) -> str:
    tariff = f" Rate card: {data.tariff}." if data.tariff else ""
    when = f"{data.made_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return f"Made {when} by Gridwright {data.version} from {_source(data)}.{tariff}"


def _commands(sources: Sequence[Path]) -> str:
    if not sources:
        return "gridwright report FILE"
    name = shlex.quote(sources[0].name)
    typed = [(command.replace("{}", name), why) for command, why in COMMANDS]
    width = max(len(command) for command, _ in typed)
    return "\n".join(f"{command:<{width}}  # {why}" for command, why in typed)
