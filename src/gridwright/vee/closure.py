"""E08: scale estimates so that intervals and registers agree to the last count."""

from __future__ import annotations

import numpy as np

from gridwright.vee.runs import Floats, Index


def close_to(shape: Floats, segment: Index, residual: Floats) -> Floats:
    """Scale `shape[i]` (>= 0) of each segment to its whole-number `residual[segment[i]]` (>= 0), in whole counts.

    A shape of zeros is split equally. Fractions are cut, and the counts left over go to the largest remainders, so
    that each segment sums to its residual exactly (meter-to-cash reference A4, integer closure).

    >>> close_to(np.array([13.25, 16.5, 19.75]), np.zeros(3, int), np.array([89.0]))
    array([24., 30., 35.])
    """
    count = residual.size
    total = np.bincount(segment, shape, count)
    number = np.bincount(segment, minlength=count)
    # Relative to the segment's total first: a tiny total must not overflow the factor.
    equal = 1.0 / np.maximum(number, 1)
    share = np.where(total[segment] > 0, shape / np.where(total > 0, total, 1.0)[segment], equal[segment])
    return whole_counts(share * residual[segment], segment, residual)


def shift_to(shape: Floats, segment: Index, residual: Floats) -> Floats:
    """Move the `shape` of each segment by an equal amount to its `residual`, in whole counts; for signed values."""
    count = residual.size
    number = np.maximum(np.bincount(segment, minlength=count), 1)
    off = (residual - np.bincount(segment, shape, count)) / number
    return whole_counts(shape + off[segment], segment, residual)


def whole_counts(values: Floats, segment: Index, residual: Floats) -> Floats:
    """Round `values` to whole counts that sum to `residual` in each segment, by largest remainders."""
    result = np.floor(values)
    order = np.lexsort((result - values, segment))
    number = np.bincount(segment, minlength=residual.size)
    begins = np.cumsum(number) - number
    rank = np.arange(values.size) - begins[segment[order]]
    left = residual - np.bincount(segment, result, residual.size)
    # Rounding errors of the shares may leave a whole round more or less; divmod spreads any number.
    each, extra = np.divmod(left, np.maximum(number, 1))
    result[order] += each[segment[order]] + (rank < extra[segment[order]])
    return result
