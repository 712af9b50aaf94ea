"""What a model may look at: trusted values only, gaps closed without a look ahead (forecasting reference 3.9)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.errors import GridMismatch
from gridwright.domain.interval import DAY_S
from gridwright.domain.panel import Panel

Values = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SHORT_GAP = timedelta(hours=2)
WEEK = 7
MONTH = 28
MOST_MISSING = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """The past of n usage points, float64[n, slots], as a model may see it.

    `trusted`: values that were measured or validated, NaN elsewhere. `filled`: gaps up to 2 h linear, longer ones by
    the same time of the day before, else of the week before. `causal`: every gap closed from its past alone.
    `counted`: int32[n, slots + 1], how many trusted values come before each slot.
    `first_export`: int[n], the slot of a point's first value below 0, `slots` where there is none.
    """

    trusted: Values
    filled: Values
    causal: Values
    counted: npt.NDArray[np.int32]
    first_export: npt.NDArray[np.intp]
    slots_per_day: int
    short_gap: int

    @property
    def slots(self) -> int:
        """Number of intervals."""
        return int(self.trusted.shape[1])

    def rows(self, which: slice) -> History:
        """Return the past of some points, as views."""
        return replace(
            self,
            trusted=self.trusted[which],
            filled=self.filled[which],
            causal=self.causal[which],
            counted=self.counted[which],
            first_export=self.first_export[which],
        )

    def window(self, issue: int, slots: int) -> Values:
        """Return the last `slots` filled values before `issue`, float64[n, slots]; NaN where there is no past."""
        part = last_slots(self.filled, issue, slots)
        tail = min(self.short_gap, issue, slots)
        if tail:
            # The linear fill of a gap that is still open at the issue knows how it ends: use its past instead.
            missing = np.isnan(self.trusted[:, issue - tail : issue])
            still_open = np.logical_and.accumulate(missing[:, ::-1], axis=1)[:, ::-1]
            part[:, slots - tail :][still_open] = self.causal[:, issue - tail : issue][still_open]
        return part

    def days(self, issue: int, days: int) -> Values:
        """Return the filled values of the last `days` × 24 h before `issue`, oldest first: float64[n, days, S]."""
        return self.window(issue, days * self.slots_per_day).reshape(len(self.filled), days, self.slots_per_day)

    def trusted_days(self, issue: int, days: int) -> Values:
        """Return the trusted values of the last `days` × 24 h before `issue`, oldest first: float64[n, days, S]."""
        part = last_slots(self.trusted, issue, days * self.slots_per_day)
        return part.reshape(len(self.trusted), days, self.slots_per_day)

    def missing_share(self, issues: npt.ArrayLike, days: int = MONTH) -> Values:
        """Return the share of slots without a trusted value in the `days` before each issue, float64[n, issues]."""
        last = np.atleast_1d(np.asarray(issues, dtype=np.intp))
        first = np.maximum(last - days * self.slots_per_day, 0)
        return 1.0 - (self.counted[:, last] - self.counted[:, first]) / np.maximum(last - first, 1)

    def silent(self, issue: int, steps: int) -> Mask:
        """Tell at which of `steps` slots from `issue` on nothing flows, bool[n, steps]: solar power at night.

        So it is where every trusted value of the last 28 days at that time of day, one slot either side, is zero.
        """
        past = self.trusted_days(issue, MONTH)
        known = ~np.isnan(past).all(axis=1)
        zero = known & (np.isnan(past) | (past == 0)).all(axis=1)
        around = zero & np.roll(zero, 1, axis=1) & np.roll(zero, -1, axis=1)
        ahead: Mask = around[:, np.arange(steps) % self.slots_per_day]
        return ahead

    def floor(self, issue: int) -> Values:
        """Return the least value each point can take, float64[n]: 0, or -inf where it went below 0 in its past."""
        return np.where(self.first_export < issue, -np.inf, 0.0)


def last_slots(values: Values, issue: int, slots: int) -> Values:
    """Return a copy of values[:, issue - slots : issue], NaN where that reaches before the first slot."""
    first = max(issue - slots, 0)
    part = np.full((len(values), slots), np.nan)
    part[:, slots - (issue - first) :] = values[:, first:issue]
    return part


def slots_in_a_day(interval: timedelta) -> int:
    """Return how many intervals make 24 h; an interval that does not divide a day cannot be forecast by its days."""
    seconds = int(interval.total_seconds())
    if seconds <= 0 or DAY_S % seconds:
        raise GridMismatch(
            f"an interval of {seconds} s does not divide a day", remedy="regrid the readings, to 15 min for instance"
        )
    return DAY_S // seconds


def history_of(panel: Panel) -> History:
    """Return what may be learnt from `panel`; plain estimates count as missing, since they may know the future."""
    usable = q.has_status(panel.quality, q.TRUSTED) & np.isfinite(panel.values)
    trusted = np.where(usable, panel.values, np.nan)
    day = slots_in_a_day(panel.interval)
    short = min(SHORT_GAP // panel.interval, day)
    filled, causal = trusted, trusted
    gappy = np.flatnonzero(~usable.all(axis=1))
    if gappy.size:
        filled, causal = trusted.copy(), trusted.copy()
        filled[gappy], causal[gappy] = fill(trusted[gappy], day, short)
    counted = np.zeros((len(trusted), panel.slots + 1), np.int32)
    np.cumsum(usable, axis=1, out=counted[:, 1:])
    # The column added at the end is found where nothing went below 0.
    negative = np.concatenate([trusted < 0, np.ones((len(trusted), 1), np.bool_)], axis=1)
    return History(trusted, filled, causal, counted, negative.argmax(axis=1), day, short)


def fill(trusted: Values, day: int, short: int) -> tuple[Values, Values]:
    """Return (filled, causal), see `History`; what has no past stays NaN."""
    filled, causal = linear(trusted, short), trusted.copy()
    slots = trusted.shape[1]
    for start in range(0, slots, day):
        now = slice(start, min(start + day, slots))
        for lag in (day, WEEK * day):
            if start >= lag:
                past = filled[:, now.start - lag : now.stop - lag]
                np.copyto(causal[:, now], past, where=np.isnan(causal[:, now]))
        np.copyto(filled[:, now], causal[:, now], where=np.isnan(filled[:, now]))
    return filled, causal


def linear(trusted: Values, short: int) -> Values:
    """Return the values with gaps of up to `short` slots, closed on both sides, filled by straight lines."""
    slots = np.arange(trusted.shape[1])
    known = ~np.isnan(trusted)
    before = np.maximum.accumulate(np.where(known, slots, -1), axis=1)
    after = np.minimum.accumulate(np.where(known, slots, slots.size)[:, ::-1], axis=1)[:, ::-1]
    inside = ~known & (before >= 0) & (after < slots.size) & (after - before - 1 <= short)
    row, at = np.nonzero(inside)
    left, right = before[row, at], after[row, at]
    share = (at - left) / (right - left)
    filled = trusted.copy()
    filled[row, at] = trusted[row, left] + share * (trusted[row, right] - trusted[row, left])
    return filled
