"""When energy is used: the days × wall-clock heat map, and the typical day by kind of day and season."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from gridwright.domain.calendar import date_of
from gridwright.domain.panel import Panel, Values

SATURDAY = 5
LEVELS = (0.1, 0.5, 0.9)
# Named by their months: winter is not the same everywhere.
SEASONS = {"Dec-Feb": (12, 1, 2), "Mar-May": (3, 4, 5), "Jun-Aug": (6, 7, 8), "Sep-Nov": (9, 10, 11)}


@dataclass(frozen=True, slots=True, eq=False)
class HeatMap:
    """Mean kW by local day and wall-clock slot, float64[days, slots a day], days without a hole from `first` on.

    NaN: no value, or no such time (the hour skipped in spring). The hour repeated in autumn shows the mean of both
    passes: use totals, not this, for energy.
    """

    first: date
    kw: Values

    @property
    def weekday(self) -> npt.NDArray[np.int64]:
        """Weekday of each row, 0 = Monday."""
        return (self.first.weekday() + np.arange(self.kw.shape[0])) % 7

    @property
    def month(self) -> npt.NDArray[np.int64]:
        """Month of each row, 1-12."""
        days = np.datetime64(self.first) + np.arange(self.kw.shape[0])
        return days.astype("datetime64[M]").astype(np.int64) % 12 + 1


@dataclass(frozen=True, slots=True, eq=False)
class DayShape:
    """A typical day in kW by wall-clock slot: mean, median, and the band that holds four days of five."""

    mean: Values
    median: Values
    low: Values
    high: Values
    days: int


@dataclass(frozen=True, slots=True, eq=False)
class LoadProfile:
    """Typical days: of all days, Monday to Friday, Saturday and Sunday, and of each season that has data."""

    every_day: DayShape
    weekday: DayShape
    weekend: DayShape
    seasons: Mapping[str, DayShape]


def heat_map(panel: Panel, zone: ZoneInfo | str) -> HeatMap:
    """Lay the one row of `panel` on local days × wall-clock slots."""
    calendar = panel.calendar(zone)
    first = int(calendar.day[0]) if panel.slots else 0
    days = int(calendar.day[-1]) - first + 1 if panel.slots else 0
    at = (calendar.day.astype(np.int64) - first) * panel.slots_per_day + calendar.slot_of_day
    kw = panel.kw[0]
    known = ~np.isnan(kw)
    size = days * panel.slots_per_day
    passes = np.bincount(at[known], minlength=size)
    total = np.bincount(at[known], kw[known], size)
    mean = np.full(size, np.nan)
    np.divide(total, passes, out=mean, where=passes > 0)
    return HeatMap(date_of(first), mean.reshape(days, panel.slots_per_day))


def load_profile(heat: HeatMap) -> LoadProfile:
    """Describe the typical days of a heat map."""
    is_weekend = heat.weekday >= SATURDAY
    seasons = {name: np.isin(heat.month, months) for name, months in SEASONS.items()}
    return LoadProfile(
        every_day=day_shape(heat.kw),
        weekday=day_shape(heat.kw[~is_weekend]),
        weekend=day_shape(heat.kw[is_weekend]),
        seasons={name: day_shape(heat.kw[rows]) for name, rows in seasons.items() if np.isfinite(heat.kw[rows]).any()},
    )


def day_shape(kw: Values) -> DayShape:
    """Return mean and quantiles of each column of float64[days, slots], NaN left out; NaN where nothing is known."""
    count = np.isfinite(kw).sum(axis=0)
    mean = np.full(kw.shape[1], np.nan)
    np.divide(np.nansum(kw, axis=0), count, out=mean, where=count > 0)
    low, median, high = column_quantiles(kw, LEVELS)
    return DayShape(mean, median, low, high, int(np.isfinite(kw).any(axis=1).sum()))


def column_quantiles(values: Values, levels: tuple[float, ...]) -> Values:
    """Return the columns' quantiles, float64[levels, ...] of [rows, ...]: linear between ranks, NaN left out."""
    if not values.shape[0]:
        return np.full((len(levels), *values.shape[1:]), np.nan)
    ordered = np.sort(values, axis=0)  # NaN goes last
    last = np.maximum(np.isfinite(values).sum(axis=0) - 1, 0)
    quantiles = []
    for level in levels:
        rank = level * last
        low = np.floor(rank).astype(np.intp)
        below = np.take_along_axis(ordered, low[None], axis=0)[0]
        above = np.take_along_axis(ordered, np.minimum(low + 1, last)[None], axis=0)[0]
        quantiles.append(below + (rank - low) * (above - below))
    return np.stack(quantiles)
