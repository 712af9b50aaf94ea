"""Load series whose interval length changes, as when a meter is exchanged: one panel for each stretch of one length."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.errors import GridMismatch, NotFound
from gridwright.domain.image import Image
from gridwright.domain.interval import DAY_S, Interval, epoch_s, from_epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import ReadingType
from gridwright.store import Store
from gridwright.vee.chains import rows_of

LEAST_S = 60


def load_stretches(
    store: Store,
    access: Access,
    points: Sequence[str],
    period: Interval,
    kind: ReadingType,
    *,
    image: Image = Image.RAW,
    as_of: datetime | None = None,
) -> Iterator[Panel]:
    """Yield panels of one interval length each, usage points that changed at the same times together.

    Each panel covers its stretch in full: to where the next interval length begins, also if nothing was read there.
    """
    together: dict[tuple[timedelta, timedelta, Interval], list[str]] = defaultdict(list)
    for each in store.readings.stretches(access, points, period, reading_type=kind, image=image):
        together[each.interval, each.phase, each.period].append(each.usage_point)
    for (interval, _, part), names in together.items():
        load = partial(store.readings.load, reading_type=kind, image=image, as_of=as_of)
        try:
            yield load(access, names, part, interval=interval)
        except GridMismatch:
            if as_of is None:
                raise
            yield from _as_it_was(load, access, names, part)


def _as_it_was(load: Callable[..., Panel], access: Access, names: Sequence[str], part: Interval) -> Iterator[Panel]:
    """Yield what was known of usage points day by day: a day may have been on another grid then than it is now."""
    day = timedelta(seconds=DAY_S)
    start = from_epoch_s(epoch_s(part.start) // DAY_S * DAY_S)
    for at in range(-(-int((part.end - start).total_seconds()) // DAY_S)):
        period = Interval(max(part.start, start + at * day), min(part.end, start + (at + 1) * day))
        for name in names:
            with suppress(NotFound):
                yield load(access, [name], period)


def seams_of(panels: Sequence[Panel]) -> dict[tuple[str, ReadingType], tuple[datetime, ...]]:
    """Return when the interval length of each usage point's series changes; most have no such seam."""
    found = {}
    for places in rows_of(panels):
        at, row = places[0]
        seams = tuple(panels[each].start for each, _ in places[1:])
        found[panels[at].points[row], panels[at].reading_type] = seams
    return found


def to_seams(panel: Panel, seams: dict[tuple[str, ReadingType], tuple[datetime, ...]], most: timedelta) -> Panel:
    """Return a panel reaching to the seams before and behind it, where they are at most so far away.

    What lies between the last value of one interval length and the first of the next is missing, on the former's grid
    to the seam and on the latter's from it.
    """
    near = {tuple(seams.get((point, panel.reading_type), ())) for point in panel.points}
    if len(near) != 1:
        return panel
    (moments,) = near
    # The nearest seam alone: behind the next one the grid may be this one again, or any other.
    before = max((at for at in moments if at <= panel.start), default=panel.start)
    behind = min((at for at in moments if at >= panel.end), default=panel.end)
    if panel.start - before >= most or (panel.start - before) % panel.interval:
        before = panel.start
    if behind - panel.end >= most:
        behind = panel.end
    return panel if (before, behind) == (panel.start, panel.end) else panel.regrid(Interval(before, behind))


def on_one_grid(panels: Sequence[Panel]) -> Panel:
    """Return stretches of one usage point on the finest grid that holds them all; they must not share any time.

    Energy of a longer interval is shared out evenly in whole counts, so that every sum stays as it was; a state holds
    for all of its interval. A grid finer than a minute is a GridMismatch.
    """
    first = panels[0].start
    steps = [panel.interval_s for panel in panels] + [epoch_s(panel.start) - epoch_s(first) for panel in panels]
    step = math.gcd(*steps)
    if step < LEAST_S:
        raise GridMismatch(
            f"the interval length of {panels[0].reading_type} changes, and no grid of whole minutes holds all of it",
            where=f"{panels[0].points[0]}, {Interval(first, panels[-1].end)}",
            remedy="read both meters on the clock's minutes, or look at the time before and after by itself",
        )
    parts = [refined(panel, timedelta(seconds=step)) for panel in panels]
    start, end = min(part.start for part in parts), max(part.end for part in parts)
    whole = parts[0].regrid(Interval(start, end))
    for part in parts[1:]:
        at = (part.start - start) // part.interval
        there = ~part.missing
        whole.values[:, at : at + part.slots][there] = part.values[there]
        whole.quality[:, at : at + part.slots][there] = part.quality[there]
    return whole


def refined(panel: Panel, interval: timedelta) -> Panel:
    """Return a panel on a grid of shorter intervals that divide its own."""
    times = panel.interval // interval
    if times == 1:
        return panel
    values = np.repeat(panel.values, times, axis=1)
    if panel.reading_type.sums:
        shares = np.tile(np.arange(times), panel.slots)
        values = np.floor(values * (shares + 1) / times) - np.floor(values * shares / times)
    return replace(panel, interval=interval, values=values, quality=np.repeat(panel.quality, times, axis=1))
