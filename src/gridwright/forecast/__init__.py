"""Forecast stage: what each usage point will use next, how sure we are, and how good such forecasts have been.

`serve` forecasts a panel by a ladder of models, `backtest` scores the models. Everything is plain numpy over all points
at once.
"""

from gridwright.forecast.backtest import backtest, backtest_all
from gridwright.forecast.historic_quantiles import HIST_QUANTILE_28D
from gridwright.forecast.ladder import LADDER
from gridwright.forecast.least_squares import LEAST_SQUARES
from gridwright.forecast.model import Fitted, Model, Prediction
from gridwright.forecast.rolling import rolling
from gridwright.forecast.seasonal_naive import SEASONAL_NAIVE_24, SEASONAL_NAIVE_168
from gridwright.forecast.serve import serve

__all__ = [
    "HIST_QUANTILE_28D",
    "LADDER",
    "LEAST_SQUARES",
    "SEASONAL_NAIVE_24",
    "SEASONAL_NAIVE_168",
    "Fitted",
    "Model",
    "Prediction",
    "backtest",
    "backtest_all",
    "rolling",
    "serve",
]
