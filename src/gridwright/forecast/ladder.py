"""Which model serves a point: a ladder on which a rung must earn its place (forecasting reference 3.6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from gridwright.forecast.historic_quantiles import HIST_QUANTILE_28D
from gridwright.forecast.least_squares import LEAST_SQUARES
from gridwright.forecast.metrics import Tally, wql
from gridwright.forecast.model import Model
from gridwright.forecast.seasonal_naive import SEASONAL_NAIVE_24, SEASONAL_NAIVE_168

LADDER: tuple[Model, ...] = (SEASONAL_NAIVE_24, SEASONAL_NAIVE_168, HIST_QUANTILE_28D, LEAST_SQUARES)
MUST_WIN_BY = 0.01
FEWEST_DAYS = 7


def choose(models: Sequence[Model], windows: Sequence[Mapping[str, Tally]]) -> npt.NDArray[np.intp]:
    """Return the rung that serves each point, int[n]: the highest that beats what serves below it by 1 % of WQL.

    It must win in every window. A point with fewer than 7 scored days in all, or that used nothing in a window, gives
    no evidence: historic quantiles serve it.
    """
    lowest = models[0].name
    rung = np.zeros(len(windows[0][lowest].origins), np.intp)
    best = np.stack([wql(sums[lowest]) for sums in windows])
    for at, model in enumerate(models[1:], start=1):
        loss = np.stack([wql(sums[model.name]) for sums in windows])
        own = sum(sums[model.name].own for sums in windows)
        # NaN never wins; a rung that never served the point itself would only repeat the rung below.
        wins = (loss <= (1 - MUST_WIN_BY) * best).all(axis=0) & (own > 0)
        rung[wins], best[:, wins] = at, loss[:, wins]
    days = sum(sums[lowest].origins for sums in windows)
    blind = np.isnan(best).any(axis=0) | (days < FEWEST_DAYS)
    rung[blind] = without_evidence(models)
    return rung


def without_evidence(models: Sequence[Model]) -> int:
    """Return the rung that serves where nothing can be compared: historic quantiles, else the lowest."""
    names = [model.name for model in models]
    return names.index(HIST_QUANTILE_28D.name) if HIST_QUANTILE_28D.name in names else 0
