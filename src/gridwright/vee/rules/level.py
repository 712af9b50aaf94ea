"""How much is used, day by day, next to what was used before: V33 hi/lo, V34 demand, V35 load factor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from gridwright.domain.errors import UsageError
from gridwright.domain.finding import Severity
from gridwright.vee.chunk import Chunk
from gridwright.vee.days import recent_count, recent_max
from gridwright.vee.rules.doubt import Doubt
from gridwright.vee.rules.mad import NORMAL, runs_of_cells
from gridwright.vee.rules.presence import day_runs
from gridwright.vee.runs import Floats, Index, Mask, Runs

WEEKDAYS, SATURDAY, SUNDAY = 0, 1, 2
Form = Literal["robust", "ratio"]


def _require_days(least: int, days: int) -> None:
    """Refuse a rule that is to know more days than it looks at: it would be silent for ever."""
    if least > days:
        raise UsageError(f"least_days {least} are more than the {days} days looked at", remedy="set least_days lower")


@dataclass(frozen=True, slots=True)
class HighLow:
    """A day's use is far above or below that of the `days` before it.

    `robust`: |ln use - median| > `deviations` · 1.4826 · MAD, the deviation at least `least_deviation`.
    `ratio`: use / mean of the like days (workdays, Saturdays, Sundays and holidays) above `ratio` or below its inverse.
    Days without any use say nothing here: zeros have a rule of their own.
    """

    form: Form = "robust"
    deviations: float = 10.0
    least_deviation: float = 0.15
    ratio: float = 3.0
    days: int = 28
    least_days: int = 14
    code: ClassVar[str] = "V33_high_low"

    def __post_init__(self) -> None:
        if self.ratio <= 1:
            raise UsageError(f"ratio {self.ratio:g} must lie above 1", remedy="2 = twice as much, or less than half")
        _require_days(self.least_days, self.days)

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Find days out of the ordinary."""
        far = self._robust(chunk) if self.form == "robust" else self._ratio(chunk)
        return [Doubt(Severity.WARN, day_runs(chunk, far), touches=False)] if far.any() else []

    def _robust(self, chunk: Chunk) -> Mask:
        middle, spread = self._usual(chunk)
        off = np.abs(_log(chunk.totals) - middle)
        return np.asarray(off > self.deviations * np.maximum(NORMAL * spread, self.least_deviation))

    def _usual(self, chunk: Chunk) -> tuple[Floats, Floats]:
        """Return median and MAD of ln use over the days before each day, NaN where too few are known."""
        recent = chunk.all_totals[:, -(self.days + chunk.days.size) :]
        before = preceding(_log(recent), self.days, chunk.days.size)
        middle, known = _median(before)
        spread, _ = _median(np.abs(before - middle[:, :, None]))
        return np.where(known >= self.least_days, middle, np.nan), spread

    def _ratio(self, chunk: Chunk) -> Mask:
        mean = self._mean(chunk)
        with np.errstate(invalid="ignore", divide="ignore"):
            times = chunk.totals / mean
        return np.asarray((chunk.totals > 0) & ((times > self.ratio) | (times < 1 / self.ratio)))

    def _mean(self, chunk: Chunk) -> Floats:
        """Return the mean use of the like days before each day, NaN where there is none."""
        mean = np.full(chunk.totals.shape, np.nan)
        kind = day_kinds(chunk)
        offset = chunk.past.days
        for one in (WEEKDAYS, SATURDAY, SUNDAY):
            at = np.flatnonzero(kind == one)
            mine = at[at >= offset]
            if mine.size == 0:
                continue
            window = min(max(round(self.days * (5 if one == WEEKDAYS else 1) / 7), 1), at.size)
            before = preceding(chunk.all_totals[:, at], window, mine.size)
            known = ~np.isnan(before)
            number = known.sum(axis=2)
            total = np.where(known, before, 0.0).sum(axis=2)
            least = min(window, max(1, round(window * self.least_days / self.days)))
            mean[:, mine - offset] = np.where(number >= least, total / np.maximum(number, 1), np.nan)
        return mean

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Name the day's use and what is usual."""
        day = chunk.days.of(first)
        others, one = chunk.days.of(last - 1) - day, chunk.one(row)
        usual = np.exp(self._usual(one)[0]) if self.form == "robust" else self._mean(one)
        used, expected = float(chunk.totals[row, day]), float(usual[0, day])
        more = f" and {others} more {'day' if others == 1 else 'days'}" if others else ""
        return f"{chunk.amount(used)} on {chunk.days.date(day)}{more}, while {chunk.amount(round(expected))} is usual"


def _log(totals: Floats) -> Floats:
    """Return ln of each day's use, NaN where there was none."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(totals > 0, np.log(totals), np.nan)


def preceding(days: Floats, window: int, last: int) -> Floats:
    """Return the `window` days before each of the `last` days, float64[rows, last, window], NaN before the first."""
    lead = np.full((days.shape[0], max(window + last - days.shape[1], 0)), np.nan)
    padded = np.concatenate([lead, days[:, max(days.shape[1] - last - window, 0) :]], axis=1)
    return np.lib.stride_tricks.sliding_window_view(padded, window, axis=1)[:, :last]


def _median(values: Floats) -> tuple[Floats, npt.NDArray[np.intp]]:
    """Return the median of the known values along the last axis, and how many there are."""
    ordered = np.sort(values, axis=-1)
    known = (~np.isnan(ordered)).sum(axis=-1)
    safe = np.maximum(known, 1)
    low = np.take_along_axis(ordered, ((safe - 1) // 2)[..., None], -1)[..., 0]
    high = np.take_along_axis(ordered, (safe // 2)[..., None], -1)[..., 0]
    return (low + high) / 2, known


def day_kinds(chunk: Chunk) -> npt.NDArray[np.int64]:
    """Return whether each day of past and chunk is a workday, a Saturday, or a Sunday or holiday of the first row."""
    weekday = (chunk.all_days + 3) % 7  # 1970-01-01 was a Thursday
    kind = np.where(weekday == 6, SUNDAY, np.where(weekday == 5, SATURDAY, WEEKDAYS))  # noqa: PLR2004 - weekend
    name = next((member.holidays for member in chunk.members if member), "")
    free = np.array([day.toordinal() - 719_163 for day in chunk.around.known.holidays.get(name, ())], np.int64)
    return np.where(np.isin(chunk.all_days, free), SUNDAY, kind)


@dataclass(frozen=True, slots=True)
class HighDemand:
    """A day's peak is above `ratio` times the largest of the `days` before it (twelve billing months)."""

    ratio: float = 1.5
    days: int = 365
    least_days: int = 60
    code: ClassVar[str] = "V34_high_demand"

    def __post_init__(self) -> None:
        _require_days(self.least_days, self.days)

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Find the intervals at such peaks."""
        usual = self._usual(chunk)
        row, day = np.nonzero(chunk.peaks > self.ratio * usual)
        if row.size == 0:
            return []
        cells = Runs(row, chunk.days.first[day], chunk.days.last[day]).cells()
        above = chunk.usable[cells] > self.ratio * usual[cells[0], chunk.days.at(cells[1])]
        return [Doubt(Severity.WARN, runs_of_cells(chunk, cells[0][above], cells[1][above]))]

    def _usual(self, chunk: Chunk) -> Floats:
        peaks = chunk.all_peaks
        usual = recent_max(peaks, self.days, chunk.days.size)
        enough = recent_count(np.isfinite(peaks), self.days, chunk.days.size) >= self.least_days
        return np.where(enough, np.maximum(usual, 0.0), np.inf)

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Name the peak and the highest one before it."""
        usual = float(self._usual(chunk.one(row))[0, chunk.days.of(first)])
        peak = float(np.nanmax(chunk.values[row, first:last]))
        return (
            f"demand of {chunk.amount(peak)} an interval at {chunk.clock(first)}, at most {chunk.amount(usual)} before"
        )


@dataclass(frozen=True, slots=True)
class LoadFactor:
    """Mean / peak of the last `days` days lies outside `low` .. `high`."""

    low: float = 0.01
    high: float = 0.95
    days: int = 28
    code: ClassVar[str] = "V35_load_factor"

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise UsageError(
                f"low {self.low:g} must lie below high {self.high:g}", remedy="write the lower limit as low"
            )

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Judge each row once, over the last days that are known in full."""
        factor = self._factor(chunk)
        row: Index = np.flatnonzero((factor < self.low) | (factor > self.high))
        end = self._end(chunk)
        if row.size == 0 or not end:
            return []
        first, last = chunk.days.first[max(end - self.days, 0)], chunk.days.last[end - 1]
        return [Doubt(Severity.INFO, Runs(row, np.full_like(row, first), np.full_like(row, last)), touches=False)]

    @staticmethod
    def _end(chunk: Chunk) -> int:
        """Return the number of days up to the last that the chunk covers in full: today has only begun."""
        return int(np.flatnonzero(chunk.days.whole)[-1]) + 1 if chunk.days.whole.any() else 0

    def _factor(self, chunk: Chunk) -> Floats:
        end = chunk.past.days + self._end(chunk)
        which = slice(max(end - self.days, 0), end)
        totals, peaks = chunk.all_totals[:, which], chunk.all_peaks[:, which]
        known = ~np.isnan(totals)
        number = known.sum(axis=1)
        peak = np.where(known, peaks, -np.inf).max(axis=1, initial=-np.inf)
        mean = np.where(known, totals, 0.0).sum(axis=1) / np.maximum(number * chunk.panel.slots_per_day, 1)
        judged = (number >= self.days) & (peak > 0)
        return np.where(judged, mean / np.where(judged, peak, 1.0), np.nan)

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Name the load factor and its limits."""
        del first, last
        factor = float(self._factor(chunk.one(row))[0])
        return f"load factor {factor:.3f} over {self.days} days lies outside {self.low:g} to {self.high:g}"
