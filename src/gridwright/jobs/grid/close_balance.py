"""Close the balance: what a profile sums to, against what the register beside it counted; a difference is a finding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import pairwise

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.errors import GridMismatch, NotFound
from gridwright.domain.finding import Finding
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.quality import GAPS, has_status
from gridwright.domain.reading_type import Quantity
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Installation, Meter
from gridwright.store import Store
from gridwright.vee.registers import Registers
from gridwright.vee.segments import segments_of
from gridwright.vee.steps import steps_of
from gridwright.vee.sum_check import sum_doubts

LOOK_BACK = timedelta(days=40)  # how far the read before may lie
MARGIN = timedelta(hours=2)
UNKNOWN_CAPACITY_KW = 10_000.0


def balance_findings(
    store: Store, access: Access, panels: Iterable[Panel], installed: Sequence[Installation]
) -> list[Finding]:
    """Return the V30 findings of the register reads that these newly stored intervals lie between.

    The check is validation's own, made at once; a stretch that still lacks an interval is judged when it comes.
    """
    energy = (panel for panel in panels if panel.reading_type.quantity is Quantity.ENERGY)
    found = [each for panel in energy for each in _of_panel(store, access, panel, installed)]
    return list({(each.usage_point, each.reading_type, each.period): each for each in found}.values())


def _of_panel(store: Store, access: Access, panel: Panel, installed: Sequence[Installation]) -> list[Finding]:
    point, register = panel.points[0], panel.reading_type.register()
    window = Interval(panel.start - LOOK_BACK, panel.end + LOOK_BACK)
    reads = [each for each in store.registers.load(access, point, window, register.finer(0)) if not each.is_estimate]
    around = [pair for pair in pairwise(reads) if pair[0].at < panel.end and pair[1].at > panel.start]
    return [each for pair in around for each in _between(store, access, panel, pair, installed)]


def _between(
    store: Store,
    access: Access,
    new: Panel,
    pair: tuple[RegisterReading, RegisterReading],
    installed: Sequence[Installation],
) -> list[Finding]:
    point = new.points[0]
    period = Interval(pair[0].at - MARGIN, pair[1].at + MARGIN)
    try:
        panel = store.readings.load(access, point, period, reading_type=new.reading_type, interval=new.interval)
        meters = [store.registry.meter(access, read.end_device) for read in pair]
    except (GridMismatch, NotFound):
        return []
    known = {meter.serial: meter for meter in meters if isinstance(meter, Meter)}
    capacity = store.registry.point(access, point).capacity_kw or UNKNOWN_CAPACITY_KW
    steps = steps_of(panel, Registers({point: pair}, known, installed), {point: capacity})
    usable = ~np.isnan(panel.values) & ~has_status(panel.quality, GAPS)
    return sum_doubts(panel, segments_of(panel, steps), usable)[1]
