"""What reads tell of an interval that reaches into the next grid counts once: less by what is known there."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.interval import epoch_s
from gridwright.domain.panel import Panel
from gridwright.vee.chains import rows_of
from gridwright.vee.runs import Floats, Index


def told_once(panels: Sequence[Panel], raw: Sequence[Panel]) -> list[Panel]:
    """Return estimated panels in which energy that reads told is less by what the next panel of its point holds of it.

    An hour that is told from a quarter to midnight on has three quarters beyond it, which a profile that begins at
    midnight holds, too; of a longer interval there its part. `raw`: the readings, which say what reads told. Panels
    without such a time are returned as they are.
    """
    made = list(panels)
    for places in rows_of(panels):
        for (at, row), (behind, other) in pairwise(places):
            panel, after = made[at], panels[behind]
            if panel.end <= after.start or not panel.reading_type.sums:
                continue
            slots = np.arange(max((after.start - panel.start) // panel.interval, 0), panel.slots)
            told = slots[_told(panel, row, slots, raw)]
            if told.size:
                values = panel.values.copy()
                values[row, told] = np.maximum(values[row, told] - _held(panel, told, after, other), 0.0)
                made[at] = panel.with_values(values)
    return made


def _told(panel: Panel, row: int, slots: Index, raw: Sequence[Panel]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Tell of which slots of a row reads told the energy."""
    found = np.zeros(slots.size, np.bool_)
    for each in raw:
        same = each.reading_type == panel.reading_type and each.interval == panel.interval
        if same and panel.points[row] in each.points and not (each.start - panel.start) % panel.interval:
            at = slots - (each.start - panel.start) // panel.interval
            inside = (at >= 0) & (at < each.slots)
            found[inside] |= q.of_register(each.quality[each.index(panel.points[row]), at[inside]])
    return found


def _held(panel: Panel, slots: Index, after: Panel, row: int) -> Floats:
    """Return what a row of another panel holds of the time of some slots, in whole counts; nothing where it lacks."""
    edges = epoch_s(after.start) + after.interval_s * np.arange(after.slots + 1)
    total = np.concatenate([[0.0], np.cumsum(np.nan_to_num(after.values[row]))])
    begin = epoch_s(panel.start) + panel.interval_s * slots
    until, since = (np.interp(at, edges, total) for at in (begin + panel.interval_s, begin))
    return np.asarray(np.rint(until - since))
