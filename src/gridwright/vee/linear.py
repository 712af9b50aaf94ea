"""E02: a straight line between the values on both sides of a short gap."""

from __future__ import annotations

import numpy as np

from gridwright.vee.runs import Floats, Index, Mask, Runs


def end_points(known: Floats, outage: Mask, runs: Runs, reach: int) -> tuple[Floats, Floats]:
    """Return the values left and right of each run, NaN where there is none.

    An interval in an outage is no end point: the next one beyond the outage stands in, up to `reach` slots away.
    """
    slots = known.shape[1]
    left, right = runs.first - 1, runs.last.copy()
    for _ in range(min(reach, slots)):
        dark_left = (left >= 0) & outage[runs.row, np.maximum(left, 0)]
        dark_right = (right < slots) & outage[runs.row, np.minimum(right, slots - 1)]
        if not (dark_left.any() or dark_right.any()):
            break
        left, right = left - dark_left, right + dark_right
    return _value(known, runs.row, left), _value(known, runs.row, right)


def _value(known: Floats, row: Index, slot: Index) -> Floats:
    inside = (slot >= 0) & (slot < known.shape[1])
    return np.where(inside, known[row, np.clip(slot, 0, known.shape[1] - 1)], np.nan)


def straight_lines(runs: Runs, left: Floats, right: Floats) -> Floats:
    """Return x[k] = L + k / (n + 1) · (R - L) for the slots k = 1 .. n of each run, one after the other.

    With one end point the line is flat at it; with none it is NaN.
    """
    first = np.where(np.isnan(left), right, left)
    last = np.where(np.isnan(right), left, right)
    length = runs.length
    begins = np.cumsum(length) - length
    step = np.arange(int(length.sum())) - np.repeat(begins, length) + 1
    rise = (last - first) / (length + 1)
    return np.repeat(first, length) + step * np.repeat(rise, length)
