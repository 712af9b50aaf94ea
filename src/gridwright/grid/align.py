"""Bring panels of different interval lengths to one grid: energy is added up, never split."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.errors import GridMismatch
from gridwright.domain.interval import DAY_S, Interval, epoch_s, from_epoch_s
from gridwright.domain.panel import Panel, concat_points

# The worst quality of the parts is that of their sum; what was measured first, then what was guessed, then nothing.
RANK = np.zeros(16, np.uint8)
for _place, _statuses in enumerate(((q.Status.DERIVED, *q.MEASURED, q.Status.EDITED), q.ESTIMATES, q.GAPS)):
    RANK[list(_statuses)] = _place
WORST = np.array([q.ACTUAL, q.pack(q.Status.ESTIMATED), q.MISSING], np.uint8)


def common_interval(panels: Iterable[Panel]) -> timedelta:
    """Return the shortest interval that all can be added up to; more than a day is GridMismatch."""
    seconds = math.lcm(*(panel.interval_s for panel in panels))
    if seconds > DAY_S:
        raise GridMismatch(f"the meters' intervals only meet every {seconds} s", remedy="leave out the odd ones")
    return timedelta(seconds=seconds)


def coarsen(panel: Panel, interval: timedelta) -> Panel:
    """Add up to longer intervals, which begin at multiples of their length; unknown where a part is unknown."""
    step, own = int(interval.total_seconds()), panel.interval_s
    if step == own and epoch_s(panel.start) % step == 0:
        return panel
    if step % own or epoch_s(panel.start) % own:
        raise GridMismatch(f"{panel!r} cannot be added up to {step} s", remedy="leave out the odd ones")
    start, end = epoch_s(panel.start) // step * step, -(-epoch_s(panel.end) // step) * step
    whole = panel.regrid(Interval(from_epoch_s(start), from_epoch_s(end)))
    shape = (len(panel.points), -1, step // own)
    rank = RANK[q.status_of(whole.quality)].reshape(shape).max(axis=2)
    values = np.where(rank == RANK[q.MISSING], np.nan, whole.values.reshape(shape).sum(axis=2))
    return Panel(panel.points, whole.start, interval, values, WORST[rank], panel.reading_type)


def together(panels: Sequence[Panel], period: Interval, interval: timedelta) -> Panel | None:
    """Return one panel of all rows over exactly `period`; several rows of a usage point are one where they have values.

    None without panels. The finest resolution is kept.
    """
    if not panels:
        return None
    exponent = min(panel.reading_type.exponent for panel in panels)
    alike = [replace_type(coarsen(panel.rescaled(exponent), interval), panels[0], exponent) for panel in panels]
    return merged(concat_points(alike).regrid(period))


def replace_type(panel: Panel, like: Panel, exponent: int) -> Panel:
    """Return the panel with the reading type of another, in a given resolution."""
    return replace(panel, reading_type=replace(like.reading_type, exponent=exponent, channel=""))


def merged(panel: Panel) -> Panel:
    """Join the rows of a usage point that changed its interval length: where one has no value another may."""
    if len(set(panel.points)) == len(panel.points):
        return panel
    first: dict[str, int] = {}
    values, quality = panel.values.copy(), panel.quality.copy()
    for row, point in enumerate(panel.points):
        home = first.setdefault(point, row)
        take = np.isnan(values[home]) & np.isfinite(values[row])
        values[home, take], quality[home, take] = values[row, take], quality[row, take]
    return replace(panel, values=values, quality=quality).rows(list(first.values()))
