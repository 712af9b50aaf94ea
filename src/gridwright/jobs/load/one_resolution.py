"""Panels of one series in several resolutions, as one: until it is brought together, or where a part is archived."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from gridwright.domain.interval import Interval, epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import ReadingType


def one_resolution(panels: Iterable[Panel]) -> list[Panel]:
    """Return panels in which no usage point has one series in two resolutions on one grid: it has it in the finest.

    No time is stored in two; where it is, from before that was so, the finer value is taken.
    """
    alike: dict[tuple[ReadingType, int, int], list[Panel]] = defaultdict(list)
    for panel in panels:
        grid = panel.interval_s, epoch_s(panel.start) % panel.interval_s
        alike[panel.reading_type.finer(0), *grid].append(panel)
    return [panel for some in alike.values() for panel in _joined(some)]


def _joined(panels: Sequence[Panel]) -> Iterator[Panel]:
    if len({panel.reading_type for panel in panels}) == 1:
        yield from panels
        return
    places: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for at, panel in enumerate(panels):
        for row, point in enumerate(panel.points):
            places[point].append((at, row))
    together: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for point, those in places.items():
        if len({panels[at].reading_type for at, _ in those}) > 1:
            together[tuple(at for at, _ in those)].append(point)
    several = {point for points in together.values() for point in points}
    for panel in panels:
        alone = [row for row, point in enumerate(panel.points) if point not in several]
        if alone:
            yield panel if len(alone) == len(panel.points) else panel.rows(alone)
    for where, points in together.items():
        rows = zip(*([row for _, row in places[point]] for point in points), strict=True)
        yield _one([panels[at].rows(mine) for at, mine in zip(where, rows, strict=True)])


def _one(parts: Sequence[Panel]) -> Panel:
    """Return rows of the same usage points together, in the finest resolution of them."""
    exponent = min(part.reading_type.exponent for part in parts)
    whole = Interval(min(part.start for part in parts), max(part.end for part in parts))
    ordered = sorted(parts, key=lambda part: -part.reading_type.exponent)
    laid = ordered[0].rescaled(exponent).regrid(whole)
    for part in ordered[1:]:
        own = part.rescaled(exponent).regrid(whole)
        there = ~own.missing
        laid = laid.with_values(np.where(there, own.values, laid.values), np.where(there, own.quality, laid.quality))
    return laid
