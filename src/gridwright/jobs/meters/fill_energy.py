"""Energy between two register reads is saved where nothing is stored: a meter's own profile says more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.access import Access
from gridwright.domain.errors import GridMismatch
from gridwright.domain.interval import DAY_S, epoch_s, from_epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import ReadingType
from gridwright.jobs.meters.beside_lost import beside_lost, out_of_sight
from gridwright.jobs.meters.on_its_grid import load_day, load_on_grid
from gridwright.jobs.store_port import StorePort
from gridwright.store import Single
from gridwright.store.archive.reading import leaving_out

Day = tuple[str, int]  # of a usage point, the number of a UTC day


@dataclass(frozen=True, slots=True)
class Derived:
    """Energy of one interval, between two reads that lie on its ends."""

    point: str
    start_s: int
    length_s: int
    energy: float
    quality: int = q.OF_REGISTER


def fill_energy(
    store: StorePort, who: tuple[Access, Access], derived: Sequence[Derived], kind: ReadingType, known_at: datetime
) -> set[Day]:
    """Save energy of a register where nothing is stored; returns the days that are stored on another grid.

    `who`: who reads what is stored, and who writes.
    """
    energy = kind.delta()
    lengths: dict[int, list[Derived]] = defaultdict(list)
    for one in derived:
        lengths[one.length_s].append(one)
    misfits: set[Day] = set()
    for length_s, members in lengths.items():
        singles = [Single(one.point, one.start_s, one.energy, one.quality) for one in members]
        left = store.readings.save_singles(who[1], energy, length_s, singles, known_at=known_at, fill=True)
        days: dict[tuple[int, int], list[Derived]] = defaultdict(list)
        for place in left:
            start_s = members[place].start_s
            days[start_s // DAY_S, start_s % length_s].append(members[place])
        for (day, _), some in days.items():
            misfits |= {(point, day) for point in fill_panel(store, who, panel_of(some, energy), known_at)}
    return misfits


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


def fill_panel(
    store: StorePort, who: tuple[Access, Access], panel: Panel, known_at: datetime, *, again: bool = False
) -> list[str]:
    """Save a panel of one day where nothing is stored; returns the usage points that have another grid.

    `again`: also over energy that reads told. In an archived month that cannot be read it stands until what was
    measured there can be.
    """
    reader, access = who
    try:
        with leaving_out() as lost:  # what came in is kept, whatever became of the archive
            stored = load_on_grid(store, reader, panel.points, panel.period, (panel.reading_type, panel.interval))
        unseen = out_of_sight(stored, lost)
        free = stored.missing | unseen | (q.of_register(stored.quality) if again else False)
        values = np.where(free, panel.values, np.nan)
        if np.isfinite(values).any():
            quality = np.where(np.isnan(values), np.uint8(q.MISSING), panel.quality)
            told = replace(panel, values=values, quality=quality)
            told = beside_lost(told, unseen, q.Method.TELLS if again else q.Method.FILLS)
            store.readings.save(access, told, known_at=known_at)
    except GridMismatch:
        # One usage point's profile is no reason to leave out what the others have.
        if len(panel.points) == 1 or _are_elsewhere(store, reader, panel):
            return list(panel.points)
        rows = (panel.rows([row]) for row in range(len(panel.points)))
        return [point for row in rows for point in fill_panel(store, who, row, known_at, again=again)]
    return []


def _are_elsewhere(store: StorePort, reader: Access, panel: Panel) -> bool:
    """Tell, by one look at all, whether each usage point of a panel has its day on one other grid."""
    try:
        stored = load_day(store, reader, panel.points, epoch_s(panel.start) // DAY_S, panel.reading_type)
    except GridMismatch:
        return False
    if stored is None:
        return False
    apart = stored.interval != panel.interval or (stored.start - panel.start) % panel.interval != timedelta(0)
    return apart and bool((~stored.missing).any(axis=1).all())
