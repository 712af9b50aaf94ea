"""How long the intervals of a table are whose few rows do not tell it: as long as those stored of its usage points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gridwright.domain.interval import DAY_S
from gridwright.formats.sampled import Sampled
from gridwright.formats.stretches import LONG_RUN

if TYPE_CHECKING:
    from gridwright.domain.reading_type import Quantity
    from gridwright.formats.source import LengthsOf

Ints = npt.NDArray[np.int64]
MOST_POINTS = 10_000  # more are looked up by nobody: so many rows tell their length themselves
TWO = 2


def is_told(sampled: Sampled, at: Ints, length: int) -> bool:
    """Tell whether a long run of rows of one usage point, or register, stands so far apart."""
    order = np.lexsort((at, sampled.register))
    order = order[sampled.stamps.good[order]]
    equal = (np.diff(sampled.register[order]) == 0) & (np.diff(at[order]) == length)
    edges = np.flatnonzero(np.r_[True, equal[1:] != equal[:-1], True]) if equal.size else np.zeros(1, np.int64)
    runs = np.diff(edges)
    return bool(runs.size and runs[equal[edges[:-1]]].max(initial=0) >= LONG_RUN)


def stored_length(
    sampled: Sampled, at: Ints, length: int, quantities: frozenset[Quantity], lengths_of: LengthsOf
) -> int:
    """Return at which length, shorter than that of the steps, all readings of its usage points are stored; else 0.

    `length`: of the steps, 0 where there are none. Rows a day or more apart at the same time of day may be of a day
    or a month each: nothing is decided then.
    """
    good = sampled.stamps.good
    clocks = np.unique(sampled.stamps.wall[good] % DAY_S)
    may_be_days = not clocks.any() or (length >= DAY_S and clocks.size < TWO)
    names = [sampled.names.words[code] for code in np.unique(sampled.point[good])]
    if may_be_days or len(names) > MOST_POINTS:
        return 0
    moments = at[good]
    days = int(moments.min()) // DAY_S, int(moments.max()) // DAY_S + 1
    found = lengths_of(names, quantities, days)
    told = {found.get(name, frozenset()) for name in names}
    (only,) = told if len(told) == 1 else (frozenset[int](),)
    (stored,) = only if len(only) == 1 else (0,)
    if not stored or 0 < length <= stored:
        return 0
    return 0 if np.any((moments - moments[0]) % stored) else stored
