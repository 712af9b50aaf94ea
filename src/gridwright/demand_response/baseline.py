"""Baseline: what a usage point would have used without the event, from like days and the hours before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from gridwright.demand_response.like_days import LikeDays, Mask
from gridwright.demand_response.rules import Adjustment, BaselineRule, DayChoice
from gridwright.domain.errors import TooLittleData
from gridwright.domain.panel import Values

# Below this share of known intervals before the event there is no adjustment.
ENOUGH_BEFORE = 0.5
# A placebo day needs at least so many other like days.
ENOUGH_OTHERS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """Baseline of n usage points in Wh, [n, slots] over the windows of `LikeDays`; NaN where there is none.

    `plain_wh`: before adjustment; `adjustment`: the factor on the energy of the event, 1 where nothing was adjusted;
    `chosen`: days taken, [n, days back]; `placebo_wh`: baseline less actual energy, had the event been on that like
    day, [n, days back]; `problems`: why a usage point has no baseline; `notes`: what a reader must know.
    """

    rule: BaselineRule
    wh: Values
    plain_wh: Values
    adjustment: Values
    chosen: Mask
    placebo_wh: Values
    problems: dict[str, TooLittleData]
    notes: dict[str, tuple[str, ...]]

    def days(self, row: int, like: LikeDays) -> tuple[date, ...]:
        """Return the days that a row's baseline is the mean of, the latest first."""
        return tuple(like.dates[1 + back] for back in np.flatnonzero(self.chosen[row]))


def baseline(like: LikeDays, rule: BaselineRule) -> Baseline:
    """Return the baselines by a rule; a usage point with too few like days is a problem of its own, not of all."""
    choice = rule.choice(free=like.free)
    candidates = like.eligible & (np.cumsum(like.eligible, axis=1) <= choice.days)
    found = candidates.sum(axis=1)
    enough = found >= choice.minimum
    candidates &= enough[:, None]
    chosen = _keep(candidates, like, choice)
    plain = _mean(like.past, chosen)
    adjusted, adjustable = _adjusted(plain, like.today, like, rule)
    problems = {
        like.points[row]: _too_few(like, row, int(found[row]), choice) for row in np.flatnonzero(~enough).tolist()
    }
    return Baseline(
        rule,
        adjusted,
        plain,
        _factor(adjusted[:, like.event], plain[:, like.event]),
        chosen,
        _placebos(like, rule, candidates),
        problems,
        _notes(like, rule, adjustable, chosen),
    )


def _keep(candidates: Mask, like: LikeDays, choice: DayChoice) -> Mask:
    """Keep the days whose energy in the event's hours has the right rank; of equal days the more recent one."""
    energy = np.where(candidates, np.nansum(like.past[:, :, like.event], axis=2), -np.inf)
    order = np.argsort(-energy, axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(order.shape[1])[None, :], axis=1)
    last = candidates.sum(axis=1, keepdims=True) - choice.skip_lowest
    rank -= choice.skip_highest
    kept: Mask = candidates & (rank >= 0) & (rank < choice.keep) & (rank < last - choice.skip_highest)
    return kept


def _mean(past: Values, chosen: Mask) -> Values:
    """Return the mean of the chosen days, [n, slots]; NaN without any. After the event, of those that are known."""
    weight = chosen.astype(np.float64)
    known = np.isfinite(past)
    total = np.einsum("nd,nds->ns", weight, np.where(known, past, 0.0))
    count = np.einsum("nd,nds->ns", weight, known.astype(np.float64))
    mean: Values = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return mean


def _adjusted(plain: Values, today: Values, like: LikeDays, rule: BaselineRule) -> tuple[Values, Mask]:
    """Move the mean by what the hours before show; the mask tells for which rows that was possible."""
    before = like.before
    usable = np.isfinite(today[:, before]) & np.isfinite(plain[:, before])
    count = usable.sum(axis=1)
    seen = np.where(usable, today[:, before], 0.0).sum(axis=1)
    expected = np.where(usable, plain[:, before], 0.0).sum(axis=1)
    possible = (count > 0) & (count >= ENOUGH_BEFORE * (before.stop - before.start))
    if rule.adjustment is Adjustment.RATIO:
        possible &= expected > 0
        ratio = np.divide(seen, expected, out=np.ones(seen.shape), where=possible)
        return plain * np.clip(ratio, rule.lower, rule.upper)[:, None], possible
    if rule.adjustment is Adjustment.ADDITIVE:
        shift = np.divide(seen - expected, count, out=np.zeros(seen.shape), where=possible)
        # Delivered energy is never below zero, so neither is what would have been delivered.
        return np.maximum(plain + shift[:, None], 0.0), possible
    return plain, np.ones(possible.shape, np.bool_)


def _factor(adjusted: Values, plain: Values) -> Values:
    after, mean = adjusted.sum(axis=1), plain.sum(axis=1)
    ratio: Values = np.divide(after, mean, out=np.ones(after.shape), where=mean > 0)
    return ratio


def _placebos(like: LikeDays, rule: BaselineRule, candidates: Mask) -> Values:
    """Leave out each like day in turn, and return by how much the others' baseline misses it, in Wh."""
    choice = rule.choice(free=like.free)
    errors = np.full(candidates.shape, np.nan)
    for back in np.flatnonzero(candidates.any(axis=0)).tolist():
        others = candidates.copy()
        others[:, back] = False
        rows = candidates[:, back] & (others.sum(axis=1) >= ENOUGH_OTHERS)
        plain = _mean(like.past, _keep(others, like, choice))
        guess, _ = _adjusted(plain, like.past[:, back], like, rule)
        miss = guess[:, like.event].sum(axis=1) - like.past[:, back, like.event].sum(axis=1)
        errors[rows, back] = miss[rows]
    return errors


def _too_few(like: LikeDays, row: int, found: int, choice: DayChoice) -> TooLittleData:
    kind = "weekends and holidays" if like.free else "working days"
    reasons = [f"{int(counts[row])} {why}" for why, counts in like.why_not.items() if counts[row]]
    because = f" ({', '.join(reasons)})" if reasons else ""
    return TooLittleData(
        f"{found} usable {kind} in the {len(like.dates) - 1} days before, and {choice.minimum} are needed{because}",
        where=like.points[row],
        remedy="import older readings or estimate the gaps, then measure the event again",
    )


def _notes(like: LikeDays, rule: BaselineRule, adjustable: Mask, chosen: Mask) -> dict[str, tuple[str, ...]]:
    wanted = rule.choice(free=like.free)
    full = min(wanted.keep, wanted.days - wanted.skip_highest - wanted.skip_lowest)
    notes: dict[str, tuple[str, ...]] = {}
    counts: npt.NDArray[np.int64] = chosen.sum(axis=1)
    for row, point in enumerate(like.points):
        own = []
        if counts[row] and not adjustable[row]:
            own.append("not adjusted: too little is known of the hours before the event")
        if 0 < counts[row] < full:
            own.append(f"the baseline rests on {counts[row]} days instead of {full}")
        if own:
            notes[point] = tuple(own)
    return notes
