"""Energy between register reads gives way to what a meter measured in the interval, and replaces its own kind."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.access import Access
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.readings import Readings
from gridwright.ingest import grid_registers
from gridwright.jobs.meters.beside_lost import beside_lost
from gridwright.jobs.meters.multipliers import Multipliers
from gridwright.jobs.meters.rollovers import Rollovers
from gridwright.jobs.store_port import StorePort
from gridwright.store.archive.reading import leaving_out

MEASURED = "energy between register reads is left out where other intervals are stored; the reads are stored"


def beside_measured(store: StorePort, access: Access, panel: Panel) -> Panel:
    """Return derived energy without the intervals for which other energy is stored than the stored reads tell.

    To be asked before the reads that it is derived from are saved: what earlier reads told is derived too, and is
    replaced when they are corrected. A register in steps of 0.1 kWh would else take the place of a profile in Wh.
    """
    with leaving_out() as lost:  # what came in is kept, whatever became of the archive
        stored = store.readings.load(
            access, panel.points, panel.period, reading_type=panel.reading_type, interval=panel.interval
        )
    panel = beside_lost(panel, stored, lost)
    other = ~stored.missing & ~panel.missing & ~_alike(stored, panel)
    rows = np.flatnonzero(other.any(axis=1))
    if not rows.size:
        return panel
    other[rows] &= ~_told_before(store, access, stored.rows(rows))
    if not other.any():
        return panel
    values = np.where(other, np.nan, panel.values)
    return replace(panel, values=values, quality=np.where(other, np.uint8(q.MISSING), panel.quality))


def _alike(one: Panel, other: Panel) -> npt.NDArray[np.bool_]:
    """Tell which values are the same energy, in whatever resolution."""
    return np.asarray(np.isclose(one.kwh, other.kwh, rtol=0, atol=1e-9))


def _told_before(store: StorePort, access: Access, stored: Panel) -> npt.NDArray[np.bool_]:
    """Tell which stored values are what the stored register reads say."""
    told = np.zeros(stored.values.shape, np.bool_)
    kind, period = stored.reading_type.register(), Interval(stored.start, stored.end + timedelta(seconds=1))
    reads = store.registers.load_several(access, stored.points, period, kind)
    if not reads:
        return told
    who = store, access
    derived = grid_registers(
        _no_reads(reads[0].reading_type),
        around=reads,
        turned_over=Rollovers(*who),
        factors=Multipliers(*who, set(stored.points)),
    )
    for panel in derived.panels:
        if panel.interval == stored.interval and not (panel.start - stored.start) % stored.interval:
            place = [stored.points.index(point) for point in panel.points]
            told[place] |= _alike(stored.rows(place), panel.regrid(stored.period))
    return told


def _no_reads(kind: ReadingType) -> Readings:
    none = np.empty(0, np.int64)
    return Readings((), none.astype(np.int32), none, np.empty(0), np.empty(0, np.uint8), none, reading_type=kind)
