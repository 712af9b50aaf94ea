"""What would a battery do here: the last complete days again, planned on forecasts as they would have been issued."""

from __future__ import annotations

from datetime import timedelta

from gridwright.dispatch import HOME_BATTERY, WhatIf, battery_what_if, day_ahead
from gridwright.domain.forecast import Forecast
from gridwright.domain.panel import Panel
from gridwright.domain.plan import Battery
from gridwright.domain.rate import RateCard
from gridwright.domain.usage_point import UsagePoint
from gridwright.forecast import rolling
from gridwright.jobs.billing.site_prices import site_prices

HORIZON = timedelta(hours=48)
DAYS = 28
# The last day may be incomplete: one midnight more than days.
MIDNIGHTS = DAYS + 1


def rolled(panel: Panel, zone: str, days: int = DAYS) -> list[Forecast]:
    """Return the forecasts that plans at the last midnights would have had."""
    return rolling(panel, zone=zone, horizon=HORIZON, days=days + 1)


def what_if(
    panel: Panel,
    card: RateCard,
    usage_point: UsagePoint,
    forecasts: list[Forecast],
    *,
    received: Panel | None = None,
    received_forecasts: list[Forecast] | None = None,
    battery: Battery = HOME_BATTERY,
    days: int = DAYS,
) -> WhatIf:
    """Play the last `days` complete local days of one usage point again with `battery` at the card's prices.

    `panel`, `received`: one row; the forecasts hold the usage point by name.
    """
    prices = site_prices(panel, card, usage_point, panel.start, panel.slots)
    row = forecasts[0].points.index(usage_point.id)
    ahead = day_ahead(forecasts, row=row, received=received_forecasts or ())
    return battery_what_if(panel, ahead, prices, usage_point.zone, battery, received=received, days=days)
