"""Close the balance: what a profile sums to, against what the register beside it counted; a difference is a finding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.errors import GridMismatch, NotFound
from gridwright.domain.finding import Finding
from gridwright.domain.interval import Interval
from gridwright.domain.quality import GAPS, has_status
from gridwright.domain.reading_type import Accumulation, ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter
from gridwright.jobs.plan_reads import Planned, scaled
from gridwright.store import Store
from gridwright.vee.registers import Registers, segments_of, steps_of, sum_doubts

LOOK_BACK = timedelta(days=40)  # how far the read before may lie
MARGIN = timedelta(hours=2)
UNKNOWN_CAPACITY_KW = 10_000.0


def balance_findings(store: Store, access: Access, reads: Sequence[RegisterReading], planned: Planned) -> list[Finding]:
    """Return the V30 findings between each read and the one before it; the values stay as they came."""
    counters = [read for read in reads if read.reading_type.accumulation is Accumulation.CUMULATIVE]
    return [found for read in counters for found in _of_read(store, access, read, planned)]


def _of_read(store: Store, access: Access, read: RegisterReading, planned: Planned) -> list[Finding]:
    place = next((each for each in planned.installed if read.at in each.period), None)
    if place is None:
        return []
    window = Interval(read.at - LOOK_BACK, read.at)
    before = [one for one in store.registers.load(access, read.usage_point, window, read.reading_type) if one != read]
    if not before:
        return []
    kind = scaled(_counted(read), place)
    period = Interval(before[-1].at - MARGIN, read.at + MARGIN)
    try:
        panel = store.readings.load(access, read.usage_point, period, reading_type=kind)
    except (GridMismatch, NotFound):
        return []
    meter = store.registry.meter(access, read.end_device)
    meters = {meter.serial: meter} if isinstance(meter, Meter) else {}
    registers = Registers({read.usage_point: [before[-1], read]}, meters, list(planned.installed))
    point = store.registry.point(access, read.usage_point)
    steps = steps_of(panel, registers, {point.id: point.capacity_kw or UNKNOWN_CAPACITY_KW})
    usable = ~np.isnan(panel.values) & ~has_status(panel.quality, GAPS)
    return sum_doubts(panel, segments_of(panel, steps), usable)[1]


def _counted(read: RegisterReading) -> ReadingType:
    return replace(read.reading_type, accumulation=Accumulation.DELTA)
