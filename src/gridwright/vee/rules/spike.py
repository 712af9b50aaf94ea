"""Spikes: a day's peak far above its third-highest value and, at homes, above what year or quiet days have shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gridwright.domain.errors import UsageError
from gridwright.domain.finding import Severity
from gridwright.vee.chunk import Chunk
from gridwright.vee.days import recent_count, recent_max
from gridwright.vee.rules.doubt import Doubt
from gridwright.vee.runs import Floats, Index, Mask, Runs, runs_of

TOP = 3


@dataclass(frozen=True, slots=True)
class Peaks:
    """The suspicious days of a chunk: (row, day), the day's highest and third-highest value."""

    row: Index
    day: Index
    highest: Floats
    third: Floats

    def where(self, keep: Mask) -> Peaks:
        """Return the days for which `keep` holds."""
        return Peaks(self.row[keep], self.day[keep], self.highest[keep], self.third[keep])

    def joined(self, other: Peaks) -> Peaks:
        """Return both together."""
        row, day = np.r_[self.row, other.row], np.r_[self.day, other.day]
        return Peaks(row, day, np.r_[self.highest, other.highest], np.r_[self.third, other.third])


@dataclass(frozen=True, slots=True)
class Spike:
    """(p1 - p3) / max(p3, floor) > `ratio` in a local day; only the intervals at p1 are doubted.

    With `year` the peak must also exceed the largest day peak of the last 365 days (in a batch, where fewer than
    `least_days` lie before it, of all other days): `warn_above` times it warns, `fail_above` times it fails; with
    fewer than `least_days` of either the rule is silent. Without `year` every spike fails (commercial usage points).

    A spike while nobody is at home stays below the year's peaks. So a peak that holds `day_share` of its day (0 = off)
    and is `alone` times its neighbours also warns above `quiet_above` times what `quiet_quantile` of the quiet days
    did not exceed: those of the same window whose other intervals used up to `quiet_rest` times as much.
    """

    ratio: float = 1.8
    floor_kw: float = 0.02
    year: bool = True
    warn_above: float = 1.0
    fail_above: float = 1.2
    least_days: int = 60
    window_days: int = 365
    day_share: float = 0.33
    alone: float = 3.0
    quiet_above: float = 1.2
    quiet_quantile: float = 0.9
    quiet_rest: float = 3.0
    code: ClassVar[str] = "V18_spike"

    def __post_init__(self) -> None:
        if self.least_days > self.window_days:
            raise UsageError(
                f"least_days {self.least_days} are more than the window_days {self.window_days}",
                remedy="set least_days lower",
            )

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Find the peaks, again after each round without those that fail: one spike must not hide the next."""
        maxima = chunk.peaks
        floor = chunk.counts(self.floor_kw)
        if not self.year:
            peaks = self._peaks(chunk, np.nonzero(maxima > floor * (1 + self.ratio)), floor)
            return [Doubt(Severity.FAIL, _runs(chunk, peaks))]
        failed = np.zeros(maxima.shape, np.bool_)
        known = chunk.all_peaks.copy()
        maxima = known[:, chunk.past.days :]
        while True:
            usual = self._usual(known, chunk.days.size)
            # Days that failed keep their own peak for judgement; the others see the third-highest in its place.
            peaks = self._peaks(chunk, np.nonzero((maxima > self.warn_above * usual) & ~failed), floor)
            worse = peaks.highest > self.fail_above * usual[peaks.row, peaks.day]
            fresh = peaks.where(worse)
            if fresh.row.size == 0:
                break
            failed[fresh.row, fresh.day] = True
            maxima[fresh.row, fresh.day] = fresh.third
        warned = peaks.joined(self._lonely(chunk, known, failed))
        return [
            Doubt(Severity.FAIL, _runs(chunk, _top(chunk, *np.nonzero(failed)))),
            Doubt(Severity.WARN, _runs(chunk, warned)),
        ]

    def _lonely(self, chunk: Chunk, known: Floats, failed: Mask) -> Peaks:
        """Return the peaks that stand alone on a quiet day, above those of other quiet days."""
        if self.day_share <= 0:
            return NO_PEAKS
        floor = chunk.counts(self.floor_kw)
        heavy = (chunk.peaks > self.day_share * chunk.totals) & (chunk.peaks > floor * (1 + self.ratio)) & ~failed
        if not heavy.any():
            return NO_PEAKS
        peaks = self._peaks(chunk, np.nonzero(heavy), floor)
        peaks = peaks.where(peaks.highest > self.alone * np.maximum(_beside(chunk, peaks), floor))
        return peaks.where(peaks.highest > self.quiet_above * self._usual_when_quiet(chunk, peaks, known))

    def _usual_when_quiet(self, chunk: Chunk, peaks: Peaks, known: Floats) -> Floats:
        """Return which peak `quiet_quantile` of the quiet days keep to: 0 without any, +inf with too few days known."""
        rest = chunk.all_totals - chunk.all_peaks
        at, column = peaks.day + chunk.past.days, np.arange(rest.shape[1])
        there = ~np.isnan(rest[peaks.row])
        window = there & (column < at[:, None]) & (column >= at[:, None] - self.window_days)
        few = window.sum(axis=1) < self.least_days
        window[few] = there[few] & (column != at[few, None])
        own = rest[peaks.row, at]
        quiet = window & (rest[peaks.row] <= (self.quiet_rest * own + chunk.panel.slots_per_day)[:, None])
        ordered = np.sort(np.where(quiet, known[peaks.row], np.inf), axis=1)
        number = quiet.sum(axis=1)
        place = np.ceil(self.quiet_quantile * np.maximum(number - 1, 0)).astype(np.intp)
        usual = np.where(number > 0, ordered[np.arange(number.size), place], 0.0)
        return np.where(window.sum(axis=1) < self.least_days, np.inf, usual)

    def _usual(self, maxima: Floats, days: int) -> Floats:
        """Return the largest peak to compare each of the last `days` days with, +inf where too few are known."""
        known = np.isfinite(maxima)
        usual = recent_max(maxima, self.window_days, days)
        enough = recent_count(known, self.window_days, days) >= self.least_days
        usual = np.where(enough, usual, np.inf)
        if maxima.shape[1] > self.least_days and not enough.all():
            early = slice(0, min(days, self.window_days))
            others = known.sum(axis=1, keepdims=True) - known[:, -days:] >= self.least_days
            everyone = _largest_of_others(maxima)[:, -days:]
            few = ~enough[:, early] & others[:, early]
            usual[:, early] = np.where(few, everyone[:, early], usual[:, early])
        return usual

    def _peaks(self, chunk: Chunk, where: tuple[Index, ...], floor: float) -> Peaks:
        peaks = _top(chunk, where[0], where[1])
        rise = (peaks.highest - peaks.third) / np.maximum(peaks.third, floor)
        return peaks.where(np.isfinite(peaks.third) & (rise > self.ratio))

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Name the peak and how far it stands above the day's third-highest value."""
        del last
        day = np.array([chunk.days.of(first)])
        peaks = _top(chunk, np.array([row]), day)
        peak, third = float(peaks.highest[0]), float(peaks.third[0])
        times = f", {peak / third:.1f} × the day's third-highest ({chunk.amount(third)})" if third > 0 else ""
        return f"spike of {chunk.amount(peak)} at {chunk.clock(first)}{times}"


NO_PEAKS = Peaks(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0), np.empty(0))


def _beside(chunk: Chunk, peaks: Peaks) -> Floats:
    """Return the larger of the values beside each peak, 0 where neither is known."""
    first, last = chunk.days.first[peaks.day], chunk.days.last[peaks.day]
    length = last - first
    row, slot = Runs(peaks.row, first, last).cells()
    begins = np.cumsum(length) - length
    at = chunk.usable[row, slot] == np.repeat(peaks.highest, length)
    # The first interval at the peak: a day with two of them has a third-highest too near to come here.
    place = slot[np.minimum.reduceat(np.where(at, np.arange(at.size), at.size - 1), begins)] if at.size else first
    beside = [np.clip(place + step, 0, chunk.panel.slots - 1) for step in (-1, 1)]
    values = [np.where(near == place, 0.0, np.nan_to_num(chunk.usable[peaks.row, near])) for near in beside]
    return np.maximum(values[0], values[1])


def _largest_of_others(maxima: Floats) -> Floats:
    """Return, for each day, the largest peak of the row's other days."""
    if maxima.shape[1] == 1:
        return np.full(maxima.shape, -np.inf)
    top = np.argmax(maxima, axis=1)
    rows = np.arange(maxima.shape[0])
    largest = maxima[rows, top]
    second = np.partition(maxima, -2, axis=1)[:, -2]
    others = np.repeat(largest[:, None], maxima.shape[1], axis=1)
    others[rows, top] = second
    return others


def _top(chunk: Chunk, row: Index, day: Index) -> Peaks:
    """Return the highest and third-highest value of the given days."""
    first, last = chunk.days.first[day], chunk.days.last[day]
    width = int((last - first).max()) if day.size else 0
    slot = first[:, None] + np.arange(max(width, TOP))
    inside = slot < last[:, None]
    values = chunk.usable[row[:, None], np.minimum(slot, chunk.panel.slots - 1)]
    values = np.where(inside & ~np.isnan(values), values, -np.inf)
    values.partition((values.shape[1] - TOP, values.shape[1] - 1), axis=1)
    return Peaks(row, day, values[:, -1], values[:, -TOP])


def _runs(chunk: Chunk, peaks: Peaks) -> Runs:
    """Return the intervals that stand at the peak of their day."""
    length = chunk.days.last[peaks.day] - chunk.days.first[peaks.day]
    row, slot = Runs(peaks.row, chunk.days.first[peaks.day], chunk.days.last[peaks.day]).cells()
    at = chunk.usable[row, slot] == np.repeat(peaks.highest, length)
    # A bool row a day would be wasteful: peaks are few, so the runs are made of their own rows.
    rows, inverse = np.unique(row[at], return_inverse=True)
    mask = np.zeros((rows.size, chunk.panel.slots), np.bool_)
    mask[inverse, slot[at]] = True
    runs = runs_of(mask)
    return Runs(rows[runs.row] if rows.size else runs.row, runs.first, runs.last)
