"""Register reads less than a minute apart: at a full minute between two a register stood on the line between.

So a display that is read each second tells what one tells that is read each minute, whatever its seconds, and no more.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

MINUTE_S = 60
DENSE_S = 57  # reads of each minute, some of them three seconds late, are not this near to each other


class End(NamedTuple):
    """An instant at which an interval may begin or end: with a read, or between those at two places."""

    at_s: int
    before: int
    after: int


def ends(at: Sequence[int], apart: Collection[int] = ()) -> list[End]:
    """Return where intervals may begin and end, of the instants of reads in order, in seconds.

    It is at each read that is not near to the one before it, and at each full minute at or between two near ones, to
    which one less than half a minute before gives way. `apart`: places of reads up to which nothing was counted from
    the one before.
    """
    found: list[End] = []
    for place, second in enumerate(at):
        near = place and second - at[place - 1] < DENSE_S and place not in apart
        mark = second - second % MINUTE_S
        if not near:
            found.append(End(second, place, place))
        elif at[place - 1] < mark:
            if mark - MINUTE_S // 2 <= found[-1].at_s < mark:
                found.pop()
            found.append(End(mark, place if second == mark else place - 1, place))
    return found


def ends_nothing(before_s: int, at_s: int) -> bool:
    """Tell whether a read just behind another is near to it and reaches no full minute: it ends no interval."""
    return 0 <= at_s - before_s < DENSE_S and before_s // MINUTE_S == at_s // MINUTE_S
