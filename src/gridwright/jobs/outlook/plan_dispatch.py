"""Plan a battery over the forecast: what to charge and discharge in the coming hours, and what that saves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from gridwright.dispatch import plan_site
from gridwright.domain.errors import TooLittleData
from gridwright.domain.plan import Battery, Plan
from gridwright.domain.rate import PriceTerms, RateCard
from gridwright.forecast import serve
from gridwright.jobs.billing.site_prices import site_prices
from gridwright.jobs.load.load_trusted import Usable


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
    group: Usable, row: int, card: RateCard, battery: Battery, *, horizon: timedelta = timedelta(hours=24)
) -> Planned:
    """Plan `battery` at one usage point of a group over the forecast that follows its readings."""
    point = group.points[row]
    panel = group.trusted.rows([row])
    forecast = serve(panel, horizon, zone=group.zone)
    load = forecast.kw(forecast.mean[0])
    received = np.zeros(load.size)
    fed_in = group.received_of(row)
    if fed_in is not None:
        ahead = serve(fed_in, horizon, zone=group.zone)
        received = ahead.kw(ahead.mean[0])
    if not np.isfinite(load + received).all():
        raise TooLittleData(f"{point.id} cannot be forecast, so nothing can be planned", remedy="bring more readings")
    prices = site_prices(panel, card, point, forecast.start, forecast.steps)
    plan = plan_site(load, prices, battery, pv_kw=received)
    return Planned(point.id, point.zone, plan, load, received, prices, forecast.models[0])
