"""What a usage point did on like days: E03 (mean of the last ten), E04 (same weekday around), E06 (profile)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.vee.runs import Floats, Index
from gridwright.vee.wall import SUNDAY, WallClock

KINDS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """t local days to be estimated: `row`, `day` on the wall, and the days on which the gap `begun` and was `over`."""

    row: Index
    day: Index
    begun: Index
    over: Index

    @property
    def size(self) -> int:
        """Number of days."""
        return int(self.row.size)

    def part(self, first: int, last: int) -> Targets:
        """Return targets first..last-1."""
        return Targets(self.row[first:last], self.day[first:last], self.begun[first:last], self.over[first:last])


def like_days(
    laid: Floats, wall: WallClock, targets: Targets, *, most: tuple[int, int], least: int, back: int
) -> Floats:
    """Return E03 for each target day, float64[t, width]: the mean of the complete days of the same kind nearest to it.

    `most`: so many before the day (prospective) and after it (retrospective, where later data has come). A day is
    complete when each of its slots has a value. Days more than `back` days from the gap do not count; with fewer than
    `least` complete days the row is NaN. Slots a clock change skips are left out of the mean.
    """
    rows, days, width = laid.shape
    complete = ((~np.isnan(laid)).sum(axis=2) == wall.shown.sum(axis=1)) & wall.whole
    flat = np.flatnonzero(complete)
    kind = wall.kind[flat % days]
    profiles = laid.reshape(rows * days, width)
    result = np.full((targets.size, width), np.nan)
    for which in range(KINDS):
        mine = np.flatnonzero(wall.kind[targets.day] == which)
        candidates = flat[kind == which]
        if mine.size and candidates.size:
            chosen = Targets(targets.row[mine], targets.day[mine], targets.begun[mine], targets.over[mine])
            bounds = _windows(candidates, chosen, days, most=most, back=back)
            result[mine] = _means(profiles, candidates, bounds, least)
    return result


def _windows(
    candidates: Index, targets: Targets, days: int, *, most: tuple[int, int], back: int
) -> tuple[Index, Index]:
    """Return first and last (exclusive) position in `candidates` (row · days + day) of each target's references.

    A target is never complete itself, so the days before and after it stand side by side among the candidates.
    """
    base = targets.row * days
    here = np.searchsorted(candidates, base + targets.day)
    oldest = np.searchsorted(candidates, base + np.maximum(targets.begun - back, 0))
    first = np.maximum(oldest, here - most[0])
    if not most[1]:
        return first, here
    newest = np.searchsorted(candidates, base + np.minimum(targets.over + back, days - 1), side="right")
    return first, np.minimum(newest, here + most[1])


def _means(profiles: Floats, candidates: Index, bounds: tuple[Index, Index], least: int) -> Floats:
    """Average the candidates first..last-1 of each target; equal windows (a long gap's days) are averaged once."""
    first, last = bounds
    key, inverse = np.unique(first * (candidates.size + 1) + last, return_inverse=True)
    begin, end = np.divmod(key, candidates.size + 1)
    number = end - begin
    total = np.zeros((key.size, profiles.shape[1]))
    counted = np.zeros_like(total, dtype=np.int16)
    for step in range(int(number.max(initial=0))):
        live = np.flatnonzero(number > step)
        values = profiles[candidates[begin[live] + step]]
        holes = np.isnan(values)
        if holes.any():
            values[holes] = 0.0
        total[live] += values
        counted[live] += ~holes
    enough = (number >= least)[:, None] & (counted > 0)
    means = np.full(total.shape, np.nan)
    np.divide(total, counted, out=means, where=enough)
    return means[inverse]


def same_weekday(laid: Floats, wall: WallClock, targets: Targets, *, weeks: int, least: int = 2) -> Floats:
    """Return E04 for each target day, float64[t, width]: the mean of the same weekday up to `weeks` before and after.

    Holidays match holidays only. Slots without a value are left out; with fewer than `least` values it is NaN.
    """
    rows, days, width = laid.shape
    profiles = laid.reshape(rows * days, width)
    total = np.zeros((targets.size, width))
    counted = np.zeros((targets.size, width), np.int16)
    for shift in [7 * week for week in range(-weeks, weeks + 1) if week]:
        other = targets.day + shift
        live = np.flatnonzero((other >= 0) & (other < days))
        live = live[wall.kind[other[live]] == wall.kind[targets.day[live]]]
        values = profiles[targets.row[live] * days + other[live]]
        holes = np.isnan(values)
        values[holes] = 0.0
        total[live] += values
        counted[live] += ~holes
    means = np.full(total.shape, np.nan)
    np.divide(total, counted, out=means, where=counted >= least)
    return means


def mean_profiles(laid: Floats, wall: WallClock) -> Floats:
    """Return each row's mean by kind of day and wall-clock slot, float64[rows, 3, width]; NaN = unknown."""
    result = np.full((laid.shape[0], KINDS, laid.shape[2]), np.nan)
    for kind in range(SUNDAY + 1):
        days = laid[:, wall.kind == kind]
        result[:, kind] = mean_over(days, axis=1)
    return result


def mean_over(values: Floats, axis: int) -> Floats:
    """Return the mean of what is known along an axis, NaN where nothing is."""
    known = ~np.isnan(values)
    number = known.sum(axis=axis)
    total = np.where(known, values, 0.0).sum(axis=axis)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """E06 for each row: `values` float64[rows, 3, width] by kind of day, `rung` int8: which fallback of RUNGS it is."""

    values: Floats
    rung: npt.NDArray[np.int8]


RUNGS = (
    "its own mean on such days",
    "its own mean on all days",
    "the fleet's profile at its own level",
    "its own overall mean",
)


def own_profile(laid: Floats, wall: WallClock, fleet: Floats) -> Profile:
    """Return E06: the first of RUNGS that is known; NaN only in rows without any value.

    `fleet`: mean profile of many usage points, each relative to its own level, float64[3, width].
    """
    rows = laid.shape[0]
    by_kind = mean_profiles(laid, wall)
    level = mean_over(by_kind.reshape(rows, -1), axis=1)[:, None, None]
    seen = np.where(np.isnan(by_kind), np.nan, fleet[None])
    base = mean_over(seen.reshape(rows, -1), axis=1)[:, None, None]
    scaled = fleet[None] * np.where(base > 0, level / np.where(base > 0, base, 1.0), np.nan)
    values, rung = by_kind, np.zeros(by_kind.shape, np.int8)
    for number, fallback in enumerate((mean_over(laid, axis=1)[:, None, :], scaled, level), start=1):
        rung[np.isnan(values)] = number
        values = np.where(np.isnan(values), fallback, values)
    return Profile(values, rung)
