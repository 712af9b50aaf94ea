"""What can be said of readings too coarse for analysis: registers read now and then, days, billing periods."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from itertools import pairwise

import numpy as np

from gridwright.domain.interval import DAY_S, from_epoch_s, zone_of
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import FLOW_QUANTITIES, Flow, ReadingType
from gridwright.domain.readings import Readings
from gridwright.domain.register import RegisterReading
from gridwright.ingest import Collected, RegisterReads
from gridwright.jobs.load.main_series import is_fine

SHOWN = 20
Zones = Mapping[str, tzinfo]


@dataclass(frozen=True, slots=True)
class _Total:
    point: str
    text: str


def coarse_totals(collected: Collected, analysed: Collection[str]) -> list[str]:
    """Say for each usage point that is not `analysed` how much energy its registers, days or periods tell of."""
    zones = {point: zone_of(name) for point, name in collected.zones.items()}
    found = [
        *(total for panel in collected.panels if not is_fine(panel) for total in _of_panel(panel, zones)),
        *(total for readings in collected.loose for total in _of_periods(readings, zones)),
        *(total for reads in collected.registers for total in _of_registers(reads, zones)),
    ]
    lines = [f"{total.point}: {total.text}" for total in found if total.point not in analysed]
    more = [f"… and {len(lines) - SHOWN} more series of this kind"] if len(lines) > SHOWN else []
    remedy = [
        "analysis, forecast and bill need intervals that make up a day: bring the interval readings of these points"
    ]
    return [*lines[:SHOWN], *more, *(remedy if lines else [])]


def contents_of(collected: Collected) -> str:
    """Name the kinds of readings there are."""
    kinds = dict.fromkeys(
        str(kind)
        for kind in (
            *(panel.reading_type for panel in collected.panels),
            *(reads.readings.reading_type for reads in collected.registers),
            *(readings.reading_type for readings in collected.loose),
        )
    )
    return "it holds " + (", ".join(kinds) or "no readings")


def _of_panel(panel: Panel, zones: Zones) -> Iterator[_Total]:
    known = np.isfinite(panel.values)
    length = "daily values" if panel.interval_s == DAY_S else f"values of {panel.interval_s / 60:g} min"
    for row, point in enumerate(panel.points):
        energy = _amount(float(np.nansum(panel.values[row])), panel.reading_type)
        zone = zones.get(point, UTC)
        # By their noon: days of summer and winter time do not begin at one hour of a grid.
        first, last = _day(panel.start + panel.interval / 2, zone), _day(panel.end - panel.interval / 2, zone)
        yield _Total(point, f"{energy} in {known[row].sum()} {length}, {first} … {last}")


def _of_periods(readings: Readings, zones: Zones) -> Iterator[_Total]:
    for code, point in enumerate(readings.points):
        mine = (readings.point == code) & np.isfinite(readings.value)
        if mine.any():
            at = readings.at[mine]
            energy = _amount(float(readings.value[mine].sum()), readings.reading_type)
            zone = zones.get(point, UTC)
            first, last = (_day(from_epoch_s(int(moment)), zone) for moment in (at.min(), at.max()))
            length = f" of {readings.interval_s / DAY_S:g} days" if readings.interval_s else ""
            yield _Total(point, f"{energy} in {mine.sum()} periods{length}, stamped {first} … {last}")


def _of_registers(reads: RegisterReads, zones: Zones) -> Iterator[_Total]:
    """Add up what each register moved on between its first and last read, epoch by epoch."""
    moved: dict[str, list[RegisterReading]] = {}
    for read in reads:
        moved.setdefault(read.usage_point, []).append(read)
    for point, mine in moved.items():
        pairs = [
            (before, after)
            for before, after in pairwise(mine)
            if (before.end_device, before.epoch) == (after.end_device, after.epoch)
        ]
        energy = _amount(sum(after.value - before.value for before, after in pairs), reads.readings.reading_type)
        zone = zones.get(point, UTC)
        first, last = (_day(pick(read.at for read in mine), zone) for pick in (min, max))
        yield _Total(point, f"{energy} between {len(mine)} register reads, {first} … {last}")


def _day(at: datetime, zone: tzinfo) -> date:
    return at.astimezone(zone).date()


def _amount(counts: float, kind: ReadingType) -> str:
    """Return counts as an amount with its direction."""
    value, unit = counts * kind.resolution, kind.unit
    shown = f"{value / 1000:,.3f} k{unit}" if kind.quantity in FLOW_QUANTITIES else f"{value:,.12g} {unit}"
    return shown if kind.flow is Flow.NONE else f"{shown} {kind.flow.value}"
