"""Whether reads lie evenly around those that came: then their day keeps its grid, and only what lies beside changes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import cache

from gridwright.domain.interval import DAY_S, epoch_s
from gridwright.domain.minute_marks import ends
from gridwright.domain.register import RegisterReading
from gridwright.ingest.registers import JITTER
from gridwright.jobs.meters.fill_energy import Day
from gridwright.jobs.meters.place_reads import AHEAD, Placed
from gridwright.jobs.meters.reads_tell import FARTHEST_S, LONGEST_S, Tells, ends_usual, is_usual, key_between

Grid = tuple[int, int]  # the length of its intervals, and where they begin
GridFrom = Callable[[int], Grid | None]
FAR: Grid = (0, 0)
WITHIN_S = LONGEST_S * (1 - JITTER)  # no interval begins or ends farther away that ends or begins with a read


def uneven_days(point: str, found: Placed, told: Tells) -> set[Day]:
    """Return the days that are derived anew as the reads that came may put them on another grid.

    Where the reads within an hour of one tell intervals of one grid, one after the other, each grid that is coarser has
    what it tells of this one's; so which is the best stays.
    """
    doubtful = bool(found.wrong or found.doubted or found.moves)
    if doubtful:
        odd = {epoch_s(read.at) for read in found.after}
    else:
        at = _ends(found.after)
        new = {*at}.difference(_ends(found.before)) | {*at}.intersection(epoch_s(read.at) for read in found.saved)
        grid_from = _grids(at, told)
        odd = {second for second in new if not _is_even(at, second, grid_from, newest=found.alone)}
    return {(point, day) for second in odd for day in (int(second - FARTHEST_S) // DAY_S, second // DAY_S)}


def _ends(reads: Sequence[RegisterReading]) -> list[int]:
    return [end.at_s for end in ends(list(dict.fromkeys(epoch_s(read.at) for read in reads)))]


def _grids(at: Sequence[int], told: Tells) -> GridFrom:
    """Return what tells the grid of the interval from one end, by its place, to the next: each is looked at once.

    FAR where the next is farther away than an interval lasts, None where the two tell no interval of their own.
    """

    @cache
    def grid_from(place: int) -> Grid | None:
        near, far = at[place], at[place + 1]
        if far - near > FARTHEST_S:
            return FAR
        key = key_between(near, far)
        one = told.get(key) if key is not None and is_usual(key) else None
        return None if key is None or one is None or not one.direct or one.guess else (key[1], key[0] % key[1])

    return grid_from


def _is_even(at: Sequence[int], second: int, grid_from: GridFrom, *, newest: bool) -> bool:
    """Tell whether what lies within an hour of an end is of one grid; `newest`: behind those at hand there are none."""
    if not ends_usual(second):
        return True
    grids, place = set[Grid](), bisect_left(at, second)
    for side in (-1, 1):
        here = place
        while 0 <= here + side < len(at):
            grid = grid_from(min(here, here + side))
            if grid is None:
                return False
            if grid == FAR:
                break
            here += side
            grids.add(grid)
            if abs(at[here] - second) >= WITHIN_S:
                break
        else:
            if abs(here - place) >= AHEAD and (side < 0 or not newest):  # others may lie beyond those that are at hand
                return False
    return len(grids) < 2  # noqa: PLR2004 - one grid


def goes_on_evenly(before: Sequence[int], second: int) -> bool:
    """Tell whether a read goes on on the grid of those of the hour before it, in order, so that it changes no other."""
    keys = [key_between(*pair) for pair in zip(before, [*before[1:], second], strict=True)]
    return len({key and (key[1], key[0] % key[1]) for key in keys}) < 2  # noqa: PLR2004 - one grid
