"""How long each interval is where rows tell their beginning or their end alone, and the length changes on the way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gridwright.domain.interval import DAY_S

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

LONG_RUN = 8  # equal steps in a row that gaps do not make
MOST = 8  # lengths in one file
FEW = 2  # equal steps at the edge of what is looked at, where the rest of a long run is out of sight


def usual_lengths(steps: Ints) -> dict[int, int]:
    """Return the lengths of which a long run of steps tells, with the longest run of each."""
    edges = np.flatnonzero(np.r_[True, steps[1:] != steps[:-1], True])
    runs, told = np.diff(edges), steps[edges[:-1]] if steps.size else steps
    found: dict[int, int] = {}
    for run, length in zip(runs.tolist(), told.tolist(), strict=True):
        if run >= LONG_RUN and 0 < length <= DAY_S and DAY_S % length == 0:
            found[length] = max(run, found.get(length, 0))
    return found if len(found) <= MOST else {}


def stretch_lengths(
    points: npt.NDArray[np.int32], at: Ints, usable: Mask, lengths: Sequence[int], *, closing: bool
) -> Ints:
    """Return the length of each usable row, 0 where it stands between two stretches and may be of either.

    `lengths`: those that occur, the usual one first. `closing`: stamps close their interval.
    """
    rows = np.flatnonzero(usable)
    order = rows[np.lexsort((at[rows], points[rows]))]
    point, moment = points[order], at[order]
    distinct = np.r_[True, (point[1:] != point[:-1]) | (moment[1:] != moment[:-1])][: order.size]
    which = np.cumsum(distinct) - 1
    point, moment = point[distinct], moment[distinct]
    step = np.where(point[1:] == point[:-1], np.diff(moment), 0)  # 0 parts one usage point from the next
    label = np.r_[0, _labels(step, lengths), 0]
    of_step = np.r_[0, step, 0]
    before, after = (label[:-1], of_step[:-1] > 0), (label[1:], of_step[1:] > 0)
    (near, has_near), (far, has_far) = (before, after) if closing else (after, before)
    chosen = np.where(has_near, near, np.where(has_far, far, lengths[0]))
    found = np.zeros(at.size, np.int64)
    found[order] = chosen[which] if order.size else 0
    return found


def _labels(step: Ints, lengths: Sequence[int]) -> Ints:
    """Return the length that each step tells: that of its run, or of the runs around it where they agree."""
    edges = np.flatnonzero(np.r_[True, step[1:] != step[:-1], True]) if step.size else np.zeros(1, np.int64)
    size, told = np.diff(edges), step[edges[:-1]]
    border = told == 0
    edge = np.r_[True, border[:-1]][: told.size] | np.r_[border[1:], True][: told.size]
    clear = np.isin(told, lengths) & ((size >= LONG_RUN) | (edge & (size >= FEW)))
    group = np.cumsum(border)
    label = np.where(clear, told, _around(told, clear, group, lengths[0]))
    return np.repeat(label, size)


def _around(told: Ints, clear: Mask, group: Ints, usual: int) -> Ints:
    """Return for each run the length of the clear ones before and behind it; 0 where they differ."""
    place = np.arange(told.size)
    last = np.maximum.accumulate(np.where(clear, place, -1)) if told.size else place
    following = np.minimum.accumulate(np.where(clear, place, told.size)[::-1])[::-1] if told.size else place
    sides = []
    for side in (last, following):
        inside = (side >= 0) & (side < told.size)
        safe = np.where(inside, side, 0)
        sides.append(np.where(inside & (group[safe] == group), told[safe], 0) if told.size else told)
    before, behind = sides
    alone = np.where(before == 0, behind, before)
    agreed = np.where((before == 0) | (behind == 0) | (before == behind), alone, 0)
    return np.where((before == 0) & (behind == 0), usual, agreed)
