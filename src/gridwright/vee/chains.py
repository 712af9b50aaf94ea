"""Chains: rows of one usage point that follow each other on several grids, and their cells one after the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.interval import MICRO, epoch_s
from gridwright.domain.panel import Panel, slot_time
from gridwright.domain.reading_type import ReadingType
from gridwright.vee.reads import Instants
from gridwright.vee.runs import Floats, Index
from gridwright.vee.segments import NEAR

Place = tuple[int, int]  # the number of a panel, and the row of it
Chain = tuple[Place, ...]


def chains_of(panels: Sequence[Panel]) -> dict[ReadingType, list[Chain]]:
    """Return the rows of each usage point that follow each other without a break, by type; most have one alone."""
    found: dict[ReadingType, list[Chain]] = defaultdict(list)
    for places in rows_of(panels):
        found[panels[places[0][0]].reading_type] += _unbroken(panels, places)
    return {kind: chains for kind, chains in found.items() if chains}


def rows_of(panels: Sequence[Panel]) -> Iterator[list[Place]]:
    """Yield the rows of each usage point and type that are in several panels, in order of time."""
    rows: dict[tuple[str, ReadingType], list[Place]] = defaultdict(list)
    for at, panel in enumerate(panels):
        for row, point in enumerate(panel.points):
            rows[point, panel.reading_type].append((at, row))
    for places in rows.values():
        if len(places) > 1:
            yield sorted(places, key=lambda place: panels[place[0]].start)


def _unbroken(panels: Sequence[Panel], places: Sequence[Place]) -> Iterator[Chain]:
    on = [panels[before[0]].end == panels[after[0]].start for before, after in pairwise(places)]
    breaks = [0, *(at for at, goes_on in enumerate(on, 1) if not goes_on), len(places)]
    yield from (tuple(places[first:last]) for first, last in pairwise(breaks) if last - first > 1)


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """The cells of a chain: float64[cells] and their quality, which are written in place.

    `parts`: one row each. `edges`: the number of the first cell of each, and of all.
    """

    parts: Sequence[Panel]
    values: Floats
    quality: q.Qualities
    edges: Index

    @property
    def kind(self) -> ReadingType:
        """What all of its cells count."""
        return self.parts[0].reading_type

    @property
    def point(self) -> str:
        """The usage point."""
        return self.parts[0].points[0]

    def lay(self, at: Instants) -> tuple[Index, Floats]:
        """Return the edge of a cell next to each instant, and how far off it is, in cells; inf outside.

        At a seam in those of the shorter length: a read is on both grids there, or on none.
        """
        seconds = at // MICRO  # as `off_grid`
        starts = np.array([epoch_s(part.start) for part in self.parts])
        lengths = np.array([part.interval_s for part in self.parts])
        part = np.clip(np.searchsorted(starts, seconds, side="right") - 1, 0, None)
        slot = (seconds - starts[part]) / lengths[part]
        near = np.rint(slot).astype(np.intp)
        outside = (slot < -NEAR) | (slot > np.diff(self.edges)[part] + NEAR)
        edge, off = self.edges[part] + near, np.abs(slot - near)
        for seam in range(1, len(self.parts)):
            here = edge == self.edges[seam]
            off[here] = np.abs(seconds[here] - starts[seam]) / lengths[seam - 1 : seam + 1].min()
        return edge, np.where(outside, np.inf, off)

    def time(self, edge: int) -> datetime:
        """Return when a cell begins, or the last one ends."""
        part = min(int(np.searchsorted(self.edges, edge, side="right")), len(self.parts)) - 1
        return slot_time(self.parts[part], edge - int(self.edges[part]))

    def cut(self) -> Iterator[tuple[Floats, q.Qualities]]:
        """Yield values and quality of each part."""
        for first, last in pairwise(self.edges.tolist()):
            yield self.values[first:last], self.quality[first:last]


def line_of(panels: Sequence[Panel], chain: Chain) -> Line:
    """Lay the rows of a chain one after the other."""
    parts = [panels[at].rows([row]) for at, row in chain]
    return Line(
        parts,
        np.concatenate([part.values[0] for part in parts]),
        np.concatenate([part.quality[0] for part in parts]),
        np.cumsum([0, *(part.slots for part in parts)]),
    )
