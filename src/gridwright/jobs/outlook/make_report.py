"""The main job: meter files in, everything that a report shows out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from gridwright.analytics import Labels, analyse
from gridwright.billing import compile_labels, example_card
from gridwright.dispatch import WhatIf
from gridwright.documents.report_data import Accuracy, PointResult, ReportData
from gridwright.domain.errors import GridwrightError, RateError
from gridwright.domain.forecast import BacktestResult, Forecast
from gridwright.domain.panel import Panel
from gridwright.domain.rate import RateCard
from gridwright.forecast import backtest, serve
from gridwright.formats.source import ReadOptions
from gridwright.jobs.billing.bill_months import bill_months
from gridwright.jobs.billing.what_if import rolled, what_if
from gridwright.jobs.cascade.trust_readings import SiteDefaults, Trusted, material_of, trust_readings
from gridwright.jobs.files.read_file import read_file
from gridwright.jobs.load.coarse_totals import coarse_totals, contents_of

HORIZON = timedelta(hours=48)
T = TypeVar("T")
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """What a report is asked for; `card` None = the example rate; readings later than `now` are refused as future."""

    paths: tuple[Path, ...]
    options: ReadOptions
    site: SiteDefaults
    now: datetime
    version: str
    card: RateCard | None = None
    currency: str = "EUR"
    details: int = 12


def make_report(request: ReportRequest, progress: Progress | None = None) -> ReportData:
    """Read, validate, estimate, analyse, forecast, bill and plan; a part that fails is left out with its reason."""
    card = request.card or example_card(request.currency)
    intakes, groups, notes = [], [], []
    for path in request.paths:
        collected = read_file(path, request.options, not_after=request.now)
        trusted, left_out = trust_readings(material_of(collected), request.site, now=request.now)
        intakes.append(collected.intake)
        groups += trusted
        notes += left_out
        if not trusted:
            notes.append(f"{path.name} holds no series of energy or power to analyse: {contents_of(collected)}")
        notes += coarse_totals(collected, {point.id for group in trusted for point in group.points})
    total = sum(len(group.points) for group in groups)
    points: list[PointResult] = []
    for group in groups:
        for result in report_group(group, card, request.now):
            points.append(result)
            if progress is not None:
                progress(len(points), total)
    return ReportData(
        sources=request.paths,
        intakes=tuple(intakes),
        points=tuple(sorted(points, key=lambda point: point.usage_point.id)),
        made_at=request.now,
        version=request.version,
        details=request.details,
        tariff=card.reference,
        notes=tuple(dict.fromkeys(notes)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """What is expected of a group: forecasts, their accuracy, and the forecasts that past plans would have had."""

    forecast: Forecast | None
    accuracy: BacktestResult | None
    rolled: list[Forecast]
    rolled_received: list[Forecast]
    notes: tuple[str, ...]


def outlook_of(group: Trusted) -> Outlook:
    """Forecast a group, and score the models; too little data leaves a part out and says so."""
    notes: dict[str, None] = {}
    forecast = _tried(lambda: serve(group.trusted, HORIZON, zone=group.zone), notes)
    accuracy = _tried(lambda: backtest(group.trusted, horizon=HORIZON, zone=group.zone), notes)
    known = _tried(lambda: rolled(group.trusted, group.zone), notes) or []
    received = group.received
    fed_in = _tried(lambda: rolled(received, group.zone), notes) if received is not None else None
    return Outlook(forecast, accuracy, known, fed_in or [], tuple(notes))


def _tried(work: Callable[[], T], notes: dict[str, None]) -> T | None:
    try:
        return work()
    except GridwrightError as error:
        notes[str(error)] = None
        return None


def report_group(group: Trusted, card: RateCard, now: datetime) -> Iterator[PointResult]:
    """Yield the result of each usage point of a group."""
    outlook = outlook_of(group)
    for row, point in enumerate(group.points):
        trusted = group.trusted.rows([row])
        received = group.received_of(row)
        notes: dict[str, None] = dict.fromkeys(outlook.notes)
        billed = bill_months(trusted, card, point, known_at=now, received=received)
        yield PointResult(
            usage_point=point,
            raw=group.raw.rows([row]),
            trusted=trusted,
            findings=group.findings.get(point.id, ()),
            analysis=analyse(trusted, point.zone, received=received, labels=tou_labels(card, trusted, point.zone)),
            received=received,
            forecast=forecast_of(outlook.forecast, row),
            accuracy=accuracy_of(outlook, row),
            bills=billed.bills,
            what_if=_battery(group, outlook, row, card, notes),
            notes=(*notes, *billed.notes),
        )


def tou_labels(card: RateCard, panel: Panel, zone: str) -> Labels | None:
    """Return the time-of-use labels of a panel's slots by the card's first calendar; None where it has none."""
    if not card.calendars:
        return None
    calendar = card.calendars[0]
    try:
        return Labels(calendar.labels, compile_labels(calendar, panel.start, panel.interval, panel.slots, zone))
    except RateError:
        # Intervals that straddle two labels: the bill's note says so.
        return None


def _battery(group: Trusted, outlook: Outlook, row: int, card: RateCard, notes: dict[str, None]) -> WhatIf | None:
    if not outlook.rolled:
        return None
    point = group.points[row]
    received = group.received_of(row) if outlook.rolled_received else None
    return _tried(
        lambda: what_if(
            group.trusted.rows([row]),
            card,
            point,
            outlook.rolled,
            received=received,
            received_forecasts=outlook.rolled_received if received is not None else None,
        ),
        notes,
    )


def forecast_of(forecast: Forecast | None, row: int) -> Forecast | None:
    """Return one usage point's forecast; None where no model could serve it."""
    if forecast is None or forecast.models[row] == "none":
        return None
    return forecast.row(row)


def accuracy_of(outlook: Outlook, row: int) -> Accuracy | None:
    """Return one usage point's scores of every model."""
    result = outlook.accuracy
    if result is None:
        return None
    # The ladder's choice of before the first origin: what serves today has seen the days that are scored.
    return Accuracy(
        served=result.served[row],
        by_model={model: scores[row] for model, scores in result.per_point.items()},
        horizon=result.horizon,
        origins=len(result.origins),
        notes=result.notes,
    )
