"""Plan a battery over the forecast: what to charge and discharge in the coming hours, and what that saves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from gridwright.billing import price_terms
from gridwright.dispatch import plan_site
from gridwright.domain.errors import TooLittleData
from gridwright.domain.forecast import Forecast
from gridwright.domain.plan import Battery, Plan
from gridwright.domain.rate import PriceTerms, RateCard
from gridwright.forecast import serve
from gridwright.jobs.trust_readings import Trusted
from gridwright.jobs.what_if import HOURS_A_MONTH


@dataclass(frozen=True, slots=True, eq=False)
class Planned:
    """The plan of one usage point, with the forecast it rests on and the prices; kW, float64[T]."""

    usage_point: str
    zone: str
    plan: Plan
    load_kw: npt.NDArray[np.float64]
    received_kw: npt.NDArray[np.float64]
    prices: PriceTerms
    model: str


def plan_dispatch(
    group: Trusted, row: int, card: RateCard, battery: Battery, *, horizon: timedelta = timedelta(hours=24)
) -> Planned:
    """Plan `battery` at one usage point of a group over the forecast that follows its readings."""
    point = group.points[row]
    panel = group.trusted.rows([row])
    forecast = serve(panel, horizon, zone=group.zone)
    load = _mean_kw(forecast)
    received = np.zeros(load.size)
    if group.received is not None and point.id in group.feeds_in:
        received = _mean_kw(serve(group.received.rows([row]), horizon, zone=group.zone))
    if not np.isfinite(load + received).all():
        raise TooLittleData(f"{point.id} cannot be forecast, so nothing can be planned", remedy="bring more readings")
    hours = panel.slots * panel.interval / timedelta(hours=1)
    monthly = Decimal(round(float(np.nansum(panel.kwh)) / hours * HOURS_A_MONTH))
    prices = price_terms(
        card,
        forecast.start,
        forecast.interval,
        forecast.steps,
        point.zone,
        monthly_kwh=monthly,
        usage_point=point,
    )
    plan = plan_site(load, prices, battery, pv_kw=received)
    return Planned(point.id, point.zone, plan, load, received, prices, forecast.models[0])


def _mean_kw(forecast: Forecast) -> npt.NDArray[np.float64]:
    kw: npt.NDArray[np.float64] = forecast.kwh(forecast.mean[0]) / (forecast.interval / timedelta(hours=1))
    return kw
