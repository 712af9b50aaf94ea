"""Load series whose interval length changes, as when a meter is exchanged: one panel for each stretch of one length."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.errors import GridMismatch
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval, epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import ReadingType
from gridwright.store import Store

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
        yield store.readings.load(access, names, part, reading_type=kind, interval=interval, image=image, as_of=as_of)


def seams_of(panels: Sequence[Panel]) -> dict[tuple[str, ReadingType], tuple[datetime, ...]]:
    """Return when the interval length of each usage point's series changes; most have no such seam."""
    periods: dict[tuple[str, ReadingType], list[Interval]] = defaultdict(list)
    for panel in panels:
        for point in panel.points:
            periods[point, panel.reading_type].append(panel.period)
    return {key: tuple(sorted(each.start for each in some))[1:] for key, some in periods.items() if len(some) > 1}


def to_seams(panel: Panel, seams: dict[tuple[str, ReadingType], tuple[datetime, ...]], most: timedelta) -> Panel:
    """Return a panel reaching to the seams before and behind it, where they are at most so far away.

    What lies between the last value of one interval length and the first of the next is missing, on the former's grid
    to the seam and on the latter's from it.
    """
    near = {tuple(seams.get((point, panel.reading_type), ())) for point in panel.points}
    if len(near) != 1:
        return panel
    (moments,) = near
    before = [at for at in moments if panel.start - most < at < panel.start and not (panel.start - at) % panel.interval]
    behind = [at for at in moments if panel.end < at < panel.end + most]
    if not before and not behind:
        return panel
    return panel.regrid(Interval(max(before, default=panel.start), min(behind, default=panel.end)))


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
