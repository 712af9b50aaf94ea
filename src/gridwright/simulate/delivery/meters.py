"""A town's meters as things one can talk to: each measures its own row of the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial

import numpy as np

from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import Flow
from gridwright.simulate.living.build import OPENING_WH
from gridwright.simulate.living.town import LivingTown
from gridwright.simulate.town import Floats
from gridwright.simulate.virtual_meter import Source, VirtualMeter

PASSWORD = "28430571"  # noqa: S105 - of meters that are not there


def meters_of(
    town: LivingTown, points: Iterable[str], clock: Callable[[], datetime], *, drifts: Iterable[float] = ()
) -> list[VirtualMeter]:
    """Return the virtual meters of usage points; `drifts`: seconds their clocks are ahead, the first ones' first."""
    meters = [meter_of(town, point, clock) for point in points]
    for meter, drift in zip(meters, drifts, strict=False):
        meter.drift_s = drift
    return meters


def meter_of(town: LivingTown, point: str, clock: Callable[[], datetime]) -> VirtualMeter:
    """Return the meter that hangs at a usage point; the power fails when it fails at its transformer."""
    inner = town.town
    row = inner.panel.index(point)
    meter = VirtualMeter(
        inner.meters[row].serial,
        clock=clock,
        source=source_of(town, point),
        since=town.period.start,
        password=PASSWORD,
        zone=inner.zone,
        interval=inner.interval,
        opening_wh=OPENING_WH,
        voltage=partial(voltage_at, town, row),
    )
    for outage in town.outages:
        if town.sites[row].transformer == outage.transformer:
            meter.power_out(outage.period)
    return meter


def source_of(town: LivingTown, point: str) -> Source:
    """Return what flows through a meter, interval by interval; nothing outside the town's life."""
    truth = town.town.truth

    def source(period: Interval, flow: Flow) -> Floats:
        panel = truth.received if flow is Flow.RECEIVED else truth.panel
        slots = period.slots(truth.panel.interval)
        if panel is None or point not in panel.points:
            return np.zeros(slots)
        through: Floats = np.nan_to_num(panel.row(point).regrid(period).values[0])
        return through

    return source


def voltage_at(town: LivingTown, row: int, moment: datetime) -> float:
    """Return the voltage at a usage point at an instant, in V."""
    panel = town.voltage
    slot = int(np.clip((moment - panel.start) // panel.interval, 0, panel.slots - 1))
    return float(panel.values[row, slot]) / 10
