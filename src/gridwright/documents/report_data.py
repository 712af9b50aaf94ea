"""What a report is made from: the verdict on each file and, for each usage point, what every stage found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from gridwright.analytics import Analysis
from gridwright.dispatch import WhatIf
from gridwright.domain.bill import Bill
from gridwright.domain.finding import Finding
from gridwright.domain.forecast import Forecast, Scores
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import UsagePoint
from gridwright.domain.verdict import Intake


@dataclass(frozen=True, slots=True, eq=False)
class Accuracy:
    """How the models did in the rolling-origin backtest of one usage point; `served` is the model in use."""

    served: str
    by_model: Mapping[str, Scores]
    horizon: timedelta
    origins: int
    notes: tuple[str, ...] = ()

    @property
    def own(self) -> Scores | None:
        """Scores of the served model."""
        return self.by_model.get(self.served)


@dataclass(frozen=True, slots=True, eq=False)
class PointResult:
    """Everything about one usage point; panels have one row, delivered energy.

    `raw`: as it was read; `trusted`: validated and estimated; `received`: what was fed in, validated and estimated.
    `bills`: one a civil month, in order. A part that could not be made is None (or empty) and `notes` say why.
    """

    usage_point: UsagePoint
    raw: Panel
    trusted: Panel
    findings: tuple[Finding, ...]
    analysis: Analysis
    received: Panel | None = None
    forecast: Forecast | None = None
    accuracy: Accuracy | None = None
    bills: tuple[Bill, ...] = ()
    what_if: WhatIf | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class ReportData:
    """A whole report; `details`: how many usage points are shown in full, the others get a row of the table."""

    sources: tuple[Path, ...]
    intakes: tuple[Intake, ...]
    points: tuple[PointResult, ...]
    made_at: datetime
    version: str
    details: int = 12
    tariff: str = ""
    notes: tuple[str, ...] = field(default=())
