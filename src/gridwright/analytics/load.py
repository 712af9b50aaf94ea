"""How much at once: duration curve, base load, peaks, load factor; for one usage point or a whole fleet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from gridwright.analytics.profile import column_quantiles
from gridwright.domain.panel import Panel, Values, slot_time

BASE_LEVEL = 0.05
CHUNK_ROWS = 256


@dataclass(frozen=True, slots=True)
class Peak:
    """One of the highest mean powers: when its interval began, and kW."""

    at: datetime
    kw: float


def duration_curve(panel: Panel) -> Values:
    """Return the known kW of the one row, highest first; value k was reached or passed in k + 1 intervals."""
    kw = panel.kw[0]
    return np.sort(kw[np.isfinite(kw)])[::-1]


def exceeded(curve: Values, shares: npt.ArrayLike) -> Values:
    """Return the kW that is reached in each of `shares` (0 to 1) of the time, from a duration curve."""
    wanted = np.asarray(shares, np.float64)
    if not curve.size:
        return np.full(wanted.shape, np.nan)
    place: Values = np.interp(wanted, np.arange(1, curve.size + 1) / curve.size, curve)
    return place


def base_load_kw(panel: Panel, zone: ZoneInfo | str) -> Values:
    """Return what always runs, in kW, float64[n]: the median over local days of each day's 5 % quantile.

    The quantile ignores a short outage within a day, the median ignores days away from the usual (holidays at home or
    away, failed meters). Days of which less than half is known do not count; NaN when none is left.
    """
    chunks = [_base_of_rows(panel, first, zone) for first in range(0, len(panel.points), CHUNK_ROWS)]
    return np.concatenate(chunks) if chunks else np.empty(0)


def _base_of_rows(panel: Panel, first: int, zone: ZoneInfo | str) -> Values:
    rows = panel.rows(range(first, min(first + CHUNK_ROWS, len(panel.points))))
    days = days_of(rows, zone)
    quantile = column_quantiles(np.moveaxis(days, 2, 0), (BASE_LEVEL,))[0]
    enough = np.isfinite(days).sum(axis=2) * 2 >= panel.slots_per_day
    base: Values = column_quantiles(np.where(enough, quantile, np.nan).T, (0.5,))[0]
    return base


def days_of(panel: Panel, zone: ZoneInfo | str) -> Values:
    """Return kW by local day in the order of time, float64[n, days, longest day]; short days end with NaN."""
    starts = panel.calendar(zone).day_starts
    lengths = np.diff(np.r_[starts, panel.slots])
    if not starts.size:
        return np.full((len(panel.points), 0, panel.slots_per_day), np.nan)
    place = np.arange(int(lengths.max()))
    at = starts[:, None] + place
    inside = place < lengths[:, None]
    days = panel.kw[:, np.where(inside, at, 0)]
    days[:, ~inside] = np.nan
    return days


def peaks(panel: Panel, zone: ZoneInfo | str, *, count: int = 10) -> tuple[Peak, ...]:
    """Return the highest intervals of the one row, highest first, at most one a local day, so that each tells news."""
    starts = panel.calendar(zone).day_starts
    if not starts.size:
        return ()
    kw = np.where(panel.missing[0], -np.inf, panel.kw[0])
    highest = np.maximum.reduceat(kw, starts)
    order = np.argsort(-highest, kind="stable")[:count]
    order = order[np.isfinite(highest[order])]
    lasts = np.r_[starts[1:], panel.slots]
    slots = [int(starts[day] + np.argmax(kw[starts[day] : lasts[day]])) for day in order]
    return tuple(Peak(slot_time(panel, slot), float(kw[slot])) for slot in slots)


@dataclass(frozen=True, slots=True, eq=False)
class Loads:
    """Mean and highest kW of each usage point, float64[n]; NaN where nothing is known."""

    mean_kw: Values
    peak_kw: Values

    @property
    def factor(self) -> Values:
        """Load factor, mean / peak; NaN where the peak is zero or unknown."""
        factor = np.full(self.mean_kw.shape, np.nan)
        np.divide(self.mean_kw, self.peak_kw, out=factor, where=self.peak_kw > 0)
        return factor


def loads_of(panel: Panel) -> Loads:
    """Return the mean and the highest power of every row."""
    known = ~panel.missing
    kw = panel.kw
    count = known.sum(axis=1)
    mean = np.full(len(panel.points), np.nan)
    np.divide(np.where(known, kw, 0.0).sum(axis=1), count, out=mean, where=count > 0)
    highest = np.where(known, kw, -np.inf).max(axis=1, initial=-np.inf)
    return Loads(mean, np.where(count > 0, highest, np.nan))
