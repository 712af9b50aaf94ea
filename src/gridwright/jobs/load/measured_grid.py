"""A few lost days are estimated on the grid of the days beside them, whatever the reads of a register lie on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.edit import Edit
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel, slot_time
from gridwright.vee.chains import Place, rows_of
from gridwright.vee.runs import Index

FEW = timedelta(days=8)
MOST_TOLD = 0.5  # of the time: of more, the reads say more than estimates do


def on_measured_grid(panels: Sequence[Panel], edits: Sequence[Edit] = ()) -> list[Panel]:
    """Return panels without what little reads alone tell, on another grid, between days that were measured on one.

    The reads close the gap that this leaves, so that no energy goes, and its estimates follow the days beside it:
    two reads twenty minutes apart on a lost day of quarter-hours tell nothing of the other seventy intervals. Where
    the grid changes meanwhile they have that of the days before. Where people agreed on values within it, the days
    keep the grid of these.
    """
    gone: dict[int, set[int]] = defaultdict(set)
    joined = []
    for places in rows_of(panels):
        for first, last, end in _around_told(panels, places, edits):
            for at, row in places[first : last + 1]:
                gone[at].add(row)
            joined.append(_together(panels, places[first : last + 1], end))
    if not joined:
        return list(panels)
    return [*(part for at, panel in enumerate(panels) for part in _without(panel, gone[at])), *joined]


def _around_told(
    panels: Sequence[Panel], places: Sequence[Place], edits: Sequence[Edit]
) -> Iterator[tuple[int, int, datetime]]:
    """Yield the first and the last of the rows that are to be one, those within told by reads alone; and their end."""
    rows = [_Row(panels[at], row) for at, row in places]
    measured = [place for place, each in enumerate(rows) if each.measured.size]
    begun: tuple[int, int] | None = None
    for before, after in pairwise(measured):
        first, last, panel = begun[0] if begun else before, begun[1] if begun else before, rows[after].panel
        if after > before + 1 and _is_one(rows[before : after + 1], edits):
            if panel.interval == rows[before].panel.interval:
                begun = first, after
                continue
            yield first, after - 1, panel.start
        elif begun:
            yield first, last, rows[last].panel.end
        begun = None
    if begun:
        yield *begun, rows[begun[1]].panel.end


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    """A row of a panel."""

    panel: Panel
    row: int

    @property
    def measured(self) -> Index:
        """The slots that were measured, which reads of a register tell nobody."""
        return np.flatnonzero(~self.panel.missing[self.row] & ~q.of_register(self.panel.quality[self.row]))

    def is_of(self, edit: Edit) -> bool:
        """Tell whether an edit is one of this series."""
        same = edit.reading_type.finer(0) == self.panel.reading_type.finer(0)
        return same and edit.usage_point == self.panel.points[self.row]

    @property
    def told(self) -> timedelta:
        """How long is told in all."""
        return self.panel.interval * int((~self.panel.missing[self.row]).sum())


def _is_one(rows: Sequence[_Row], edits: Sequence[Edit]) -> bool:
    """Tell whether the last row begins on the grid of the first, a few days behind, and the others are to be on it.

    They are where they tell little, unless an edit says otherwise: it fits its own grid alone.
    """
    before, after = rows[0].panel, rows[-1].panel
    lost = slot_time(after, int(rows[-1].measured[0])) - slot_time(before, int(rows[0].measured[-1]) + 1)
    on_grid = not (after.start - before.start) % before.interval
    if not on_grid or before.end > after.start or lost > FEW:
        return False
    told = Interval(rows[1].panel.start, rows[-2].panel.end)
    agreed = [each for each in edits if each.period.overlaps(told) and rows[0].is_of(each)]
    if agreed:
        return all(each.interval == before.interval for each in agreed)
    return sum((each.told for each in rows[1:-1]), timedelta(0)) < MOST_TOLD * lost


def _together(panels: Sequence[Panel], places: Sequence[Place], end: datetime) -> Panel:
    """Return rows that were measured on one grid as one, up to `end`; what lies between them is missing."""
    parts = [panels[at].rows([row]) for at, row in places]
    whole = parts[0].regrid(Interval(parts[0].start, end))
    for part in parts[1:]:
        if part.interval == whole.interval and not (part.start - whole.start) % whole.interval:
            at = slice((part.start - whole.start) // whole.interval, None)
            whole.values[:, at][:, : part.slots] = part.values
            whole.quality[:, at][:, : part.slots] = part.quality
    return whole


def _without(panel: Panel, rows: Collection[int]) -> list[Panel]:
    kept = [row for row in range(len(panel.points)) if row not in rows]
    return [panel if not rows else panel.rows(kept)] if kept else []
