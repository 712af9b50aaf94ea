"""The analysis of one usage point: all that its report shows, as plain arrays and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from gridwright.analytics.compare import Comparison, compare_previous, year_before
from gridwright.analytics.energy import energy_panel
from gridwright.analytics.load import Peak, base_load_kw, duration_curve, loads_of, peaks
from gridwright.analytics.profile import SATURDAY, HeatMap, LoadProfile, heat_map, load_profile
from gridwright.analytics.ribbon import Ribbon, quality_ribbon
from gridwright.analytics.totals import Totals, by_day, by_label, by_month, by_week
from gridwright.domain.errors import GridMismatch
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel, Values


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Price labels of a grid: names, and the number of the label of each slot, int[slots]."""

    names: tuple[str, ...]
    of_slot: npt.NDArray[np.integer]


@dataclass(frozen=True, slots=True, eq=False)
class Received:
    """What a usage point fed in, over the same days and months."""

    days: Totals
    months: Totals
    total_kwh: float


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """What `analyse` found for one usage point; kW are means over an interval, NaN = not known.

    `duration_kw`: float64, highest first. `year_before_kwh`: float64[months]. `known`: share of slots with a value.
    """

    point: str
    zone: str
    period: Interval
    interval: timedelta
    known: float
    total_kwh: float
    mean_kw: float
    peak_kw: float
    load_factor: float
    base_kw: float
    weekday_kwh: float
    weekend_kwh: float
    days: Totals
    weeks: Totals
    months: Totals
    labels: Totals | None
    year_before_kwh: Values
    previous: Comparison | None
    peaks: tuple[Peak, ...]
    duration_kw: Values
    heat_map: HeatMap
    profile: LoadProfile
    ribbon: Ribbon
    received: Received | None


def analyse(
    panel: Panel,
    zone: ZoneInfo | str,
    *,
    received: Panel | None = None,
    labels: Labels | None = None,
) -> Analysis:
    """Analyse one usage point: a one-row panel of delivered energy (or power, which is turned into energy).

    `received`: what the point fed in, one row. `labels`: time-of-use labels of the slots. A panel of several rows, or
    of another quantity, is a GridMismatch.
    """
    if len(panel.points) != 1:
        raise GridMismatch(
            f"{panel!r} has {len(panel.points)} rows", remedy="analyse one usage point at a time: panel.row(id)"
        )
    energy = energy_panel(panel)
    days, months = by_day(energy, zone), by_month(energy, zone)
    heat, loads = heat_map(energy, zone), loads_of(energy)
    weekday, weekend = day_means(days, heat)
    return Analysis(
        point=panel.points[0],
        zone=zone if isinstance(zone, str) else zone.key,
        period=energy.period,
        interval=energy.interval,
        known=float((~energy.missing).mean()) if energy.slots else 0.0,
        total_kwh=float(energy.total_kwh()[0]),
        mean_kw=float(loads.mean_kw[0]),
        peak_kw=float(loads.peak_kw[0]),
        load_factor=float(loads.factor[0]),
        base_kw=float(base_load_kw(energy, zone)[0]),
        weekday_kwh=weekday,
        weekend_kwh=weekend,
        days=days,
        weeks=by_week(energy, zone),
        months=months,
        labels=by_label(energy, labels.names, labels.of_slot) if labels else None,
        year_before_kwh=year_before(months)[0],
        previous=compare_previous(days),
        peaks=peaks(energy, zone),
        duration_kw=duration_curve(energy),
        heat_map=heat,
        profile=load_profile(heat),
        ribbon=quality_ribbon(panel, zone),
        received=received_of(received, zone) if received else None,
    )


def day_means(days: Totals, heat: HeatMap) -> tuple[float, float]:
    """Return the mean kWh of whole days: Monday to Friday, and Saturday and Sunday; NaN where there is none."""
    kwh, complete, is_weekend = days.kwh[0], days.complete[0], heat.weekday >= SATURDAY
    return _mean(kwh[complete & ~is_weekend]), _mean(kwh[complete & is_weekend])


def _mean(values: Values) -> float:
    return float(values.mean()) if values.size else float("nan")


def received_of(panel: Panel, zone: ZoneInfo | str) -> Received:
    """Total what one usage point fed in."""
    energy = energy_panel(panel)
    return Received(by_day(energy, zone), by_month(energy, zone), float(energy.total_kwh()[0]))


@dataclass(frozen=True, slots=True, eq=False)
class FleetSummary:
    """Figures of n usage points at once: float64[n] each, and their months."""

    points: Sequence[str]
    total_kwh: Values
    mean_kw: Values
    peak_kw: Values
    load_factor: Values
    base_kw: Values
    months: Totals


def fleet_summary(panel: Panel, zone: ZoneInfo | str) -> FleetSummary:
    """Summarise every row of a panel; no loop over usage points."""
    energy = energy_panel(panel)
    loads = loads_of(energy)
    return FleetSummary(
        points=energy.points,
        total_kwh=energy.total_kwh(),
        mean_kw=loads.mean_kw,
        peak_kw=loads.peak_kw,
        load_factor=loads.factor,
        base_kw=base_load_kw(energy, zone),
        months=by_month(energy, zone),
    )
