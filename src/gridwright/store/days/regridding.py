"""A stored day that one on another grid takes the place of: the old image is kept, the new one counts on from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gridwright.store.days.blocks import FEW, marks
from gridwright.store.days.patching import KEEP
from gridwright.store.session import Unit

WHICH = "FROM block WHERE reading_type = ? AND day = ? AND usage_point IN ({marks})"
REVISIONS = f"SELECT usage_point, revision {WHICH}"
DELETE = f"DELETE {WHICH}"
FOLLOW = "UPDATE block SET revision = ? WHERE reading_type = ? AND day = ? AND usage_point = ?"


def set_aside(unit: Unit, kind: int, day: int, keys: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Move the stored images of some usage points to the version table; returns key and revision of each."""
    every: list[int] = keys.tolist()
    unit.run_many(KEEP, [(kind, day, key, key) for key in every])
    found: list[tuple[int, int]] = []
    for at in range(0, len(every), FEW):
        part = every[at : at + FEW]
        found += [(row[0], row[1]) for row in unit.fetch(REVISIONS.format(marks=marks(len(part))), (kind, day, *part))]
        unit.run_many(DELETE.format(marks=marks(len(part))), [(kind, day, *part)])
    return found


def follow(unit: Unit, kind: int, day: int, aside: Sequence[tuple[int, int]]) -> None:
    """Let the images that were added since be the next revision of those that were set aside."""
    unit.run_many(FOLLOW, [(revision + 1, kind, day, key) for key, revision in aside])
