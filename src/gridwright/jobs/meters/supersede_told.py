"""Stored energy that register reads told, as its quality says, follows what they tell now; what was measured stays."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.access import Access
from gridwright.domain.errors import ArchiveUnreadable, GridMismatch
from gridwright.domain.interval import DAY_S, Interval, from_epoch_s
from gridwright.domain.panel import Panel, Values
from gridwright.domain.reading_type import ReadingType
from gridwright.jobs.meters.beside_lost import out_of_sight
from gridwright.jobs.meters.on_its_grid import load_on_grid
from gridwright.jobs.meters.reads_tell import Key, Tells, Told
from gridwright.jobs.store_port import StorePort
from gridwright.store.archive.reading import leaving_out


@dataclass(frozen=True, slots=True)
class Change:
    """What reads told of an interval, and what they tell now: nothing, if None; a guess stands there as one of `stale`.

    `fill`: whether it is saved where nothing is stored.
    """

    point: str
    key: Key
    stale: tuple[float, ...]
    now: Told | None
    fill: bool = False


@dataclass(frozen=True, slots=True)
class Superseded:
    """An interval that was saved again: its start, and its energy in counts before, 0 where none was, and now."""

    start_s: int
    before: float
    now: float | None


def changes_of(
    point: str, before: Sequence[Tells], after: Tells, *, fill: bool = False, again: bool = False
) -> Iterator[Change]:
    """Yield the intervals of a usage point of which the reads tell something else than each of `before`.

    `again`: reads count again that were withdrawn, so that intervals are filled as a file had derived them, too.
    """
    keys = dict.fromkeys(key for told in (*before, after) for key in told)
    for key in keys:
        were, now = [told[key] for told in before if key in told], after.get(key)
        same = now is not None and all(one._replace(direct=now.direct) == now for one in were)
        new = fill and now is not None and (now.direct or again) and not (were and same)
        if new or (were and not same):
            yield Change(point, key, tuple(dict.fromkeys(one.energy for one in were)), now, new)


def supersede(
    store: StorePort, who: tuple[Access, Access], changes: Iterable[Change], kind: ReadingType, known_at: datetime
) -> list[Superseded]:
    """Save changes of one type where they bear on what is stored; `who`: who reads what is stored, and who writes."""
    delta = kind.delta()
    alike: dict[tuple[int, int], list[Change]] = defaultdict(list)
    for change in _bearing(store, who[0], list(changes), delta):
        start, length = change.key
        alike[length, start % length].append(change)
    return [each for _, some in sorted(alike.items()) for each in _save(store, who, some, delta, known_at)]


def _bearing(store: StorePort, reader: Access, changes: Sequence[Change], kind: ReadingType) -> Iterator[Change]:
    """Yield those of which something may be stored: the usage point has a series of that length, or had it archived."""
    points = tuple(dict.fromkeys(change.point for change in changes))
    lengths: dict[str, set[int]] = defaultdict(set)
    for each in store.readings.extents(reader, points) if points else ():
        if each.reading_type.finer(kind.exponent) == kind:
            lengths[each.usage_point].add(each.interval_s)
    for change in changes:
        if (change.fill and change.now and change.now.direct) or change.key[1] in lengths[change.point]:
            yield change


def _save(
    store: StorePort, who: tuple[Access, Access], changes: Sequence[Change], kind: ReadingType, known_at: datetime
) -> list[Superseded]:
    """Save intervals of one length and phase; a profile with other intervals says more than a register."""
    try:
        with leaving_out() as lost:  # what came in is kept, whatever became of the archive
            stored = _stored(store, who[0], changes, kind)
        saved, found = _laid(changes, stored)
        before: list[Panel] = []
        if lost:
            saved, before = _laid_unseen(changes, stored, saved, lost)
        for part in (*before, saved):
            if found or before:
                store.readings.save(who[1], part, known_at=known_at)
    except GridMismatch:
        parts = list(_parts(changes))
        return [each for part in parts for each in _save(store, who, part, kind, known_at)] if len(parts) > 1 else []
    return found


def _stored(store: StorePort, access: Access, changes: Sequence[Change], kind: ReadingType) -> Panel:
    length = changes[0].key[1]
    starts = [change.key[0] for change in changes]
    period = Interval(from_epoch_s(min(starts)), from_epoch_s(max(starts) + length))
    points = tuple(dict.fromkeys(change.point for change in changes))
    return load_on_grid(store, access, points, period, (kind, timedelta(seconds=length)))


def _laid(changes: Sequence[Change], stored: Panel) -> tuple[Panel, list[Superseded]]:
    """Return the intervals to save, and what becomes of each."""
    values = np.full(stored.values.shape, np.nan)
    quality = np.full(stored.values.shape, q.MISSING, np.uint8)
    found = []
    for change, at in _places(changes, stored):
        old, was = float(stored.values[at]), int(stored.quality[at])
        there = old == old  # noqa: PLR0124 - NaN
        if not _was_told(old, was, change) if there else not change.fill:
            continue
        energy, now = _now(change.now, old)
        if (energy, now) != (old, was):
            values[at], quality[at] = energy, now
            found.append(Superseded(change.key[0], old if there else 0.0, energy if change.now else None))
    return replace(stored, values=values, quality=quality), found


def _laid_unseen(
    changes: Sequence[Change], stored: Panel, saved: Panel, lost: Sequence[ArchiveUnreadable]
) -> tuple[Panel, list[Panel]]:
    """Return what to save over months that cannot be read, and before it what was told once, as taken back.

    Where that is in the archive it is superseded once the file is back, and where something else is, that stays.
    """
    unseen, places = out_of_sight(stored, lost), list[tuple[tuple[float, ...], tuple[int, int]]]()
    values, quality = saved.values.copy(), saved.quality.copy()
    for change, at in _places(changes, stored):
        if unseen[at]:
            values[at], quality[at] = _instead(change)
            places += [(change.stale, at)] if change.stale else []
    before = []
    for which in range(max((len(stale) for stale, _ in places), default=0)):
        once = np.full(values.shape, np.nan)
        for stale, at in places:
            once[at] = stale[min(which, len(stale) - 1)]
        before.append(_taken_back(stored, once))
    return replace(saved, values=values, quality=quality), before


def _instead(change: Change) -> tuple[float, int]:
    """Return energy and quality of what reads tell now of an interval of which nobody sees what is stored."""
    if change.now is None:
        return np.nan, q.MISSING
    if change.now.guess:
        return change.now.energy, q.GUESSED_INSTEAD
    method = q.Method.TELLS if change.fill else q.Method.INSTEAD
    return change.now.energy, q.pack(q.Status(change.now.quality & 0x0F), method)


def _was_told(energy: float, quality: int, change: Change) -> bool:
    """Tell whether reads told what is stored, and no meter measured it."""
    return quality >> 4 == q.Method.REGISTER or (quality == q.GUESSED_ONCE and energy in change.stale)


def _taken_back(like: Panel, values: Values) -> Panel:
    quality = np.where(np.isnan(values), np.uint8(q.MISSING), np.uint8(q.TAKEN_BACK))
    return replace(like, values=values, quality=quality)


def _places(changes: Sequence[Change], panel: Panel) -> Iterator[tuple[Change, tuple[int, int]]]:
    """Yield each change with its place in a panel that begins with the first of them."""
    first, length = min(change.key[0] for change in changes), changes[0].key[1]
    row = {point: at for at, point in enumerate(panel.points)}
    for change in changes:
        yield change, (row[change.point], (change.key[0] - first) // length)


def _now(now: Told | None, stored: float) -> tuple[float, int]:
    """Return energy and quality to save: a value that nothing tells any more is taken back."""
    if now is None:
        return stored, q.TAKEN_BACK
    return now.energy, now.saved_quality


def _parts(changes: Sequence[Change]) -> Iterator[list[Change]]:
    """Yield the changes of each day, or those of one day by usage point."""
    days = [list(some) for _, some in groupby(sorted(changes, key=_day), key=_day)]
    if len(days) > 1:
        yield from days
        return
    points: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        points[change.point].append(change)
    yield from points.values()


def _day(change: Change) -> int:
    return change.key[0] // DAY_S
