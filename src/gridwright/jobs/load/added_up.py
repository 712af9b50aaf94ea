"""Series of a usage point that mean the same, added up: what two meters of net energy take in, the point does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import ReadingType
from gridwright.ingest.order import RANK


def added(panels: Sequence[Panel]) -> tuple[Panel, ...]:
    """Return panels of one grid in which no usage point has the same reading type twice at a time.

    Where both have a value it is their sum, of the lesser quality; where one lacks it, there is none; before one begins
    and after it ended the other stands alone.
    """
    twice = _twice(panels)
    if not twice:
        return tuple(panels)
    kept: list[Panel] = []
    for panel in panels:
        rows = [row for row, point in enumerate(panel.points) if (point, panel.reading_type) not in twice]
        if rows:
            kept.append(panel if len(rows) == len(panel.points) else panel.rows(rows))
    return (*kept, *map(_sum, twice.values()))


def _twice(panels: Sequence[Panel]) -> dict[tuple[str, ReadingType], list[Panel]]:
    """Return the rows of usage points of which two panels of one type share time."""
    kinds: dict[ReadingType, list[Panel]] = defaultdict(list)
    for panel in panels:
        kinds[panel.reading_type].append(panel)
    found: dict[tuple[str, ReadingType], list[Panel]] = defaultdict(list)
    for kind, some in kinds.items():
        if len(some) == 1:
            continue
        for panel in some:
            for row, point in enumerate(panel.points):
                found[point, kind].append(panel.rows([row]))
    return {key: parts for key, parts in found.items() if _share_time(parts)}


def _share_time(parts: Sequence[Panel]) -> bool:
    ordered = sorted(parts, key=lambda part: part.start)
    return any(one.end > other.start for one, other in pairwise(ordered))


def _sum(parts: Sequence[Panel]) -> Panel:
    """Return one row over the time of all of them."""
    whole = Interval(min(part.start for part in parts), max(part.end for part in parts))
    first = parts[0].regrid(whole)
    values, quality = np.full(first.values.shape, np.nan), first.quality.copy()
    there = np.zeros(first.values.shape, np.bool_)
    for part in parts:
        own = part.regrid(whole)
        begin = (part.start - whole.start) // part.interval
        lives = np.zeros(there.shape, np.bool_)
        lives[:, begin : begin + part.slots] = True
        both, lesser = lives & there, RANK[own.quality] < RANK[quality]
        values = np.where(both, values + own.values, np.where(lives, own.values, values))
        quality = np.where(lives & (~there | lesser), own.quality, quality)
        there |= lives
    return first.with_values(values, quality)
