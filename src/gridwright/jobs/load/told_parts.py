"""Registers by time of use beside intervals of all energy: what reads of them tell is a part of it, and no more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import ReadingType
from gridwright.jobs.load.counted_once import energy_of


def without_told_parts(panels: Sequence[Panel]) -> list[Panel]:
    """Return panels without rows of channels that registers alone told, of points whose whole energy was measured.

    Two reads of each tariff within a gap would else take an hour out of it, on a grid of its own.
    """
    if len({bool(panel.reading_type.channel) for panel in panels}) < 2:  # noqa: PLR2004 - with a channel, and without
        return list(panels)
    measured = _measured(panels)
    found = []
    for panel in panels:
        whole = measured.get(energy_of(panel.reading_type), set()) if panel.reading_type.channel else set()
        parts = [row for row, point in enumerate(panel.points) if point in whole and _is_told(panel, row)]
        if not parts:
            found.append(panel)
        elif len(parts) < len(panel.points):
            found.append(panel.rows(np.setdiff1d(np.arange(len(panel.points)), parts)))
    return found


def _measured(panels: Sequence[Panel]) -> dict[ReadingType, set[str]]:
    """Return the usage points of which energy without a channel was measured, by what it is."""
    found: dict[ReadingType, set[str]] = defaultdict(set)
    for panel in panels:
        if not panel.reading_type.channel:
            known = (~panel.missing & ~q.of_register(panel.quality)).any(axis=1)
            found[energy_of(panel.reading_type)].update(panel.points[row] for row in np.flatnonzero(known).tolist())
    return found


def _is_told(panel: Panel, row: int) -> bool:
    """Tell whether a row has values, and each was told by register reads."""
    known = ~panel.missing[row]
    return bool(known.any() and q.of_register(panel.quality[row, known]).all())
