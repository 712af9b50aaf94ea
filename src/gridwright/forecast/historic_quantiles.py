"""Historic quantiles: the spread of the last 28 days at the same time of day. The probabilistic baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gridwright.forecast.history import MONTH, History
from gridwright.forecast.model import Prediction, Values, blank_rows, repeat_days
from gridwright.forecast.quantiles import lawful, sample_quantiles

FEWEST_DAYS = 3


@dataclass(frozen=True, slots=True)
class HistoricQuantiles:
    """Quantiles and mean of the trusted values at the same time of day (24 h lags) over the last 28 days.

    With a shorter past it uses the days there are, from three on at every time of day.
    """

    name: str = "hist_quantile_28d"
    needs: str = f"{FEWEST_DAYS} days of trusted values at every time of day in the last {MONTH} days"

    def fit(self, history: History, issue: int, steps: int) -> FittedHistoric:  # noqa: ARG002 - nothing is learnt
        """Return the model as it is: it reads its window anew at every issue."""
        return FittedHistoric()


@dataclass(frozen=True, slots=True, eq=False)
class FittedHistoric:
    """A model without parameters."""

    coefficients: Mapping[str, Values] = field(default_factory=dict)

    def predict(self, history: History, issue: int, steps: int) -> Prediction:
        """Read the quantiles of the 28 days before `issue`."""
        sample = np.ascontiguousarray(history.trusted_days(issue, MONTH).transpose(0, 2, 1))
        days = np.count_nonzero(~np.isnan(sample), axis=2)
        mean = np.nansum(sample, axis=2) / np.maximum(days, 1)
        quantiles = lawful(sample_quantiles(sample), history.floor(issue))
        prediction = Prediction(repeat_days(quantiles, steps), repeat_days(mean, steps))
        return blank_rows(prediction, days.min(axis=1) >= FEWEST_DAYS)


HIST_QUANTILE_28D = HistoricQuantiles()
