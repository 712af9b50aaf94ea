"""Where the many register reads of one usage point may be cut: at the begin of a UTC day, beside no wrong read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from gridwright.domain.interval import DAY_S
from gridwright.domain.readings import Readings

WHOLE = 4  # so many times what one transaction has at most is rather written by one than cut beside a fall
BESIDE = 3  # reads on either side of a cut that must not fall: one that jumps and comes back is told by the next one
Ints = npt.NDArray[np.int64]
Registers = list[tuple[Ints, npt.NDArray[np.float64]]]


def last_cut(
    parts: Sequence[Readings], name: str, most: int, fits: Callable[[int], bool] = lambda _: True
) -> int | None:
    """Return the last begin of a day with so many reads of a usage point before it at most, or else the first one.

    None where it has no more, or all are of one day. A begin beside which a register falls, or that does not fit, is
    left out as long as there is another, or few enough are left to be judged as a whole.
    """
    registers = _registers(parts, name)
    reads = sum(at.size for at, _ in registers)
    if reads <= most:
        return None
    day, counts = np.unique(np.concatenate([at for at, _ in registers]) // DAY_S, return_counts=True)
    cuts, before = (day[1:] * DAY_S).tolist(), np.cumsum(counts)[:-1]
    room = int(np.searchsorted(before, most, side="right"))
    in_turn = [*reversed(cuts[:room]), *cuts[room:]]
    at_worst = in_turn[0] if in_turn and reads > WHOLE * most else None
    return next((cut for cut in in_turn if not _falls_beside(registers, cut) and fits(cut)), at_worst)


def _registers(parts: Sequence[Readings], name: str) -> Registers:
    """Return instants and values of each register of a usage point, in order of time."""
    found: Registers = []
    for part in parts:
        for place, point in enumerate(part.points):
            rows = np.flatnonzero(part.point == place) if point == name else np.zeros(0, np.int64)
            if rows.size:
                rows = rows[np.argsort(part.at[rows], kind="stable")]
                found.append((part.at[rows], part.value[rows]))
    return found


def _falls_beside(registers: Registers, cut: int) -> bool:
    for at, value in registers:
        place = int(np.searchsorted(at, cut))
        if (np.diff(value[max(place - BESIDE, 0) : place + BESIDE]) < 0).any():
            return True
    return False
