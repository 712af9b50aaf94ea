"""Chains: rows of one usage point that follow each other on several grids, and their cells one after the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.interval import from_epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import ReadingType
from gridwright.vee.grids import Grid
from gridwright.vee.runs import Floats, Index

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
    """The cells of a chain: float64[1, cells] and their quality, which are written in place; `parts`: one row each."""

    parts: Sequence[Panel]
    grid: Grid
    values: Floats
    quality: q.Qualities

    @property
    def kind(self) -> ReadingType:
        """What all of its cells count."""
        return self.parts[0].reading_type

    @property
    def point(self) -> str:
        """The usage point."""
        return self.parts[0].points[0]

    @property
    def seams(self) -> Index:
        """The edges at which the interval length changes."""
        return self.grid.edges[1:-1]

    def time(self, edge: int) -> datetime:
        """Return when a cell begins, or the last one ends."""
        return from_epoch_s(int(self.grid.seconds(np.array([edge]))[0]))

    def cut(self) -> Iterator[tuple[Floats, q.Qualities]]:
        """Yield values and quality of each part."""
        for first, last in pairwise(self.grid.edges.tolist()):
            yield self.values[0, first:last], self.quality[0, first:last]


def line_of(panels: Sequence[Panel], chain: Chain) -> Line:
    """Lay the rows of a chain one after the other."""
    parts = [panels[at].rows([row]) for at, row in chain]
    values = np.concatenate([part.values for part in parts], axis=1)
    return Line(parts, Grid.of(parts), values, np.concatenate([part.quality for part in parts], axis=1))
