"""What the readings say: energy, totals, profiles, loads, comparison and quality; panels in, plain values out."""

from gridwright.analytics.analyse import Analysis, FleetSummary, Labels, Received, analyse, fleet_summary
from gridwright.analytics.compare import Comparison, compare_previous, year_before
from gridwright.analytics.energy import Between, EnergySum, energy_from_power, energy_panel, panel_from_power
from gridwright.analytics.load import (
    Loads,
    Peak,
    base_load_kw,
    duration_curve,
    exceeded,
    loads_of,
    peaks,
)
from gridwright.analytics.profile import DayShape, HeatMap, LoadProfile, heat_map, load_profile
from gridwright.analytics.ribbon import Ribbon, Run, quality_ribbon
from gridwright.analytics.totals import Totals, by_day, by_label, by_month, by_week

__all__ = [
    "Analysis",
    "Between",
    "Comparison",
    "DayShape",
    "EnergySum",
    "FleetSummary",
    "HeatMap",
    "Labels",
    "LoadProfile",
    "Loads",
    "Peak",
    "Received",
    "Ribbon",
    "Run",
    "Totals",
    "analyse",
    "base_load_kw",
    "by_day",
    "by_label",
    "by_month",
    "by_week",
    "compare_previous",
    "duration_curve",
    "energy_from_power",
    "energy_panel",
    "exceeded",
    "fleet_summary",
    "heat_map",
    "load_profile",
    "loads_of",
    "panel_from_power",
    "peaks",
    "quality_ribbon",
    "year_before",
]
