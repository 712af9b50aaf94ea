"""Plans: what a battery should do against prices, limits and forecasts, and what it would save."""

from gridwright.dispatch.execute import Executed, Limits, execute, respond
from gridwright.dispatch.plan import plan_site, without_battery
from gridwright.dispatch.site import DemandCharge
from gridwright.dispatch.what_if import (
    HOME_BATTERY,
    AverageDay,
    DayAhead,
    DayOutcome,
    WhatIf,
    battery_what_if,
    day_ahead,
)

__all__ = [
    "HOME_BATTERY",
    "AverageDay",
    "DayAhead",
    "DayOutcome",
    "DemandCharge",
    "Executed",
    "Limits",
    "WhatIf",
    "battery_what_if",
    "day_ahead",
    "execute",
    "plan_site",
    "respond",
    "without_battery",
]
