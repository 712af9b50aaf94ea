"""What happened in the network: outages as the meters told them, and voltages outside their limits."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from gridwright.domain.access import Access
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import Quantity, ReadingType
from gridwright.grid import Outage, Reliability, VoltageReport, interruptions, outages, reliability, voltage_report
from gridwright.grid.voltage import NOMINAL_V
from gridwright.jobs.load.load_series import load_series
from gridwright.store import Store

# An interruption that began before the period is looked for so far back.
BEFORE = timedelta(days=7)
EVERY = 1_000_000
# The worst are what a page shows; the counts are of all.
SHOWN = 200


@dataclass(frozen=True, slots=True)
class GridOutages:
    """Outages and their indices over a period."""

    period: Interval
    outages: tuple[Outage, ...]
    reliability: Reliability

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object with the newest outages; the counts are of all."""
        return {
            "period": {"from": self.period.start.isoformat(), "to": self.period.end.isoformat()},
            "outages": [outage.to_dict() for outage in self.outages[::-1][:SHOWN]],
            "outages_total": len(self.outages),
            "reliability": self.reliability.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class GridEvents:
    """Outages, their indices, and voltage against its limits, over a period."""

    told: GridOutages
    voltage: VoltageReport

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object with the newest outages and the worst voltages; the counts are of all."""
        report = self.voltage
        bad = [week for week in report.weeks if week.complies is False]
        kinds = Counter(str(event.kind) for event in report.events)
        return {
            **self.told.to_dict(),
            "voltage": {
                "nominal_v": report.nominal_v,
                "indicative": report.indicative,
                "weeks_total": len(report.weeks),
                "weeks_outside": len(bad),
                "weeks": [week.to_dict() for week in bad[:SHOWN]],
                "events_total": dict(sorted(kinds.items())),
                "events": [event.to_dict() for event in report.events[:SHOWN]],
            },
        }


def grid_events(store: Store, access: Access, period: Interval, *, nominal_v: float = NOMINAL_V) -> GridEvents:
    """Return outages and voltage excursions of the usage points that `access` sees."""
    return GridEvents(grid_outages(store, access, period), _voltage(store, access, period, nominal_v))


def grid_outages(store: Store, access: Access, period: Interval) -> GridOutages:
    """Return the outages of the usage points that `access` sees, whoever told them."""
    topology = store.network.topology(access)
    around = Interval(period.start - BEFORE, period.end)
    reported = store.devices.events(access, period=around, limit=EVERY)
    cut = interruptions(reported, period)
    served = len({each.usage_point for each in topology.connections if each.period.overlaps(period)})
    indices = reliability(cut, served or len({each.usage_point for each in cut}))
    return GridOutages(period, outages(topology, cut), indices)


def _voltage(store: Store, access: Access, period: Interval, nominal_v: float) -> VoltageReport:
    zones = {point.zone for point in store.registry.points(access)}
    zone = zones.pop() if len(zones) == 1 else "UTC"
    parts = [
        voltage_report(panel, zone=zone, nominal_v=nominal_v)
        for panel in load_series(store, access, period, _is_voltage)
    ]
    weeks = sorted((week for part in parts for week in part.weeks), key=lambda each: (each.within, each.usage_point))
    events = sorted((event for part in parts for event in part.events), key=lambda each: -abs(each.worst_v - nominal_v))
    return VoltageReport(tuple(weeks), tuple(events), nominal_v, any(part.indicative for part in parts))


def _is_voltage(kind: ReadingType) -> bool:
    return kind.quantity is Quantity.VOLTAGE
