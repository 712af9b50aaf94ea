"""The seam between the ladder and its rungs: a model is fitted once and predicts from any later issue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from gridwright.domain.forecast import LEVELS
from gridwright.forecast.history import History

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Quantiles float64[n, steps, 9] and mean float64[n, steps]; a whole row is NaN where the model cannot serve."""

    quantiles: Values
    mean: Values

    @property
    def served(self) -> npt.NDArray[np.bool_]:
        """Which points have a forecast, bool[n]."""
        return whole_rows(self.mean)

    def after(self, lead: int) -> Prediction:
        """Return the prediction without its first `lead` steps."""
        return Prediction(self.quantiles[:, lead:], self.mean[:, lead:]) if lead else self

    def over(self, below: Prediction) -> Prediction:
        """Return this prediction, and `below` for the points that it does not serve."""
        mine = self.served
        if mine.all():
            return self
        return Prediction(
            np.where(mine[:, None, None], self.quantiles, below.quantiles),
            np.where(mine[:, None], self.mean, below.mean),
        )


class Fitted(Protocol):
    """A model that has seen the values before its fit and nothing later."""

    @property
    def coefficients(self) -> Mapping[str, Values]:
        """Name → float64[n] of the coefficients that explain the model; empty where there are none."""
        ...

    def predict(self, history: History, issue: int, steps: int) -> Prediction:
        """Forecast `steps` slots from slot `issue` on, looking only at what lies before it."""
        ...


class Model(Protocol):
    """One rung of the ladder."""

    @property
    def name(self) -> str:
        """Name as it stands in forecasts and reports."""
        ...

    @property
    def needs(self) -> str:
        """What a point must have to be served, for notes and errors."""
        ...

    def fit(self, history: History, issue: int, steps: int) -> Fitted:
        """Learn from the values before slot `issue` to forecast `steps` slots ahead; no target reaches `issue`."""
        ...


def whole_rows(values: Values) -> npt.NDArray[np.bool_]:
    """Tell which rows hold a value in every column, bool[n]."""
    whole: npt.NDArray[np.bool_] = np.count_nonzero(np.isnan(values), axis=1) == 0
    return whole


def repeat_days(day: Values, steps: int) -> Values:
    """Repeat float64[n, S, ...], the values of one day, to float64[n, steps, ...]."""
    return day[:, np.arange(steps) % day.shape[1]]


def blank_rows(prediction: Prediction, keep: npt.NDArray[np.bool_]) -> Prediction:
    """Return the prediction with NaN in the rows that `keep` does not name."""
    if keep.all():
        return prediction
    prediction.quantiles[~keep] = np.nan
    prediction.mean[~keep] = np.nan
    return prediction


def nowhere(points: int, steps: int) -> Prediction:
    """Return a prediction that serves no point."""
    return Prediction(np.full((points, steps, len(LEVELS)), np.nan), np.full((points, steps), np.nan))
