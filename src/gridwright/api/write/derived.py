"""Energy between two register reads, and saving it where it may stand: a meter's own profile says more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.errors import GridMismatch
from gridwright.domain.interval import from_epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import ReadingType
from gridwright.jobs.meters.beside_lost import beside_lost
from gridwright.store.archive.reading import leaving_out

if TYPE_CHECKING:
    from gridwright.domain.access import Access
    from gridwright.store import Store


@dataclass(frozen=True, slots=True)
class Derived:
    """Energy of one interval, between two reads that lie on its ends."""

    point: str
    start_s: int
    length_s: int
    energy: float
    quality: int = q.OF_REGISTER


def panel_of(members: Sequence[Derived], kind: ReadingType) -> Panel:
    """Return intervals of one length and phase as a panel, NaN where there is none."""
    length_s, points = members[0].length_s, list(dict.fromkeys(one.point for one in members))
    row = {point: at for at, point in enumerate(points)}
    first = min(one.start_s for one in members)
    slots = (max(one.start_s for one in members) - first) // length_s + 1
    values, quality = np.full((len(points), slots), np.nan), np.full((len(points), slots), q.MISSING, np.uint8)
    for one in members:
        at = row[one.point], (one.start_s - first) // length_s
        values[at], quality[at] = one.energy, one.quality
    return Panel(tuple(points), from_epoch_s(first), timedelta(seconds=length_s), values, quality, kind)


def save_over(store: Store, who: tuple[Access, Access], panel: Panel, known_at: datetime) -> None:
    """Save a panel where nothing is stored.

    `who`: who reads what is stored, and who writes. A profile with another interval says more than a register. In an
    archived month that cannot be read it stands until what was measured there can be.
    """
    reader, access = who
    try:
        with leaving_out() as lost:  # what came in is kept, whatever became of the archive
            stored = store.readings.load(
                reader, panel.points, panel.period, reading_type=panel.reading_type, interval=panel.interval
            )
        values = np.where(np.isnan(stored.values), panel.values, np.nan)
        if np.isfinite(values).any():
            quality = np.where(np.isnan(values), np.uint8(q.MISSING), panel.quality)
            told = beside_lost(replace(panel, values=values, quality=quality), stored, lost)
            store.readings.save(access, told, known_at=known_at)
    except GridMismatch:
        # One usage point's profile is no reason to leave out what the others have.
        for row in range(len(panel.points)) if len(panel.points) > 1 else ():
            save_over(store, who, panel.rows([row]), known_at)
