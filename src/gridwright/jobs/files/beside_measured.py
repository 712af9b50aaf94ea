"""Energy between register reads gives way to what a meter measured in the interval, and replaces its own kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.access import Access
from gridwright.domain.panel import Panel
from gridwright.jobs.meters.beside_lost import beside_lost, out_of_sight
from gridwright.jobs.meters.on_its_grid import load_on_grid
from gridwright.jobs.store_port import StorePort
from gridwright.store.archive.reading import leaving_out

MEASURED = "energy between register reads is left out where other intervals are stored; the reads are stored"


def beside_measured(store: StorePort, access: Access, panel: Panel) -> Panel:
    """Return derived energy without the intervals for which energy is stored that no register reads told.

    What earlier reads told is derived too, and is replaced when they are corrected. A register in steps of 0.1 kWh
    would else take the place of a profile in Wh.
    """
    with leaving_out() as lost:  # what came in is kept, whatever became of the archive
        stored = load_on_grid(store, access, panel.points, panel.period, (panel.reading_type, panel.interval))
    unseen = out_of_sight(stored, lost)
    other = ~stored.missing & ~panel.missing & ~q.of_register(stored.quality) & ~unseen
    panel = beside_lost(panel, unseen, q.Method.TELLS)
    if not other.any():
        return panel
    values = np.where(other, np.nan, panel.values)
    return replace(panel, values=values, quality=np.where(other, np.uint8(q.MISSING), panel.quality))
