"""How good a forecast was: the measures of the forecasting reference, 3.12, added up over rolling origins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from gridwright.domain.forecast import LEVELS, MEDIAN, Scores
from gridwright.forecast.model import Prediction, Values


@dataclass(frozen=True, slots=True, eq=False)
class NaiveErrors:
    """Running sums of the in-sample seasonal-naive error, each float64[n, slots + 1]: |d|, d² and pairs so far."""

    absolute: Values
    squared: Values
    pairs: Values

    def scale(self, issue: int) -> Values:
        """Return s, the mean |y_t − y_{t−S}| over all t < issue, float64[n]; 0 for a flat meter, NaN without pairs."""
        return ratio(self.absolute[:, issue], self.pairs[:, issue])

    def squared_scale(self, issue: int) -> Values:
        """Return the mean squared difference over all t < issue, float64[n]."""
        return ratio(self.squared[:, issue], self.pairs[:, issue])


def naive_errors(trusted: Values, day: int) -> NaiveErrors:
    """Add up the differences to the value 24 h before, where both can be trusted."""
    difference = np.full_like(trusted, np.nan)
    difference[:, day:] = trusted[:, day:] - trusted[:, :-day]
    return NaiveErrors(
        running_sum(np.abs(difference)), running_sum(difference**2), running_sum(1.0 - np.isnan(difference))
    )


def running_sum(values: Values) -> Values:
    """Return the sum of all values before each slot, float64[n, slots + 1]; NaN counts as 0."""
    sums = np.zeros((len(values), values.shape[1] + 1))
    np.cumsum(np.nan_to_num(values), axis=1, out=sums[:, 1:])
    return sums


def ratio(part: Values, whole: Values) -> Values:
    """Divide, NaN where `whole` is 0."""
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Sums per usage point over issues and steps, each float64[n].

    `steps` were scored, `scaled` of them with s > 0; of the `origins`, `own` were served by the model itself and the
    others by the rung below it.
    """

    origins: Values
    own: Values
    steps: Values
    actual: Values
    absolute: Values
    pinball: Values
    covered: Values
    scaled: Values
    scaled_absolute: Values
    scaled_squared: Values

    def columns(self) -> list[Values]:
        """Return every sum, in order."""
        return [getattr(self, one.name) for one in fields(self)]

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(mine + theirs for mine, theirs in zip(self.columns(), other.columns(), strict=True)))

    def rows(self, which: npt.NDArray[np.intp]) -> Tally:
        """Return the sums of some points, in that order."""
        return Tally(*(column[which] for column in self.columns()))


def concat(parts: Sequence[Tally]) -> Tally:
    """Join the sums of several blocks of points."""
    return Tally(*map(np.concatenate, zip(*(part.columns() for part in parts), strict=True)))


def mixed(parts: Sequence[Tally], which: npt.NDArray[np.intp]) -> Tally:
    """Take each point's sums from the part that `which` int[n] names: those of the models that serve."""
    every = np.arange(which.size)
    columns = zip(*(part.columns() for part in parts), strict=True)
    return Tally(*(np.stack(several)[which, every] for several in columns))


def tally(actual: Values, prediction: Prediction, naive: NaiveErrors, issue: int, own: npt.NDArray[np.bool_]) -> Tally:
    """Score one issue: actual float64[n, H], NaN where not measured; `own` marks points the model served itself."""
    error = actual[:, :, None] - prediction.quantiles
    known: npt.NDArray[np.bool_] = np.count_nonzero(np.isnan(error), axis=2) == 0
    levels = np.asarray(LEVELS)
    pinball = np.maximum(levels * error, (levels - 1) * error).mean(axis=2)
    absolute = np.abs(error[:, :, MEDIAN])
    covered = (error[:, :, 0] >= 0) & (error[:, :, -1] <= 0)
    scale, squared_scale = naive.scale(issue), naive.squared_scale(issue)
    usable = known & (scale > 0)[:, None]
    safe, safe_squared = (np.where(s > 0, s, 1.0)[:, None] for s in (scale, squared_scale))
    return Tally(
        origins=np.ones(len(actual)),
        own=own.astype(np.float64),
        steps=total(np.ones_like(actual), known),
        actual=total(np.abs(actual), known),
        absolute=total(absolute, known),
        pinball=total(pinball, known),
        covered=total(covered, known),
        scaled=total(np.ones_like(actual), usable),
        scaled_absolute=total(absolute / safe, usable),
        scaled_squared=total((actual - prediction.mean) ** 2 / safe_squared, usable),
    )


def total(values: Values | npt.NDArray[np.bool_], where: npt.NDArray[np.bool_]) -> Values:
    """Sum each row over the chosen steps."""
    sums: Values = np.where(where, values, 0.0).sum(axis=1)
    return sums


def wql(sums: Tally) -> Values:
    """Return each point's weighted quantile loss, float64[n]; NaN where nothing was used or scored."""
    return ratio(2 * sums.pinball, sums.actual)


def point_scores(sums: Tally) -> tuple[Scores, ...]:
    """Return the scores of each usage point."""
    measures = (
        ratio(sums.scaled_absolute, sums.scaled),
        ratio(sums.absolute, sums.actual),
        wql(sums),
        ratio(sums.covered, sums.steps),
        np.sqrt(ratio(sums.scaled_squared, sums.scaled)),
    )
    rows = zip(*(column.tolist() for column in measures), strict=True)
    counts = zip(sums.origins.astype(int).tolist(), sums.steps.astype(int).tolist(), strict=True)
    return tuple(
        Scores(mase=mase, wape=wape, wql=loss, coverage_80=coverage, rmsse=rmsse, origins=origins, scored=scored)
        for (mase, wape, loss, coverage, rmsse), (origins, scored) in zip(rows, counts, strict=True)
    )


def pooled_scores(sums: Tally) -> Scores:
    """Return the scores over all points: sums are pooled, RMSSE is the mean of the points' own."""
    pooled = point_scores(Tally(*(column.sum(keepdims=True) for column in sums.columns())))[0]
    own = np.sqrt(ratio(sums.scaled_squared, sums.scaled)[sums.scaled > 0])
    rmsse = float(own.mean()) if own.size else float("nan")
    return replace(pooled, rmsse=rmsse, origins=int(sums.origins.max(initial=0)))
