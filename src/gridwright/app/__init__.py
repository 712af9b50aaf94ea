"""The composition root: settings in, a wired platform out; the only place that builds things."""

from gridwright.app.platform import PAST_SHOWN, Platform, demo, duration, main_panel, nothing_usable, open_platform
from gridwright.app.views import Drawing, ForecastView

__all__ = [
    "PAST_SHOWN",
    "Drawing",
    "ForecastView",
    "Platform",
    "demo",
    "duration",
    "main_panel",
    "nothing_usable",
    "open_platform",
]
