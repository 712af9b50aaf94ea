"""A day of which register reads tell intervals of several lengths is derived on one grid, whatever came first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.access import Access
from gridwright.domain.errors import GridMismatch
from gridwright.domain.hung import factor_between
from gridwright.domain.interval import DAY_S, epoch_s, from_epoch_s
from gridwright.domain.misread import misreads
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import Accumulation, ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Installation
from gridwright.jobs.meters.beside_lost import beside_lost
from gridwright.jobs.meters.fill_energy import Day, Derived, fill_panel, panel_of
from gridwright.jobs.meters.limits import Limits
from gridwright.jobs.meters.on_its_grid import is_out_of_sight, load_day
from gridwright.jobs.meters.reads_beyond import REACH
from gridwright.jobs.meters.reads_tell import Key, Rules, Tells, is_usual, tells
from gridwright.jobs.meters.rollovers import Rollovers
from gridwright.jobs.store_port import StorePort

ENOUGH = 0.75  # of the time that the best grid holds: a hole or two are no reason for longer intervals
BESIDE = 1  # instants on both sides of what tells a day by which the first and the last read of it are judged
Grid = tuple[int, int]  # length and phase of its intervals, in seconds


def days_again(
    store: StorePort, who: tuple[Access, Access], days: Collection[Day], kind: ReadingType, known_at: datetime
) -> None:
    """Derive days anew from all that is stored of them, whatever came first: on one grid, which `best_grid` tells.

    Where anything of a day was measured, it is that grid, and what was measured stays. `who`: who reads what is stored,
    and who writes.
    """
    if not days:
        return
    rollovers, names = Rollovers(store, who[0]), defaultdict[int, list[str]](list)
    for point, day in sorted(days):
        names[day].append(point)
    rules = rules_of(store, who[0], sorted({point for point, _ in days}), rollovers)
    energy = replace(kind, accumulation=Accumulation.DELTA)
    for day, points in sorted(names.items()):
        around = from_epoch_s(day * DAY_S) - REACH, from_epoch_s((day + 1) * DAY_S) + REACH
        near = store.registers.load_around(who[0], dict.fromkeys(points, around), kind, (BESIDE, BESIDE))
        told = {point: _told(reads, rollovers, rules) for point, (reads, _) in near.items()}
        _lay(store, who, day, told, (energy, known_at))


def told_beside(
    store: StorePort, who: tuple[Access, Access], days: Collection[Day], kind: ReadingType, known_at: datetime
) -> None:
    """Derive anew what register reads tell of the rest of days of which intervals of a type came on another grid."""
    days_again(store, who, days, kind.register(), known_at)


def _lay(
    store: StorePort,
    who: tuple[Access, Access],
    day: int,
    told: Mapping[str, Tells],
    what: tuple[ReadingType, datetime],
) -> None:
    """Save what is told of a day: of all usage points with one grid together, of those that are stored on another each.

    `what`: the type of the energy, and when it becomes known.
    """
    alike: dict[Grid, list[Derived]] = defaultdict(list)
    for point, tells_ in told.items():
        grid = best_grid(tells_, day)
        if grid is not None and (some := on_grid(point, tells_, day, grid)):
            alike[grid] += some
    for grid, some in sorted(alike.items()):
        others: dict[Grid | None, list[Derived]] = defaultdict(list)
        misfits = fill_panel(store, who, panel_of(some, what[0]), what[1], again=True)
        for point, measured in _measured_grids(store, who[0], misfits, day, what[0]).items():
            others[measured] += on_grid(point, told[point], day, measured or grid)
        for measured, mine in others.items():
            if mine and measured:
                fill_panel(store, who, panel_of(mine, what[0]), what[1], again=True)
            elif mine:
                panel = panel_of(mine, what[0])
                unseen = np.full(panel.values.shape, is_out_of_sight(store, who[0], panel.points, day, what[0]))
                _take_place(store, who[1], beside_lost(panel, unseen, q.Method.TELLS), what[1])


def _take_place(store: StorePort, access: Access, panel: Panel, known_at: datetime) -> None:
    """Save what is told in the place of what was told on another grid; one that cannot be is left as it is."""
    try:
        store.readings.save(access, panel, known_at=known_at)
    except GridMismatch:  # of an archived month nobody saw what was measured
        for row in range(len(panel.points) if len(panel.points) > 1 else 0):
            _take_place(store, access, panel.rows([row]), known_at)


def _measured_grids(
    store: StorePort, access: Access, points: Sequence[str], day: int, kind: ReadingType
) -> dict[str, Grid | None]:
    """Return the grid of a stored day of each usage point of which something was measured; None: reads told all."""
    if not points:
        return {}
    try:
        stored = load_day(store, access, points, day, kind)
    except GridMismatch:
        if len(points) == 1:
            raise
        each = (_measured_grids(store, access, [point], day, kind) for point in points)
        return {point: grid for one in each for point, grid in one.items()}
    if stored is None:
        return dict.fromkeys(points)
    measured: list[bool] = np.any(~stored.missing & ~q.of_register(stored.quality), axis=1).tolist()
    grid = stored.interval_s, epoch_s(stored.start) % stored.interval_s
    return {point: grid if some else None for point, some in zip(points, measured, strict=True)}


def rules_of(store: StorePort, access: Access, points: Collection[str], rollovers: Rollovers) -> Rules:
    """Return by what the reads of usage points are judged, as the registry knows these."""
    history: dict[str, list[Installation]] = defaultdict(list)
    for one in store.field.installations(access, list(points)):
        history[one.usage_point].append(one)

    def factor(before: RegisterReading, after: RegisterReading) -> float | None:
        return factor_between(history[before.usage_point], before, after)

    limits = Limits(store, access)
    limits.learn(list(points))
    return Rules(factor, rollovers, limits)


def _told(reads: Iterable[RegisterReading], rollovers: Rollovers, rules: Rules) -> Tells:
    chain = sorted(map(rollovers.named, reads), key=lambda read: (read.at, read.epoch))
    wrong = frozenset(chain[place] for place in misreads(chain, rollovers.counts_on))
    return tells(chain, wrong, rules, whole=True)


def best_grid(told: Tells, day: int) -> Grid | None:
    """Return the grid on which a UTC day is derived where nothing of it was measured; None where nothing is told.

    It is the shortest by which nearly as much of the day is told as by any. What shorter intervals tell within the
    intervals of a grid is told by it, too: so no read that goes on evenly makes another one the best. A wrong read
    tells no energy, and yet on which grid it was taken.
    """
    usual = sorted(key for key in told if key[0] // DAY_S == day and is_usual(key))
    grids = {(length, start % length) for start, length in usual}
    if len(grids) < 2:  # noqa: PLR2004 - two grids, of which one is better
        return next(iter(grids), None)
    held = {grid: _held(usual, grid) for grid in grids}
    enough = [grid for grid, time in held.items() if time >= ENOUGH * max(held.values())]
    return min(enough, key=lambda grid: (grid[0], -held[grid], grid[1]))


def _held(keys: Sequence[Key], grid: Grid) -> int:
    """Return for how many seconds of their UTC day some intervals, in order, tell what is within those of a grid."""
    (length, phase), held, until = grid, 0, 0
    midnight = (keys[0][0] // DAY_S + 1) * DAY_S
    for start, lasts in keys:
        end = start + lasts
        if lasts <= length and end > until and (start - phase) // length == (end - 1 - phase) // length:
            held += min(end, midnight) - max(start, until)
            until = min(end, midnight)
    return held


def on_grid(point: str, told: Tells, day: int, grid: Grid) -> list[Derived]:
    """Return what is told of a UTC day on a grid."""
    length, phase = grid
    return [
        Derived(point, start, length, one.energy, one.saved_quality)
        for (start, lasts), one in sorted(told.items())
        if lasts == length and start % length == phase and start // DAY_S == day
    ]
