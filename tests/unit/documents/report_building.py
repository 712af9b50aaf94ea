"""Builds a report's data by the real stages from a small simulated town."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import numpy as np

from gridwright.analytics import analyse
from gridwright.billing import example_card, price_terms, rate
from gridwright.dispatch import WhatIf, battery_what_if, day_ahead
from gridwright.documents.report_data import Accuracy, PointResult, ReportData
from gridwright.domain.bill import Bill
from gridwright.domain.errors import GridwrightError
from gridwright.domain.forecast import Forecast
from gridwright.domain.interval import Interval, local_month
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import UsagePoint
from gridwright.domain.verdict import Evidence, Intake, Reject
from gridwright.forecast import backtest, serve
from gridwright.forecast.rolling import rolling
from gridwright.simulate import FaultKind, Kind, Town, inject, simulate_homes
from gridwright.vee import estimate, validate

ZONE = "Europe/Berlin"
HALF_HOUR, TWO_DAYS = timedelta(minutes=30), timedelta(hours=48)
NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
FAULTS = (FaultKind.GAP_SHORT, FaultKind.GAP_DAY, FaultKind.SPIKE, FaultKind.NEGATIVE)


def a_town(first: str, last: str) -> Town:
    zone = UsagePoint("x", ZONE).tz
    days = [datetime.fromisoformat(day).replace(tzinfo=zone) for day in (first, last)]
    return simulate_homes(2, Interval(*days), 7, HALF_HOUR, ZONE, kinds=(Kind.HOME, Kind.PV_HOME))


@lru_cache(maxsize=1)
def a_report() -> ReportData:
    """A home with faults and one with PV, ten weeks over the change of the clocks."""
    town = inject(a_town("2025-02-20", "2025-05-01"), 7, kinds=FAULTS)
    return report_of(*(point_result(town, row) for row in range(2)))


def report_of(*points: PointResult, source: str = "town.csv", rejects: tuple[Reject, ...] = ()) -> ReportData:
    intake = Intake(
        source,
        "csv",
        records=6_720 + len(rejects),
        accepted=6_720,
        rejects=rejects,
        rejected=len(rejects),
        repeated=3,
        evidence=(Evidence("zone", ZONE, "stamps carry its offset", "zone"),),
        notes=("values were rounded to 1 Wh",),
    )
    return ReportData((Path(source),), (intake,), points, NOW, "0.1.0", tariff="example-flat@1")


def point_result(town: Town, row: int) -> PointResult:
    """Run every stage on one row of the town; a part that fails is left out with its reason."""
    point, raw = town.points[row], town.panel.rows([row])
    validation = validate(raw, {point.id: point}, now=NOW)
    estimation = estimate(validation.panel, {point.id: point})
    received = town.received.row(point.id) if town.received and point.id in town.received.points else None
    return result_of(
        PointResult(
            usage_point=point,
            raw=raw,
            trusted=estimation.panel,
            findings=(*validation.findings, *estimation.findings),
            analysis=analyse(estimation.panel, ZONE, received=received),
            received=received,
        )
    )


def result_of(result: PointResult) -> PointResult:
    panel, point, notes = result.trusted, result.usage_point, []
    try:
        forecast = serve(panel, TWO_DAYS, zone=ZONE)
        scores = backtest(panel, horizon=TWO_DAYS, zone=ZONE)
        accuracy = Accuracy(
            forecast.models[0],
            {name: of_points[0] for name, of_points in scores.per_point.items()},
            scores.horizon,
            len(scores.origins),
            scores.notes,
        )
        result = replace(result, forecast=forecast, accuracy=accuracy, what_if=a_what_if(result))
    except GridwrightError as error:
        notes.append(str(error))
    return replace(result, bills=tuple(bills_of(panel, point)), notes=tuple(notes))


def a_what_if(result: PointResult) -> WhatIf:
    panel = result.trusted
    prices = price_terms(example_card(), panel.start, panel.interval, panel.slots, ZONE)
    fed_in = rolled(result.received) if result.received is not None else []
    ahead = day_ahead(rolled(panel), received=fed_in)
    return battery_what_if(panel, ahead, prices, ZONE, received=result.received, days=7)


def rolled(panel: Panel) -> list[Forecast]:
    return rolling(panel, zone=ZONE, horizon=TWO_DAYS, days=8)


def bills_of(panel: Panel, point: UsagePoint) -> Iterator[Bill]:
    months = np.unique(panel.calendar(ZONE).month).astype("datetime64[M]").astype(str).tolist()
    for name in months:
        whole = local_month(int(name[:4]), int(name[5:]), point.tz)
        period = whole.intersection(panel.period)
        if period is not None:
            yield rate(panel, example_card(), usage_point=point, known_at=NOW, period=period)
