"""The linear model y = a₁x₁ + … + aₙxₙ + b, fitted by least squares for every usage point at once (3.4a)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.forecast.history import MONTH, MOST_MISSING, WEEK, History
from gridwright.forecast.model import Prediction, Values, blank_rows, nowhere, whole_rows
from gridwright.forecast.quantiles import lawful
from gridwright.forecast.residuals import Spread, learn_spread

TRAIN_DAYS = 182
FEWEST_ISSUES = 14
FEATURES = WEEK + 3
CELLS_AT_ONCE = 2_000_000
RIDGE = 1e-4


@dataclass(frozen=True, slots=True)
class LeastSquares:
    """Ten coefficients for each usage point and each day ahead, learnt on up to 26 weeks.

    x₁…x₇: the same time of day on the seven last known days; x₈: the last known value; x₉: the mean of the last known
    day; b: the intercept. Quantiles are the point ± the model's own errors, see `residuals`.
    """

    name: str = "ar"
    needs: str = f"{MONTH} days of history with at most {MOST_MISSING:.0%} missing"

    def fit(self, history: History, issue: int, steps: int) -> FittedLeastSquares:
        """Solve the normal equations of all points; blocks of points bound the memory."""
        day = history.slots_per_day
        ahead, days = -(-steps // day), min(TRAIN_DAYS, issue // day)
        if days < MONTH or days - WEEK - ahead < FEWEST_ISSUES:
            return FittedLeastSquares(np.full((len(history.trusted), ahead, FEATURES), np.nan), None)
        block = max(1, CELLS_AT_ONCE // (FEATURES * days * day))
        starts = range(0, max(len(history.trusted), 1), block)
        parts = [fit_block(history.rows(slice(first, first + block)), issue, days, ahead) for first in starts]
        return FittedLeastSquares(
            np.concatenate([weights for weights, _ in parts]), Spread.concat([spread for _, spread in parts])
        )


@dataclass(frozen=True, slots=True, eq=False)
class FittedLeastSquares:
    """`weights` float64[n, days ahead, 10], NaN where a point could not be fitted, and the spread of the errors."""

    weights: Values
    spread: Spread | None

    @property
    def coefficients(self) -> Mapping[str, Values]:
        """Name → float64[n]; a lag is named by its distance in days, another day ahead than the first by a prefix."""
        named = {}
        for ahead in range(self.weights.shape[1]):
            prefix = f"day_{ahead + 1}_" if ahead else ""
            lags = [f"lag_{ahead + 1 + k}d" for k in range(WEEK)]
            for at, name in enumerate([*lags, "last_value", "last_day_mean", "intercept"]):
                named[prefix + name] = self.weights[:, ahead, at]
        return named

    def predict(self, history: History, issue: int, steps: int) -> Prediction:
        """Apply the coefficients to the week before `issue`."""
        day, points = history.slots_per_day, len(history.trusted)
        if self.spread is None:
            return nowhere(points, steps)
        x = features(history.days(issue, WEEK))[:, :, 0]
        point = (self.weights @ x).reshape(points, -1)[:, :steps]
        floor = history.floor(issue)
        quantiles = lawful(self.spread.around(point, day), floor)
        enough = history.missing_share(issue)[:, 0] <= MOST_MISSING
        mean = np.maximum(point, floor[:, None])
        silent = history.silent(issue, steps)
        quantiles[silent], mean[silent] = 0.0, 0.0
        return blank_rows(Prediction(quantiles, mean), enough & whole_rows(mean))


def features(days: Values) -> Values:
    """Return x₁…x₉ and 1 for an issue after each full week of `days`, float64[n, K, S]: float64[n, 10, K − 6, S]."""
    points, many, slots = days.shape
    issues = many - WEEK + 1
    x = np.empty((points, FEATURES, issues, slots))
    for lag in range(WEEK):
        x[:, lag] = days[:, WEEK - 1 - lag : many - lag]
    last_day = days[:, WEEK - 1 :]
    x[:, WEEK] = last_day[:, :, -1:]
    x[:, WEEK + 1] = last_day.mean(axis=2, keepdims=True)
    x[:, WEEK + 2] = 1.0
    return x


def fit_block(history: History, issue: int, days: int, ahead: int) -> tuple[Values, Spread]:
    """Fit some points: weights float64[n, ahead, 10] and the spread of their errors."""
    past = history.days(issue, days)
    scale = mean_size(past)
    x = features(past[:, : days - ahead] / scale[:, None, None])
    issues = x.shape[2]
    trusted = history.trusted_days(issue, days) / scale[:, None, None]
    starts = issue - history.slots_per_day * np.arange(issues + ahead - 1, ahead - 1, -1)
    usable = ~np.isnan(x).any(axis=1) & (history.missing_share(starts) <= MOST_MISSING)[:, :, None]
    fits = [solve(x, trusted[:, WEEK + day : WEEK + day + issues], usable) for day in range(ahead)]
    weights = np.stack([weight for weight, _ in fits], axis=1)
    weights[:, :, -1] *= scale[:, None]
    spread = Spread.stack([spread for _, spread in fits])
    return weights, Spread(spread.edges * scale[:, None, None, None], spread.offsets * scale[:, None, None, None, None])


def mean_size(values: Values) -> Values:
    """Return the mean absolute value of each point, float64[n]; 1 where it has none, so that it can be divided by."""
    known = ~np.isnan(values)
    size = np.where(known, np.abs(values), 0.0).sum(axis=(1, 2)) / np.maximum(known.sum(axis=(1, 2)), 1)
    return np.where(size > 0, size, 1.0)


def solve(x: Values, target: Values, usable: npt.NDArray[np.bool_]) -> tuple[Values, Spread]:
    """Solve (XᵀX + ridge) a = Xᵀy of every point: weights float64[n, 10] (NaN with too few rows) and the spread."""
    points, wide, issues, slots = x.shape
    rows = usable & ~np.isnan(target)
    whole = bool(rows.all())
    weighed = (x if whole else np.where(rows[:, None], x, 0.0)).reshape(points, wide, -1)
    y = (target if whole else np.where(rows, target, 0.0)).reshape(points, -1, 1)
    gram = weighed @ weighed.transpose(0, 2, 1)
    ridge = RIDGE * np.trace(gram, axis1=1, axis2=2) / wide + 1e-6
    weights = np.linalg.solve(gram + ridge[:, None, None] * np.eye(wide), weighed @ y)[:, :, 0]
    fitted = (weights[:, None] @ weighed).reshape(points, issues, slots)
    errors = target - fitted if whole else np.where(rows, target - fitted, np.nan)
    weights[np.count_nonzero(rows, axis=(1, 2)) < FEWEST_ISSUES * slots] = np.nan
    return weights, learn_spread(fitted, errors)


LEAST_SQUARES = LeastSquares()
