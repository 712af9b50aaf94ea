"""Gridwright: from the meter to the bill and back to the switch.

import gridwright as gw
grid = gw.demo()                                   # or gw.open("gridwright.toml")
march = grid.readings("UP-1042", "2025-03")        # a one-row Panel: 15 min, delivered energy, with quality
grid.validate(march)                               # [Finding(...), ...]
grid.rate(grid.estimate(march), "residential-tou").total
grid.forecast("UP-1042", horizon="48h").plot()
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gridwright.app import Drawing, ForecastView, Platform, demo
    from gridwright.app import open_platform as open  # noqa: A004 - gw.open reads as intended
    from gridwright.domain.access import Access, Role
    from gridwright.domain.bill import Bill, BillLine
    from gridwright.domain.block import IntervalBlock
    from gridwright.domain.errors import GridwrightError
    from gridwright.domain.finding import Finding, Severity
    from gridwright.domain.forecast import BacktestResult, Forecast, Scores
    from gridwright.domain.interval import Interval
    from gridwright.domain.panel import Panel
    from gridwright.domain.plan import Battery, Plan
    from gridwright.domain.quality import Method, Status
    from gridwright.domain.rate import RateCard
    from gridwright.domain.reading_type import ReadingType
    from gridwright.domain.register import RegisterReading
    from gridwright.domain.usage_point import EndDevice, Installation, Meter, UsagePoint
    from gridwright.formats.source import ReadOptions

__version__ = "0.1.0"

# Public name → where it lives; imported on first use, so that `import gridwright` stays fast.
_HOME = {
    "Access": "domain.access",
    "BacktestResult": "domain.forecast",
    "Battery": "domain.plan",
    "Bill": "domain.bill",
    "BillLine": "domain.bill",
    "Drawing": "app",
    "EndDevice": "domain.usage_point",
    "Finding": "domain.finding",
    "Forecast": "domain.forecast",
    "ForecastView": "app",
    "GridwrightError": "domain.errors",
    "Installation": "domain.usage_point",
    "Interval": "domain.interval",
    "IntervalBlock": "domain.block",
    "Meter": "domain.usage_point",
    "Method": "domain.quality",
    "Panel": "domain.panel",
    "Plan": "domain.plan",
    "Platform": "app",
    "RateCard": "domain.rate",
    "ReadOptions": "formats.source",
    "ReadingType": "domain.reading_type",
    "RegisterReading": "domain.register",
    "Role": "domain.access",
    "Scores": "domain.forecast",
    "Severity": "domain.finding",
    "Status": "domain.quality",
    "UsagePoint": "domain.usage_point",
    "demo": "app",
    "open": "app",
}
_RENAMED = {"open": "open_platform"}

__all__ = [
    "Access",
    "BacktestResult",
    "Battery",
    "Bill",
    "BillLine",
    "Drawing",
    "EndDevice",
    "Finding",
    "Forecast",
    "ForecastView",
    "GridwrightError",
    "Installation",
    "Interval",
    "IntervalBlock",
    "Meter",
    "Method",
    "Panel",
    "Plan",
    "Platform",
    "RateCard",
    "ReadOptions",
    "ReadingType",
    "RegisterReading",
    "Role",
    "Scores",
    "Severity",
    "Status",
    "UsagePoint",
    "demo",
    "open",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'gridwright' has no attribute {name!r}")
    value: object = getattr(import_module(f"gridwright.{_HOME[name]}"), _RENAMED.get(name, name))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
