"""The network: energy balances with the quality of their inputs, voltage against its limits, outages."""

from gridwright.grid.align import coarsen, common_interval, together
from gridwright.grid.balance import TECHNICAL, GridBalance, InputQuality, NodeBalance, Plausibility, balance
from gridwright.grid.hints import Hint, Related
from gridwright.grid.outages import Interruption, Outage, Reliability, interruptions, outages, reliability
from gridwright.grid.voltage import Excursion, VoltageEvent, VoltageReport, VoltageWeek, voltage_report

__all__ = [
    "TECHNICAL",
    "Excursion",
    "GridBalance",
    "Hint",
    "InputQuality",
    "Interruption",
    "NodeBalance",
    "Outage",
    "Plausibility",
    "Related",
    "Reliability",
    "VoltageEvent",
    "VoltageReport",
    "VoltageWeek",
    "balance",
    "coarsen",
    "common_interval",
    "interruptions",
    "outages",
    "reliability",
    "together",
    "voltage_report",
]
