"""How far a point forecast is usually off, learnt from its own errors: by time of day and by how much it forecasts.

A home's errors grow with the level of its forecast and lean to the high side when the level is low; so the errors are
kept in cells, four times of day × six levels of equal weight, and each cell has its own quantiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.forecast.quantiles import sample_quantiles

Values = npt.NDArray[np.float64]

PARTS_OF_DAY = 4
LEVEL_BINS = 6


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """Cells of one model: `edges` float64[n, ahead, parts, bins − 1], `offsets` float64[n, ahead, parts, bins, 9]."""

    edges: Values
    offsets: Values

    def around(self, point: Values, day: int) -> Values:
        """Return quantiles float64[n, steps, 9] around `point`, float64[n, steps]; `day` slots make 24 h."""
        points, steps = point.shape
        at = np.arange(steps)
        ahead = np.minimum(at // day, self.edges.shape[1] - 1)
        part = (at % day) * self.edges.shape[2] // day
        level = np.count_nonzero(point[:, :, None] > self.edges[:, ahead, part], axis=2)
        rows = np.arange(points)[:, None]
        quantiles: Values = point[:, :, None] + self.offsets[rows, ahead, part, level]
        return quantiles

    @staticmethod
    def concat(parts: Sequence[Spread]) -> Spread:
        """Join the cells of several blocks of points."""
        return Spread(np.concatenate([one.edges for one in parts]), np.concatenate([one.offsets for one in parts]))

    @staticmethod
    def stack(aheads: Sequence[Spread]) -> Spread:
        """Join the cells of several days ahead."""
        return Spread(
            np.concatenate([one.edges for one in aheads], axis=1),
            np.concatenate([one.offsets for one in aheads], axis=1),
        )


def parts_of_day(slots: int) -> int:
    """Return into how many parts of equal length a day of `slots` is cut."""
    return PARTS_OF_DAY if slots % PARTS_OF_DAY == 0 else 1


def learn_spread(fitted: Values, errors: Values) -> Spread:
    """Learn the cells of one day ahead from fitted values and errors, float64[n, issues, S]; NaN is left out."""
    points, issues, slots = fitted.shape
    parts = parts_of_day(slots)
    shape = (points, issues, parts, slots // parts)
    level = np.where(np.isnan(errors), np.nan, fitted).reshape(shape).transpose(0, 2, 1, 3).reshape(points, parts, -1)
    error = errors.reshape(shape).transpose(0, 2, 1, 3).reshape(points, parts, -1)
    order = np.argsort(level, axis=2)  # NaN sorts last
    count = np.count_nonzero(~np.isnan(level), axis=2)[:, :, None]
    first = np.arange(LEVEL_BINS + 1) * count // LEVEL_BINS
    edges = np.take_along_axis(level, np.take_along_axis(order, at_most(first[:, :, 1:-1], order), axis=2), axis=2)
    slot = first[:, :, :-1, None] + np.arange(-(-order.shape[2] // LEVEL_BINS))
    inside = slot < first[:, :, 1:, None]
    chosen = np.take_along_axis(order, at_most(slot, order).reshape(points, parts, -1), axis=2)
    sample = np.where(inside, np.take_along_axis(error, chosen, axis=2).reshape(slot.shape), np.nan)
    offsets = np.nan_to_num(sample_quantiles(sample))
    return Spread(edges[:, None], offsets[:, None])


def at_most(index: npt.NDArray[np.intp], order: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Keep an index within the last axis of `order`."""
    inside: npt.NDArray[np.intp] = np.minimum(index, order.shape[2] - 1)
    return inside
