"""Readings as they come: columns of (usage point, instant, value), before they are laid on a grid."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from gridwright.domain.quality import Qualities
from gridwright.domain.reading_type import DELIVERED_ENERGY, ReadingType

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)  # before it there were no such meters, whichever way readings come in
AHEAD = timedelta(minutes=5)  # a meter's clock may be ahead by so much


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """n readings of one reading type in columns.

    `point`: int32[n] into `points`; `at`: int64[n] epoch seconds (interval start; the instant itself for registers);
    `value`: float64[n] in counts of the reading type's resolution; `quality`: uint8[n]; `line`: int64[n], 1-based
    place in the source. `interval_s` is 0 for registers and instantaneous reads without a grid. `presumed`: bool[n]
    where sources named usage points alone, and `devices` are the meters on record there; None where none did.
    """

    points: tuple[str, ...]
    point: npt.NDArray[np.int32]
    at: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    quality: Qualities
    line: npt.NDArray[np.int64]
    interval_s: int = 0
    reading_type: ReadingType = DELIVERED_ENERGY
    devices: tuple[str, ...] = field(default=())
    presumed: npt.NDArray[np.bool_] | None = None

    @property
    def size(self) -> int:
        """Number of readings."""
        return int(self.at.size)

    def of_points(self) -> Readings:
        """Return them without their meters: intervals of a usage point are one series, whichever meter measured."""
        place = {name: number for number, name in enumerate(dict.fromkeys(self.points))}
        entry = np.array([place[name] for name in self.points], np.int32)
        return replace(self, points=tuple(place), point=entry[self.point], devices=())
