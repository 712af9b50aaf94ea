"""Forecast: what will be used, how sure we are, which model says so and what it knew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import DELIVERED_ENERGY, ReadingType

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
MEDIAN = LEVELS.index(0.5)


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """Values for n usage points × H steps from `start` on, issued with what was known at `known_until`.

    `quantiles`: float64[n, H, 9] at LEVELS, `mean`: float64[n, H], both in counts of the reading type's resolution.
    `models`: the model that serves each point. `coefficients`: name → float64[n], for the models that have them.
    Medians serve MASE and WAPE; the mean serves sums and dispatch (medians must not be added up).
    """

    points: tuple[str, ...]
    start: datetime
    interval: timedelta
    quantiles: npt.NDArray[np.float64]
    mean: npt.NDArray[np.float64]
    models: tuple[str, ...]
    known_until: datetime
    reading_type: ReadingType = DELIVERED_ENERGY
    coefficients: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def steps(self) -> int:
        """Number of intervals forecast."""
        return int(self.mean.shape[1])

    @property
    def period(self) -> Interval:
        """Period the forecast covers."""
        return Interval(self.start, self.start + self.interval * self.steps)

    @property
    def median(self) -> npt.NDArray[np.float64]:
        """The 0.5 quantile, float64[n, H]."""
        return self.quantiles[:, :, MEDIAN]

    def row(self, at: int) -> Forecast:
        """Return the forecast of one usage point."""
        one = slice(at, at + 1)
        return replace(
            self,
            points=self.points[one],
            quantiles=self.quantiles[one],
            mean=self.mean[one],
            models=self.models[one],
            coefficients={name: values[one] for name, values in self.coefficients.items()},
        )

    def kw(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Convert counts to mean kW over an interval."""
        power: npt.NDArray[np.float64] = self.kwh(values) / (self.interval / timedelta(hours=1))
        return power

    def kwh(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Convert counts to kWh."""
        return values / 10.0 ** (3 - self.reading_type.exponent)


@dataclass(frozen=True, slots=True)
class Scores:
    """Accuracy over a rolling-origin backtest (forecasting reference 3.12); NaN where it cannot be computed.

    `mase` scales by the in-sample seasonal-naive error, `wql` is the weighted quantile loss over LEVELS,
    `coverage_80` the share of actuals within the 0.1-0.9 quantiles.
    """

    mase: float
    wape: float
    wql: float
    coverage_80: float
    rmsse: float = float("nan")
    origins: int = 0
    scored: int = 0


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """Scores of every model of the ladder, pooled and per usage point, and what it cost to get them.

    `served`: the model that won each point; `pooled_served`: the scores over all points, each by the model it won.
    """

    points: tuple[str, ...]
    pooled: Mapping[str, Scores]
    per_point: Mapping[str, tuple[Scores, ...]]
    served: tuple[str, ...]
    pooled_served: Scores
    fit_s: Mapping[str, float]
    predict_s: Mapping[str, float]
    origins: tuple[datetime, ...]
    horizon: timedelta
    notes: tuple[str, ...] = ()
