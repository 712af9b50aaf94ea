"""Compute what pages show and plans rest on: forecasts, the fleet's load, battery plans, the network's balance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.access import Access
from gridwright.domain.errors import ArchiveUnreadable, GridwrightError
from gridwright.domain.forecast import LEVELS, Forecast
from gridwright.domain.interval import Interval, local_midnight, zone_of
from gridwright.domain.panel import Panel
from gridwright.domain.plan import Battery
from gridwright.domain.rate import RateCard
from gridwright.domain.usage_point import UsagePoint
from gridwright.forecast import serve
from gridwright.jobs.billing.customers import customers
from gridwright.jobs.cascade.find_losses import note_losses
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.grid.balance_grid import balance_grid
from gridwright.jobs.grid.grid_events import grid_events
from gridwright.jobs.load.load_final import FinalGroup
from gridwright.jobs.load.load_trusted import load_trusted
from gridwright.jobs.outlook.plan_dispatch import Planned, plan_dispatch
from gridwright.store import Store
from gridwright.store.archive.reading import leaving_out

HORIZON = timedelta(hours=48)
# What the models of the ladder look back on, and a week for the days they are scored on.
HISTORY = timedelta(days=70)
BALANCE = timedelta(days=7)
SHOWN = timedelta(hours=24)
TOGETHER = 200
# Share of the usage points that must have a value before their sum is called the fleet's load.
COMPLETE = 0.9
LOW, HIGH = LEVELS.index(0.1), LEVELS.index(0.9)
BATTERY_KWH, BATTERY_KW = "battery_kwh", "battery_kw"
CardOf = Callable[[UsagePoint], RateCard]
Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Refreshed:
    """How many forecasts and plans were issued, and what could not be computed, with the reason."""

    forecasts: int = 0
    plans: int = 0
    notes: tuple[str, ...] = ()


def refresh_outlooks(
    store: Store,
    access: Access,
    card_of: CardOf,
    site: SiteDefaults,
    *,
    now: datetime,
    points: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Refreshed:
    """Issue forecasts of usage points (None = all, and the fleet), plans of their batteries, and the grid balance."""
    # Periods are of whole seconds.
    issue = _Issue(store, access, card_of, site, now.replace(microsecond=0))
    names = list(points or customers(store, access))
    totals: list[Panel] = []
    for at in range(0, len(names), TOGETHER):
        for group in issue.groups(names[at : at + TOGETHER]):
            issue.forecasts(group)
            issue.plans(group)
            totals.append(total(group))
        if progress:
            progress(min(at + TOGETHER, len(names)), len(names))
    if points is None:
        issue.fleet(totals)
        issue.balance()
    return issue.done


@dataclass(slots=True)
class _Issue:
    """One issue of outlooks: from what, for whom, when, and what came of it so far."""

    store: Store
    access: Access
    card_of: CardOf
    site: SiteDefaults
    now: datetime
    done: Refreshed = field(default_factory=Refreshed)

    def groups(self, names: Sequence[str]) -> list[FinalGroup]:
        """Return the trusted readings of some usage points."""
        period = Interval(self.now - HISTORY, self.now)
        with leaving_out() as lost:
            groups = load_trusted(self.store, self.access, names, period, self.site, now=self.now)
        self.done.notes += tuple(f"made without an archived month: {error}" for error in lost)
        return groups

    def forecasts(self, group: FinalGroup) -> None:
        """Issue the forecast of each usage point that can be forecast."""
        try:
            forecast = serve(group.trusted, HORIZON, zone=group.zone)
        except GridwrightError as error:
            self.done.notes += (str(error),)
            return
        bodies = {
            point: forecast_body(forecast.row(row))
            for row, point in enumerate(forecast.points)
            if np.isfinite(forecast.mean[row]).all()
        }
        self.store.outlooks.save_many(self.access, "forecast", bodies, issued=self.now)
        self.done.forecasts += len(bodies)

    def plans(self, group: FinalGroup) -> None:
        """Issue the plan of each usage point that has a battery."""
        for row, point in enumerate(group.points):
            battery = battery_of(point.attributes)
            if battery is None:
                continue
            try:
                planned = plan_dispatch(group, row, self.card_of(point), battery)
            except GridwrightError as error:
                self.done.notes += (f"{point.id}: {error}",)
                continue
            self._save("plan", point.id, plan_body(planned))
            self.done.plans += 1

    def fleet(self, totals: Sequence[Panel]) -> None:
        """Issue the fleet's load of the last day beside what was forecast for it at the midnight before."""
        zones = {point.zone for point in self.store.registry.points(self.access)}
        zone = zones.pop() if len(zones) == 1 else "UTC"
        # The figure begins at midnight: who counts from odd minutes on has no interval that does.
        midnight = local_midnight(self.now.date(), zone_of(zone))
        whole = together([panel for panel in totals if not (midnight - panel.start) % panel.interval])
        if whole is not None:
            self._save("fleet", "", fleet_body(whole, zone, self.now))

    def balance(self) -> None:
        """Issue what the network's transformers deliver, and what of it arrives; outages and voltages of these days."""
        period = Interval(self.now - BALANCE, self.now)
        try:
            self._save("grid-events", "", grid_events(self.store, self.access, period).to_dict())
        except GridwrightError as error:
            self.done.notes += (f"outages and voltages: {error}",)
        if self.store.network.topology(self.access).nodes:
            try:
                balance = balance_grid(self.store, self.access, period, now=self.now)
            except ArchiveUnreadable as error:
                self.done.notes += (f"balance of the network: {error}",)
                return
            self._save("grid-balance", "", balance.to_dict())
            note_losses(self.store, self.access, balance, self.site)

    def _save(self, kind: str, subject: str, body: Mapping[str, Any]) -> None:
        self.store.outlooks.save(self.access, kind, subject, body, issued=self.now)


def forecast_body(forecast: Forecast) -> dict[str, Any]:
    """Return a one-row forecast as JSON: mean, median and the 80 % band in kW, the model, and what it knew."""
    return {
        "start": forecast.start.isoformat(),
        "interval_s": int(forecast.interval.total_seconds()),
        "mean_kw": _rounded(forecast.kw(forecast.mean[0])),
        "median_kw": _rounded(forecast.kw(forecast.median[0])),
        "lower_kw": _rounded(forecast.kw(forecast.quantiles[0, :, LOW])),
        "upper_kw": _rounded(forecast.kw(forecast.quantiles[0, :, HIGH])),
        "model": forecast.models[0],
        "known_until": forecast.known_until.isoformat(),
    }


def battery_of(attributes: Mapping[str, str]) -> Battery | None:
    """Return the battery that a usage point's attributes `battery_kwh` and `battery_kw` name, if they do."""
    try:
        kwh, kw = float(attributes[BATTERY_KWH]), float(attributes[BATTERY_KW])
    except (KeyError, ValueError):
        return None
    return Battery(kwh, kw, kw, initial_kwh=kwh / 2, feeds_in=False) if kwh > 0 and kw > 0 else None


def plan_body(planned: Planned) -> dict[str, Any]:
    """Return a plan as JSON: power of battery and grid in kW, energy stored in kWh, its cost and what it saves."""
    plan = planned.plan
    return {
        "start": plan.start.isoformat(),
        "interval_s": int(plan.interval.total_seconds()),
        "load_kw": _rounded(planned.load_kw),
        "received_kw": _rounded(planned.received_kw),
        "charge_kw": _rounded(plan.charge_kw),
        "discharge_kw": _rounded(plan.discharge_kw),
        "stored_kwh": _rounded(plan.stored_kwh),
        "delivered_kw": _rounded(plan.delivered_kw),
        "cost": round(plan.cost, 4),
        "cost_without": round(plan.cost_without, 4),
        "saving": round(plan.saving, 4),
        "currency": plan.currency,
        "model": planned.model,
        "relaxations": [f"{each.name}: {each.amount:g} {each.unit} at {each.at}" for each in plan.relaxations],
    }


def total(group: FinalGroup) -> Panel:
    """Return the sum of a group's delivered energy as one row; missing where too many of its points are missing."""
    values = np.nansum(group.trusted.values, axis=0, keepdims=True)
    known = (~group.trusted.missing).mean(axis=0, keepdims=True) >= COMPLETE
    values = np.where(known, values, np.nan)
    quality = np.where(known, q.pack(q.Status.DERIVED), np.uint8(q.MISSING)).astype(np.uint8)
    return replace(group.trusted, points=("fleet",), values=values, quality=quality)


def together(totals: Sequence[Panel]) -> Panel | None:
    """Add up the sums of all groups that share the most common interval and resolution."""
    if not totals:
        return None
    kinds = [(panel.interval, panel.reading_type) for panel in totals]
    most = max(set(kinds), key=kinds.count)
    same = [panel for panel, kind in zip(totals, kinds, strict=True) if kind == most]
    period = Interval(min(panel.start for panel in same), max(panel.end for panel in same))
    values = [panel.regrid(period).values for panel in same]
    known = np.isfinite(values).any(axis=0)
    added = np.where(known, np.nansum(values, axis=0), np.nan)
    return replace(same[0].regrid(period), values=added, quality=np.where(known, q.ACTUAL, q.MISSING).astype(np.uint8))


def fleet_body(whole: Panel, zone: str, now: datetime) -> dict[str, Any]:
    """Return the fleet's measured load since the day before, and the forecast made at the last midnight, in kW."""
    midnight = local_midnight(now.astimezone(zone_of(zone)).date(), zone_of(zone))
    shown = Interval(midnight - SHOWN, midnight + HORIZON)
    load = whole.regrid(shown)
    body: dict[str, Any] = {
        "start": shown.start.isoformat(),
        "interval_s": whole.interval_s,
        "zone": zone,
        "load_kw": _rounded(load.kw[0]),
    }
    names = ("forecast_kw", "lower_kw", "upper_kw")
    blank: dict[str, list[float | None]] = {name: [None] * load.slots for name in names}
    try:
        forecast = serve(whole, HORIZON, zone=zone, known_until=min(midnight, whole.end))
    except GridwrightError as error:
        return {**body, **blank, "note": str(error)}
    first = (forecast.start - shown.start) // whole.interval
    curves = (forecast.mean[0], forecast.quantiles[0, :, LOW], forecast.quantiles[0, :, HIGH])
    for name, curve in zip(names, curves, strict=True):
        placed = _rounded(forecast.kw(curve))[: load.slots - first]
        blank[name][first : first + len(placed)] = placed
    return {**body, **blank, "model": forecast.models[0]}


def _rounded(values: Any) -> list[float | None]:  # noqa: ANN401 - any array of floats
    return [round(float(value), 4) if np.isfinite(value) else None for value in np.asarray(values)]
