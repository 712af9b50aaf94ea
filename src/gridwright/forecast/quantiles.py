"""Quantiles of samples with gaps, and the laws every served quantile obeys: ordered, and not below zero."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gridwright.domain.forecast import LEVELS

Values = npt.NDArray[np.float64]


def sample_quantiles(sample: Values, levels: tuple[float, ...] = LEVELS) -> Values:
    """Return quantiles along the last axis, float64[..., levels]: linear (Hyndman-Fan 7), NaN left out.

    Where a sample holds no value at all, its quantiles are NaN.
    """
    if sample.shape[-1] == 0:
        return np.full((*sample.shape[:-1], len(levels)), np.nan)
    ordered = np.sort(sample, axis=-1)  # NaN sorts last
    last = np.count_nonzero(~np.isnan(ordered), axis=-1)[..., None] - 1
    position = np.maximum(last, 0) * np.asarray(levels)
    low = position.astype(np.intp)
    below = np.take_along_axis(ordered, low, axis=-1)
    above = np.take_along_axis(ordered, np.minimum(low + 1, np.maximum(last, 0)), axis=-1)
    quantiles: Values = below + (above - below) * (position - low)
    return quantiles


def symmetric_offsets(errors: Values) -> Values:
    """Return offsets, float64[..., 9], of quantiles around a point: errors are taken to be as likely high as low.

    The median's offset is exactly 0. Without any error the offsets are 0.
    """
    half = sample_quantiles(np.abs(errors), tuple(abs(2 * level - 1) for level in LEVELS))
    signs = np.sign(np.asarray(LEVELS) - 0.5)
    return np.nan_to_num(half) * np.where(np.isclose(signs, 0), 0.0, signs)


def lawful(quantiles: Values, floor: Values) -> Values:
    """Return the quantiles lifted to `floor` (float64[n], -inf where a point may export) and never crossing."""
    lifted = np.maximum(quantiles, floor[:, None, None])
    return np.maximum.accumulate(lifted, axis=-1)
