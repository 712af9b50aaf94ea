"""The state of stored images: two equal looks mean that nobody wrote to them in between, without reading them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gridwright.store.days.blocks import PACKET, marks, which_points
from gridwright.store.session import Unit

STATE = (
    "SELECT usage_point, COUNT(*), SUM(revision), SUM(additions) FROM block "
    "WHERE reading_type = ? AND day IN ({days}) AND {which} GROUP BY usage_point"
)
DAYS = "SELECT day FROM block WHERE reading_type = ? AND day IN ({days}) AND usage_point = ?"


class ImageState(NamedTuple):
    """How many days there are of a usage point's images, and how often they were written to; it only counts up."""

    days: int = 0
    revisions: int = 0
    additions: int = 0


def read_image_states(
    unit: Unit, kinds: Iterable[int], keys: npt.NDArray[np.int64], days: range
) -> dict[int, ImageState]:
    """Return the state of each usage point (`keys`, ascending) on UTC days, all `kinds` together."""
    found = dict.fromkeys(keys.tolist(), ImageState())
    for at in range(0, keys.size, PACKET):
        which, points = which_points(keys[at : at + PACKET])
        for kind in kinds:
            for begin in range(0, len(days), PACKET):
                part = days[begin : begin + PACKET]
                # Each day by name: over a span of days a server would walk through everybody else's blocks.
                sql = STATE.format(days=marks(len(part)), which=which)
                for key, *counts in unit.fetch(sql, (kind, *part, *points)):
                    if key in found:
                        found[key] = ImageState(*(int(a + b) for a, b in zip(found[key], counts, strict=True)))
    return found


def read_image_days(unit: Unit, kinds: Iterable[int], key: int, days: range) -> set[int]:
    """Return on which of some UTC days a usage point has an image of any of the `kinds`."""
    found: set[int] = set()
    for kind in kinds:
        for begin in range(0, len(days), PACKET):
            part = days[begin : begin + PACKET]
            found.update(day for (day,) in unit.fetch(DAYS.format(days=marks(len(part))), (kind, *part, key)))
    return found
