"""Voltage at usage points against EN 50160: shares of the week within limits, and every excursion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.errors import GridMismatch
from gridwright.domain.interval import Interval, from_epoch_s
from gridwright.domain.panel import Panel, Values, slot_time
from gridwright.domain.reading_type import Quantity

NOMINAL_V = 230.0
# EN 50160, 4.2.2: 10-minute means within ±10 % for 95 % of each week, and within +10 % / −15 % always.
BAND, DEEP, WEEKLY_SHARE = 0.10, 0.15, 0.95
METHOD = timedelta(minutes=10)
WEEK_DAYS, MONDAY_SHIFT = 7, 3
# With less of a week known than this, nothing is concluded.
ENOUGH = 0.5


class Excursion(StrEnum):
    """What a voltage did; a deep dip is below −15 %, which is never allowed."""

    HIGH = "high"
    LOW = "low"
    DEEP_DIP = "deep dip"


@dataclass(frozen=True, slots=True)
class VoltageEvent:
    """One stretch outside the band at one usage point, with its worst mean value."""

    usage_point: str
    kind: Excursion
    period: Interval
    worst_v: float

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "usage_point": self.usage_point,
            "kind": str(self.kind),
            "from": self.period.start.isoformat(),
            "to": self.period.end.isoformat(),
            "worst_v": round(self.worst_v, 2),
        }


@dataclass(frozen=True, slots=True)
class VoltageWeek:
    """A calendar week at one usage point: share of its known values within ±10 %, and how much of it is known.

    `complies` is None where too little is known to tell.
    """

    usage_point: str
    week: datetime
    within: float
    known: float
    lowest_v: float
    highest_v: float
    complies: bool | None

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "usage_point": self.usage_point,
            "week": self.week.isoformat(),
            "within": round(self.within, 6),
            "known": round(self.known, 6),
            "lowest_v": round(self.lowest_v, 2),
            "highest_v": round(self.highest_v, 2),
            "complies": self.complies,
        }


@dataclass(frozen=True, slots=True)
class VoltageReport:
    """Weeks and events, worst first; `indicative`: the meters' intervals are not the standard's 10 minutes."""

    weeks: tuple[VoltageWeek, ...]
    events: tuple[VoltageEvent, ...]
    nominal_v: float
    indicative: bool

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "nominal_v": self.nominal_v,
            "indicative": self.indicative,
            "weeks": [week.to_dict() for week in self.weeks],
            "events": [event.to_dict() for event in self.events],
        }


def voltage_report(panel: Panel, *, zone: str = "UTC", nominal_v: float = NOMINAL_V) -> VoltageReport:
    """Judge a panel of voltages by calendar weeks of `zone`; unknown values are neither within nor outside."""
    if panel.reading_type.quantity is not Quantity.VOLTAGE:
        raise GridMismatch(f"{panel.reading_type} is no voltage")
    known = ~(q.has_status(panel.quality, q.GAPS) | np.isnan(panel.values))
    volts = np.where(known, panel.values * panel.reading_type.resolution, np.nan)
    events = sorted(_events(panel, volts, nominal_v), key=lambda each: -abs(each.worst_v - nominal_v))
    weeks = sorted(_weeks(panel, volts, zone, nominal_v), key=lambda each: (each.within, each.usage_point))
    return VoltageReport(tuple(weeks), tuple(events), nominal_v, panel.interval != METHOD)


def _events(panel: Panel, volts: Values, nominal_v: float) -> list[VoltageEvent]:
    found = []
    high, low = volts > nominal_v * (1 + BAND), volts < nominal_v * (1 - BAND)
    for kind, outside in ((Excursion.HIGH, high), (Excursion.LOW, low)):
        for row, first, last in _runs(outside):
            part = volts[row, first:last]
            worst = float(part.max() if kind is Excursion.HIGH else part.min())
            deep = kind is Excursion.LOW and worst < nominal_v * (1 - DEEP)
            period = Interval(slot_time(panel, first), slot_time(panel, last))
            found.append(VoltageEvent(panel.points[row], Excursion.DEEP_DIP if deep else kind, period, worst))
    return found


def _runs(mask: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> list[tuple[int, int, int]]:
    """Return (row, first, end) of each stretch of True within a row."""
    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, first = np.nonzero(edges == 1)
    _, last = np.nonzero(edges == -1)
    return list(zip(rows.tolist(), first.tolist(), last.tolist(), strict=True))


def _weeks(panel: Panel, volts: Values, zone: str, nominal_v: float) -> list[VoltageWeek]:
    calendar = panel.calendar(zone)
    # 1970-01-01 was a Thursday: three days later the first whole week had its Monday's number.
    week = (calendar.day + MONDAY_SHIFT) // WEEK_DAYS
    starts = np.flatnonzero(np.r_[True, week[1:] != week[:-1]])
    found = []
    for first, last in zip(starts.tolist(), [*starts[1:].tolist(), panel.slots], strict=True):
        monday = from_epoch_s(int(calendar.start_s[first]))
        found += _week(panel.points, volts[:, first:last], monday, nominal_v, panel.interval)
    return found


def _week(
    points: Sequence[str], volts: Values, monday: datetime, nominal_v: float, interval: timedelta
) -> list[VoltageWeek]:
    known = np.isfinite(volts)
    count = known.sum(axis=1)
    inside = (np.abs(np.where(known, volts, np.inf) - nominal_v) <= nominal_v * BAND).sum(axis=1)
    lowest = np.where(known, volts, np.inf).min(axis=1)
    highest = np.where(known, volts, -np.inf).max(axis=1)
    whole = timedelta(days=WEEK_DAYS) / interval
    weeks = []
    for row in np.flatnonzero(count).tolist():
        share, low, high = float(inside[row] / count[row]), float(lowest[row]), float(highest[row])
        told = min(float(count[row]) / whole, 1.0)
        verdict: bool | None = share >= WEEKLY_SHARE
        if low < nominal_v * (1 - DEEP) or high > nominal_v * (1 + BAND):
            verdict = False  # what must never be has been, however little else is known
        elif told < ENOUGH:
            verdict = None
        weeks.append(VoltageWeek(points[row], monday, share, told, low, high, verdict))
    return weeks
