"""What a usage point did on like days: E03 (mean of the last ten), E04 (same weekday around), E06 (profile)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.vee.runs import Floats, Index, Runs
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


def candidates_of(laid: Floats, wall: WallClock) -> list[Index]:
    """Return for each kind of day the places (row · days + day) of complete days: each of their slots has a value."""
    complete = ((~np.isnan(laid)).sum(axis=2) == wall.shown.sum(axis=1)) & wall.whole
    flat = np.flatnonzero(complete)
    kind = wall.kind[flat % laid.shape[1]]
    return [flat[kind == which] for which in range(KINDS)]


def like_days(
    laid: Floats,
    wall: WallClock,
    targets: Targets,
    candidates: Sequence[Index],
    *,
    most: tuple[int, int],
    least: int,
    back: int,
) -> Floats:
    """Return E03 for each target day, float64[t, width]: the mean of the complete days of the same kind nearest to it.

    `candidates`: the complete days. `most`: so many before the day (prospective) and after it (retrospective, where
    later data has come). Days more than `back` days from the gap do not count; with fewer than `least` complete days
    the row is NaN. Slots a clock change skips are left out of the mean.
    """
    rows, days, width = laid.shape
    profiles = laid.reshape(rows * days, width)
    even = bool(wall.shown[wall.whole].all())
    result = np.full((targets.size, width), np.nan)
    for which, complete in enumerate(candidates):
        mine = np.flatnonzero(wall.kind[targets.day] == which)
        if mine.size and complete.size:
            chosen = Targets(targets.row[mine], targets.day[mine], targets.begun[mine], targets.over[mine])
            bounds = _windows(complete, chosen, days, most=most, back=back)
            result[mine] = _means(profiles, complete, bounds, least, even=even)
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


def _means(profiles: Floats, candidates: Index, bounds: tuple[Index, Index], least: int, *, even: bool) -> Floats:
    """Average the candidates first..last-1 of each target; equal windows (a long gap's days) are averaged once.

    `even`: no complete day has a slot that a clock change skips.
    """
    first, last = bounds
    key, inverse = np.unique(first * (candidates.size + 1) + last, return_inverse=True)
    begin, end = np.divmod(key, candidates.size + 1)
    enough = np.flatnonzero(end - begin >= max(least, 1))
    means = np.full((key.size, profiles.shape[1]), np.nan)
    if enough.size:
        windows = Runs(np.zeros_like(enough), begin[enough], end[enough])
        means[enough] = _averages(profiles[candidates[windows.cells()[1]]], windows.length, 1, even=even)
    return means[inverse]


def _averages(values: Floats, number: Index, least: int, *, even: bool = False) -> Floats:
    """Average `number` rows of `values`, then as many as are next; what is unknown is left out, NaN below `least`."""
    begins = np.cumsum(number) - number
    if even:
        return np.asarray(np.add.reduceat(values, begins, axis=0) / number[:, None])
    holes = np.isnan(values)
    values[holes] = 0.0
    counted = number[:, None] - np.add.reduceat(holes, begins, axis=0, dtype=np.int64)
    means = np.full(counted.shape, np.nan)
    np.divide(np.add.reduceat(values, begins, axis=0), counted, out=means, where=counted >= least)
    return means


def same_weekday(laid: Floats, wall: WallClock, targets: Targets, *, weeks: int, least: int = 2) -> Floats:
    """Return E04 for each target day, float64[t, width]: the mean of the same weekday up to `weeks` before and after.

    Holidays match holidays only. Slots without a value are left out; with fewer than `least` values it is NaN.
    """
    rows, days, width = laid.shape
    shifts = np.array([7 * week for week in range(-weeks, weeks + 1) if week], np.intp)
    other = targets.day[:, None] + shifts
    there = (other >= 0) & (other < days)
    there &= wall.kind[np.clip(other, 0, days - 1)] == wall.kind[targets.day][:, None]
    number = there.sum(axis=1)
    some = np.flatnonzero(number)
    means = np.full((targets.size, width), np.nan)
    if some.size:
        places = (targets.row[:, None] * days + other)[there]
        means[some] = _averages(laid.reshape(rows * days, width)[places], number[some], least)
    return means


def mean_profiles(laid: Floats, kinds: Index) -> Floats:
    """Return each row's mean by kind of day and wall-clock slot, float64[rows, 3, width]; NaN = unknown."""
    result = np.full((laid.shape[0], KINDS, laid.shape[2]), np.nan)
    for kind in range(SUNDAY + 1):
        days = laid[:, kinds == kind]
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


def own_profile(laid: Floats, kinds: Index, fleet: Floats) -> Profile:
    """Return E06: the first of RUNGS that is known; NaN only in rows without any value.

    `kinds`: of each day that is laid. `fleet`: mean profile of many usage points, each relative to its own level,
    float64[3, width].
    """
    rows = laid.shape[0]
    by_kind = mean_profiles(laid, kinds)
    level = mean_over(by_kind.reshape(rows, -1), axis=1)[:, None, None]
    seen = np.where(np.isnan(by_kind), np.nan, fleet[None])
    base = mean_over(seen.reshape(rows, -1), axis=1)[:, None, None]
    scaled = fleet[None] * np.where(base > 0, level / np.where(base > 0, base, 1.0), np.nan)
    values, rung = by_kind, np.zeros(by_kind.shape, np.int8)
    for number, fallback in enumerate((mean_over(laid, axis=1)[:, None, :], scaled, level), start=1):
        rung[np.isnan(values)] = number
        values = np.where(np.isnan(values), fallback, values)
    return Profile(values, rung)
