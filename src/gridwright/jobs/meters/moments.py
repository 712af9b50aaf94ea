"""What a register showed at the instants of its reads, and at the full minutes between those that are near."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from math import isnan, nan
from typing import NamedTuple

from gridwright.domain.interval import from_epoch_s
from gridwright.domain.minute_marks import End, ends
from gridwright.domain.register import RegisterReading
from gridwright.ingest.order import RANK

Counted = tuple[float, float]  # what a register counted, and times what that counts; NaN where nobody can tell


class Moment(NamedTuple):
    """What a register showed at an instant; at an exchange one register ends and another begins."""

    at_s: int
    first: RegisterReading
    last: RegisterReading
    guess: bool


def at_marks(moments: Sequence[Moment], counted: Sequence[Counted]) -> tuple[list[Moment], list[Counted]]:
    """Return the moments at which intervals may begin and end, and what was counted from each to the next.

    `counted`: the same of the given ones, which are in order. Between two of them a register counted evenly, in whole
    counts: what it counted in all stays.
    """
    apart = {place + 1 for place, (count, _) in enumerate(counted) if isnan(count)}
    found = ends([one.at_s for one in moments], apart)
    between = {end.before: end for end in found if end.before != end.after}
    steps = list(_steps(moments, counted, between))
    marks = [
        _between(moments[end.before], moments[end.after], end.at_s) if end.before != end.after else moments[end.before]
        for end in found
    ]
    places = {at_s: place for place, (at_s, _) in enumerate(steps, 1)} | {moments[0].at_s: 0}
    return marks, [
        _sum(count for _, count in steps[places[one.at_s] : places[other.at_s]]) for one, other in pairwise(found)
    ]


def _steps(
    moments: Sequence[Moment], counted: Sequence[Counted], between: Mapping[int, End]
) -> Iterator[tuple[int, Counted]]:
    """Yield until when, and what, was counted from moment to moment, those parted between which a mark lies."""
    for place, (count, factor) in enumerate(counted):
        begin, end = moments[place].at_s, moments[place + 1].at_s
        mark = between.get(place)
        if mark is not None:
            first = count * (mark.at_s - begin) // (end - begin)
            yield mark.at_s, (first, factor)
            count -= first  # noqa: PLW2901 - the rest of it
        yield end, (count, factor)


def _sum(counted: Iterable[Counted]) -> Counted:
    """Add up what was counted: whole counts stay whole where all of them count times the same."""
    several = list(counted)
    factor = several[0][1]
    if any(isnan(each) for _, each in several):
        return nan, nan
    if all(each == factor for _, each in several):
        return sum(count for count, _ in several), factor
    return sum(count * factor for count, factor in several), 1.0


def _between(one: Moment, other: Moment, at_s: int) -> Moment:
    """Return what a register showed between two reads: it is as sure as the less sure of them."""
    before, after = one.last, other.first
    share = (at_s - one.at_s) / (other.at_s - one.at_s)
    value = before.value + (after.value - before.value) * share // 1
    worse = before if RANK[before.quality] < RANK[after.quality] else after
    read = replace(before, at=from_epoch_s(at_s), value=value, quality=worse.quality)
    return Moment(at_s, read, read, one.guess or other.guess)
