"""A day of which register reads tell intervals of several lengths is derived on one grid, whatever came first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from datetime import datetime

from gridwright.domain.access import Access
from gridwright.domain.errors import GridMismatch
from gridwright.domain.hung import factor_between
from gridwright.domain.interval import DAY_S, Interval, from_epoch_s
from gridwright.domain.misread import misreads
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Installation
from gridwright.jobs.meters.fill_energy import Day, Derived, fill_panel, panel_of
from gridwright.jobs.meters.limits import Limits
from gridwright.jobs.meters.reads_beyond import REACH
from gridwright.jobs.meters.reads_tell import Rules, Tells, is_usual, tells
from gridwright.jobs.meters.rollovers import Rollovers
from gridwright.jobs.store_port import StorePort

ENOUGH = 0.75  # of the time that the best grid holds: a hole or two are no reason for longer intervals
Grid = tuple[int, int]  # length and phase of its intervals, in seconds


def days_again(
    store: StorePort, who: tuple[Access, Access], days: Collection[Day], kind: ReadingType, known_at: datetime
) -> None:
    """Derive days anew on the grid that holds most of what the stored reads tell; a day that was measured stays.

    `who`: who reads what is stored, and who writes.
    """
    if not days:
        return
    points = sorted({point for point, _ in days})
    rollovers = Rollovers(store, who[0])
    rules = rules_of(store, who[0], points, rollovers)
    energy = kind.delta()
    for point, day in sorted(days):
        around = Interval(from_epoch_s(day * DAY_S) - REACH, from_epoch_s((day + 1) * DAY_S) + REACH)
        reads = store.registers.load_each(who[0], {point: around}, kind).get(point, [])
        some = on_one_grid(point, _told(reads, rollovers, rules), day)
        if some and fill_panel(store, who, panel_of(some, energy), known_at, again=True):
            with suppress(GridMismatch):  # something of it was measured, and says more
                store.readings.save(who[1], panel_of(some, energy), known_at=known_at)


def rules_of(store: StorePort, access: Access, points: Iterable[str], rollovers: Rollovers) -> Rules:
    """Return by what the reads of usage points are judged, as the registry knows these."""
    history: dict[str, list[Installation]] = defaultdict(list)
    for one in store.field.installations(access, list(points)):
        history[one.usage_point].append(one)

    def factor(before: RegisterReading, after: RegisterReading) -> float | None:
        return factor_between(history[before.usage_point], before, after)

    return Rules(factor, rollovers, Limits(store, access))


def _told(reads: Iterable[RegisterReading], rollovers: Rollovers, rules: Rules) -> Tells:
    chain = sorted(map(rollovers.named, reads), key=lambda read: (read.at, read.epoch))
    wrong = frozenset(chain[place] for place in misreads(chain, rollovers.counts_on))
    return tells(chain, wrong, rules, whole=True)


def on_one_grid(point: str, told: Tells, day: int) -> Sequence[Derived]:
    """Return what is told of a UTC day on one grid: the shortest that holds nearly as much time as any."""
    held: dict[Grid, int] = defaultdict(int)
    usual = {key: one for key, one in told.items() if key[0] // DAY_S == day and is_usual(key) and not one.guess}
    for start, length in usual:
        held[length, start % length] += length
    if not held:
        return ()
    enough = [grid for grid, time in held.items() if time >= ENOUGH * max(held.values())]
    best = min(enough, key=lambda grid: (grid[0], -held[grid], grid[1]))
    return [
        Derived(point, start, length, one.energy, one.quality)
        for (start, length), one in usual.items()
        if (length, start % length) == best
    ]


def uneven(point: str, told: Tells) -> set[Day]:
    """Return the days on which a longer interval is told that no shorter ones fill: reads lie within it."""
    filled = {key for key, one in told.items() if one.direct}
    found = set()
    for key, one in told.items():
        start, length = key
        if not one.direct and is_usual(key) and not _is_filled(start, start + length, filled):
            found.add((point, start // DAY_S))
    return found


def _is_filled(start: int, end: int, filled: set[tuple[int, int]]) -> bool:
    return sum(length for begin, length in filled if start <= begin and begin + length <= end) >= end - start
