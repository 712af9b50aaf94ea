"""Performance: what each usage point delivered in an event, how sure that is, and what came back afterwards."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from gridwright.demand_response.baseline import Baseline, baseline
from gridwright.demand_response.like_days import NONE, LikeDays, Periods, like_days
from gridwright.demand_response.rules import BaselineRule
from gridwright.domain.errors import TooLittleData
from gridwright.domain.interval import Interval
from gridwright.domain.panel import HOUR, Panel, Values

# Of the event's intervals, at least three quarters must have a value.
MAX_MISSING = 0.25
# 80 % of a normal distribution lie within so many standard deviations.
BAND_80 = 1.2816
WH_PER_KWH = 1000.0
MANY = 2


@dataclass(frozen=True, slots=True, eq=False)
class Delivered:
    """What n usage points delivered, in Wh; `base_wh`, `actual_wh` and `reduction_wh` are [n, slots of the event].

    All three are NaN in an interval without a measured value: it is neither used nor saved. `snap_back_wh`: what
    was used above the baseline in the two hours after. `bias_wh` and `band_wh`: mean miss, and half-width of the 80 %
    band, of the same baseline on like days without event; NaN where too few are known.
    """

    like: LikeDays
    baseline: Baseline
    base_wh: Values
    actual_wh: Values
    snap_back_wh: Values
    bias_wh: Values
    band_wh: Values
    off: npt.NDArray[np.int64]
    missing: npt.NDArray[np.int64]
    estimated: npt.NDArray[np.int64]
    problems: Mapping[str, TooLittleData]

    @property
    def points(self) -> tuple[str, ...]:
        """Usage points, one a row."""
        return self.like.points

    @property
    def reduction_wh(self) -> Values:
        """Energy not used in each interval; negative where more was used."""
        return self.base_wh - self.actual_wh

    @property
    def measurable(self) -> tuple[int, ...]:
        """Rows without a problem."""
        return tuple(row for row, point in enumerate(self.points) if point not in self.problems)

    def kw(self, row: int) -> float:
        """Return the mean reduction of a usage point over the known part of the event, in kW."""
        known = np.isfinite(self.base_wh[row])
        hours = float(known.sum()) * (self.like.interval / HOUR)
        return float(np.nansum(self.reduction_wh[row])) / WH_PER_KWH / hours if hours else 0.0

    def notes(self, row: int, committed_kw: float | None = None) -> tuple[str, ...]:
        """Return what a reader of a row must know: gaps, estimates, snap-back, commitment, how sure it is."""
        slots = self.base_wh.shape[1]
        told = [*self.baseline.notes.get(self.points[row], ())]
        if self.off[row]:
            told.append(f"{self.off[row]} of {slots} intervals fell into a power outage and are left out")
        if self.missing[row]:
            told.append(f"{self.missing[row]} of {slots} intervals have no reading and are left out")
        if self.estimated[row]:
            told.append(f"{self.estimated[row]} of {slots} intervals are estimated and left out")
        if committed_kw:
            share = self.kw(row) / committed_kw
            told.append(f"{self.kw(row):.2f} kW of {committed_kw:g} kW committed ({share:.0%})")
        if np.isfinite(self.snap_back_wh[row]):
            told.append(f"{self.snap_back_wh[row] / WH_PER_KWH:+.3f} kWh against the baseline in the two hours after")
        if np.isfinite(self.band_wh[row]):
            told.append(
                f"on like days without event this baseline misses by {self.bias_wh[row] / WH_PER_KWH:+.3f} kWh "
                f"± {self.band_wh[row] / WH_PER_KWH:.3f} kWh (80 %)"
            )
        return tuple(told)

    def to_dict(self, row: int) -> dict[str, Any]:
        """Return the intervals of one usage point as a JSON object, in kWh; null = no reading or no baseline."""
        return {
            "usage_point": self.points[row],
            "start": self.like.period.start.isoformat(),
            "interval_s": int(self.like.interval.total_seconds()),
            "baseline_kwh": _kwh(self.base_wh[row]),
            "actual_kwh": _kwh(self.like.today[row, self.like.event]),
            "adjustment": round(float(self.baseline.adjustment[row]), 6),
            "days": [day.isoformat() for day in self.baseline.days(row, self.like)],
            "missing": int(self.missing[row]),
            "estimated": int(self.estimated[row]),
        }


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """How far the portfolio's baseline is off on like days without event: mean miss and half-width of the 80 % band."""

    bias_kwh: float
    band_kwh: float
    days: int


def measure(
    panel: Panel,
    period: Interval,
    rule: BaselineRule,
    *,
    zone: str,
    holidays: Collection[date] = frozenset(),
    events: Periods = NONE,
    outages: Periods = NONE,
) -> Delivered:
    """Measure an event for the usage points of a panel of delivered energy; whoever cannot be is a problem by name."""
    like = like_days(panel, period, rule, zone=zone, holidays=holidays, events=events, outages=outages)
    return performance(like, baseline(like, rule))


def performance(like: LikeDays, base: Baseline) -> Delivered:
    """Compare what was used with the baseline."""
    actual, expected = like.today[:, like.event], base.wh[:, like.event]
    unknown = np.isnan(actual).sum(axis=1)
    off = like.off[:, like.event].sum(axis=1)
    estimated = (like.estimated[:, 0, like.event] & ~like.off[:, like.event]).sum(axis=1)
    known = np.isfinite(actual) & np.isfinite(expected)
    bias, band = spread(base.placebo_wh)
    problems = dict(base.problems)
    for row in np.flatnonzero(unknown > MAX_MISSING * actual.shape[1]).tolist():
        problems.setdefault(like.points[row], _gappy(like, row, int(unknown[row]), actual.shape[1]))
    return Delivered(
        like,
        base,
        np.where(known, expected, np.nan),
        np.where(known, actual, np.nan),
        _snap_back(like, base),
        bias,
        band,
        off,
        unknown - estimated - off,
        estimated,
        problems,
    )


def uncertainty(parts: Sequence[Delivered]) -> Uncertainty | None:
    """Return the portfolio's miss on like days: misses of one day are added up first, as weather joins them.

    Days on which fewer than half of the usage points can be told are left out; the rest is scaled to all.
    """
    sums: dict[date, list[float]] = {}
    everyone = sum(len(part.measurable) for part in parts)
    for part in parts:
        errors = part.baseline.placebo_wh[list(part.measurable)]
        known = np.isfinite(errors)
        for back in np.flatnonzero(known.any(axis=0)).tolist():
            total = sums.setdefault(part.like.dates[1 + back], [0.0, 0.0])
            total[0] += float(np.nansum(errors[:, back]))
            total[1] += float(known[:, back].sum())
    days = np.array([total * everyone / count for total, count in sums.values() if 2 * count >= everyone])
    if days.size < MANY:
        return None
    return Uncertainty(float(days.mean()) / WH_PER_KWH, BAND_80 * float(days.std(ddof=1)) / WH_PER_KWH, int(days.size))


def spread(errors: Values) -> tuple[Values, Values]:
    """Return mean and half-width of the 80 % band of each row's known errors; NaN with fewer than two."""
    known = np.isfinite(errors)
    count = known.sum(axis=1)
    blank = np.full(count.shape, np.nan)
    mean = np.divide(np.where(known, errors, 0.0).sum(axis=1), count, out=blank.copy(), where=count >= MANY)
    squares = np.where(known, (errors - mean[:, None]) ** 2, 0.0).sum(axis=1)
    variance = np.divide(squares, count - 1, out=blank.copy(), where=count >= MANY)
    return mean, BAND_80 * np.sqrt(variance)


def _snap_back(like: LikeDays, base: Baseline) -> Values:
    more = like.today[:, like.after] - base.wh[:, like.after]
    known = np.isfinite(more)
    total: Values = np.where(known.any(axis=1), np.where(known, more, 0.0).sum(axis=1), np.nan)
    return total


def _gappy(like: LikeDays, row: int, missing: int, slots: int) -> TooLittleData:
    return TooLittleData(
        f"{missing} of {slots} intervals of the event have no measured value",
        where=like.points[row],
        remedy="read the meter again, then measure the event again",
    )


def _kwh(values: Values) -> list[float | None]:
    return [round(float(value) / WH_PER_KWH, 6) if np.isfinite(value) else None for value in values]
