"""What a panel brings for one UTC day, and how it is laid over what is stored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.store.days.grid import DayPart
from gridwright.store.days.pack import Values

Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]


class Manner(NamedTuple):
    """How a panel is laid over what is stored.

    `fill`: only where nothing is stored, or it was taken back. `regrids`: a day that is stored on another grid is
    superseded as a whole, as of what is made anew from other readings; else only one that register reads alone told is,
    unless by what fills, and any other is a GridMismatch. `ranked`: as of what comes in, a guess changes no stored
    value of better quality (`gives_way`).
    """

    fill: bool = False
    regrids: bool = False
    ranked: bool = False


PLAINLY = Manner()


@dataclass(frozen=True, slots=True, eq=False)
class Incoming:
    """What a panel has for one day: its slots of that day, and which of them have a value."""

    part: DayPart
    values: Values
    quality: q.Qualities
    present: Mask

    def take(self, rows: Places) -> Incoming:
        """Return some of the rows."""
        return Incoming(self.part, self.values[rows], self.quality[rows], self.present[rows])

    def whole(self, rows: Places | slice, slots: int) -> tuple[Values, q.Qualities]:
        """Return values and qualities of all slots of the day; without a value, MISSING."""
        values, quality = self.values[rows], self.quality[rows]
        if self.part.whole:
            return values, quality
        shape = (values.shape[0], slots)
        all_values, qualities = np.full(shape, np.nan), np.full(shape, q.MISSING, np.uint8)
        all_values[:, self.part.slots], qualities[:, self.part.slots] = values, quality
        return all_values, qualities


def out_of_sight(incoming: Incoming) -> Incoming:
    """Return what fills in as it counts where what is stored cannot be read: once that can be, it gives way to it."""
    told = q.of_register(incoming.quality) & incoming.present
    fills = q.with_method(incoming.quality, q.Method.FILLS)
    return replace(incoming, quality=np.where(told, fills, incoming.quality))


def fills_in(new: q.Qualities, stored: q.Qualities) -> Mask:
    """Tell which stored values what fills in takes the place of: none that is known, or may be once the archive is."""
    unsure = q.out_of_sight(new) & q.is_unsure(stored)
    return np.asarray((stored == q.TAKEN_BACK) | unsure, np.bool_)


def is_told(quality: q.Qualities) -> Mask:
    """Tell which values nobody sent: what register reads tell, or told."""
    return np.asarray(q.of_register(quality) | q.out_of_sight(quality) | (quality == q.TAKEN_BACK), np.bool_)
