"""Interval readings that waited, moved in as far as they fit: a day of a usage point holds one grid."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.access import Access
from gridwright.domain.errors import GridwrightError
from gridwright.domain.interval import DAY_S, epoch_s, from_epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.quarantine import QuarantinedReading
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.usage_point import Installation
from gridwright.ingest.order import one_gives_way
from gridwright.jobs.field.keep_harvest import placed_panels
from gridwright.jobs.meters.day_again import told_beside
from gridwright.store import Store
from gridwright.store.days.fitting import save_fitting

TOLD = 10  # days whose misfits are named one by one
REMEDY = (
    "claim what goes on waiting with a channel of its own (--channel), or let it go with gridwright quarantine drop"
)


class _Grid(NamedTuple):
    """Readings of one type, length and phase; `rank`: 0 on the UTC days of which most readings are on this grid."""

    kind: ReadingType
    interval_s: int
    phase_s: int
    rank: int


@dataclass(frozen=True, slots=True)
class Misfit:
    """Readings of one UTC day, by their places in what waited, that do not fit its grid, and why."""

    places: tuple[int, ...]
    error: GridwrightError


def save_what_fits(
    store: Store, access: Access, waiting: Sequence[QuarantinedReading], place: Installation, *, now: datetime
) -> tuple[int, list[Misfit]]:
    """Save interval readings at a place; returns how many are new or changed there, and what fits no day.

    Where nothing is stored yet, the grid with most readings of a UTC day has that day.
    """
    counts: list[int] = []

    def save(panel: Panel) -> None:
        for part in placed_panels(panel, [place]):
            saved = store.readings.save(access, part, known_at=now)
            counts.append(saved.new + saved.changed)
            told_beside(store, (access, access), saved.made_way, part.reading_type, now)

    misfits = []
    for grid, places in sorted(_grids(waiting).items(), key=lambda item: item[0].rank):
        for panel in _panels(grid, [waiting[at] for at in places]):
            for part, error in save_fitting(save, panel):
                out = tuple(at for at in places if part.start <= waiting[at].at < part.end)
                misfits.append(Misfit(out, error))
    return sum(counts), sorted(misfits, key=lambda misfit: misfit.places)


def told(waiting: Sequence[QuarantinedReading], misfits: Sequence[Misfit]) -> list[str]:
    """Return a sentence for each day's misfits, with their first value, place and reason, and what helps at the end."""
    if not misfits:
        return []
    notes = []
    for misfit in misfits[:TOLD]:
        first = waiting[misfit.places[0]]
        value = f"{first.value * first.reading_type.resolution:.12g} {first.reading_type.unit}"
        what = f"{value} at {first.at.isoformat()}"
        others = f" and {len(misfit.places) - 1} more of that day" if len(misfit.places) > 1 else ""
        notes.append(f"{what}{others}: {misfit.error.message} ({misfit.error.where}), and goes on waiting")
    if len(misfits) > TOLD:
        notes.append(f"{len(misfits) - TOLD} more days have readings that do not fit, and go on waiting")
    return [*notes, REMEDY]


def in_channel(readings: Sequence[QuarantinedReading], channel: str) -> list[QuarantinedReading]:
    """Return the readings as those of another channel; of none, as they are."""
    if not channel:
        return list(readings)
    return [replace(each, reading_type=replace(each.reading_type, channel=channel)) for each in readings]


def _grids(waiting: Sequence[QuarantinedReading]) -> dict[_Grid, list[int]]:
    """Sort interval readings by what they are and their grid, each UTC day by how many there are on each."""
    places = [at for at, each in enumerate(waiting) if each.interval_s]
    kinds = [each.reading_type for each in waiting]
    # A reading type takes long to hash, and there are few of them.
    alike = {id(kind): kind for kind in kinds}
    first = {kind: at for at, kind in reversed(list(enumerate(alike.values())))}
    number = {key: first[kind] for key, kind in alike.items()}
    which = [number[id(kinds[at])] for at in places]
    instants = [epoch_s(waiting[at].at) for at in places]
    lengths = [waiting[at].interval_s for at in places]
    grids = [(length, at_s % length) for length, at_s in zip(lengths, instants, strict=True)]
    days = [(one, at_s // DAY_S) for one, at_s in zip(which, instants, strict=True)]
    ranks: dict[tuple[int, int], dict[tuple[int, int], int]] = defaultdict(dict)
    for (day, grid), _ in Counter(zip(days, grids, strict=True)).most_common():
        ranks[day].setdefault(grid, len(ranks[day]))
    found: dict[tuple[int, int, int, int], list[int]] = defaultdict(list)
    for at, one, grid, day in zip(places, which, grids, days, strict=True):
        found[one, *grid, ranks[day][grid]].append(at)
    types = list(alike.values())
    return {_Grid(types[one], *grid): some for (one, *grid), some in found.items()}


def _panels(grid: _Grid, readings: Sequence[QuarantinedReading]) -> Iterator[Panel]:
    """Yield one-row panels, cut where a day is empty; of two values of an interval the one that would be stored."""
    found: dict[int, QuarantinedReading] = {}
    for each in readings:
        other = found.get(at := epoch_s(each.at))
        if other is None or not one_gives_way(each.quality, other.quality):
            found[at] = each
    instants = np.array(sorted(found), np.int64)
    length, name = grid.interval_s, (readings[0].meter,)
    for part in np.split(instants, np.flatnonzero(np.diff(instants) > DAY_S) + 1):
        some, slots = [found[int(each)] for each in part], (part - part[0]) // length
        values = np.full((1, int(slots[-1]) + 1), np.nan)
        quality = np.full(values.shape, q.MISSING, np.uint8)
        values[0, slots] = np.rint([each.value for each in some])
        quality[0, slots] = [each.quality for each in some]
        begin, step = from_epoch_s(int(part[0])), timedelta(seconds=length)
        yield Panel(name, begin, step, values, quality=quality, reading_type=grid.kind)
