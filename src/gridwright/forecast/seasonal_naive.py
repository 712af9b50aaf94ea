"""Seasonal naive: what was used 24 h (or 168 h) ago is used again. The point baseline of every comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gridwright.forecast.history import MONTH, WEEK, History
from gridwright.forecast.model import Prediction, Values, blank_rows, whole_rows
from gridwright.forecast.quantiles import lawful, symmetric_offsets


@dataclass(frozen=True, slots=True)
class SeasonalNaive:
    """Repeat the last `season_days` days; 24 h lags in elapsed time, so the wall clock's jumps are not followed.

    It is a point forecast: its quantiles are the point ± the quantiles of its own absolute errors of the last 28
    days, so that a weighted quantile loss can be shown beside the others. The point is both median and mean.
    """

    season_days: int

    @property
    def name(self) -> str:
        """Name as it stands in forecasts and reports."""
        return f"seasonal_naive_{24 * self.season_days}"

    @property
    def needs(self) -> str:
        """What a point must have to be served."""
        return f"{24 * self.season_days} h of history and a trusted value in the last 28 days"

    def fit(self, history: History, issue: int, steps: int) -> FittedNaive:
        """Learn how far the repetition was off in the last 28 days, for each whole season ahead."""
        season = self.season_days * history.slots_per_day
        errors = [lag_errors(history, issue, season * (1 + ahead)) for ahead in range(-(-steps // season))]
        return FittedNaive(season, np.stack([symmetric_offsets(error) for error in errors], axis=1))


def lag_errors(history: History, issue: int, lag: int) -> Values:
    """Return trusted value − trusted value `lag` slots before, of the last 28 days, float64[n, ≤ 28 S]."""
    first = max(issue - MONTH * history.slots_per_day, min(lag, issue))
    return history.trusted[:, first:issue] - history.trusted[:, first - min(lag, first) : max(issue - lag, 0)]


@dataclass(frozen=True, slots=True, eq=False)
class FittedNaive:
    """The season in slots, and the quantiles' offsets float64[n, seasons ahead, 9]."""

    season: int
    offsets: Values
    coefficients: Mapping[str, Values] = field(default_factory=dict)

    def predict(self, history: History, issue: int, steps: int) -> Prediction:
        """Repeat the last season before `issue`."""
        at = np.arange(steps)
        point = history.window(issue, self.season)[:, at % self.season]
        floor = history.floor(issue)
        spread = self.offsets[:, np.minimum(at // self.season, self.offsets.shape[1] - 1)]
        alive = history.missing_share(issue)[:, 0] < 1
        return blank_rows(Prediction(lawful(point[:, :, None] + spread, floor), point), alive & whole_rows(point))


SEASONAL_NAIVE_24 = SeasonalNaive(1)
SEASONAL_NAIVE_168 = SeasonalNaive(WEEK)
