"""The instants of records of a CIM message, and the verdicts on those that have none."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gridwright.formats.far_dates import REMEDY, TOO_EARLY, TOO_LATE
from gridwright.formats.markup import Records, Refusals
from gridwright.formats.markup.numbers import instants
from gridwright.formats.markup.tags import Index
from gridwright.formats.zones import wall_to_utc

Mask = npt.NDArray[np.bool_]


def moments(
    found: Records, what: str, leaf: tuple[Index, Index, Mask], told: tuple[Refusals, str], keep: Mask
) -> tuple[Index, Mask]:
    """Return the instant of each record and which have one; what has none is refused.

    `leaf`: spans of the stamps, and which records have two; `told`: where it is told, and the zone of naive stamps.
    """
    (start, end, twice), (refusals, zone) = leaf, told
    stamps = instants(found.tags.text, np.maximum(start, 0), np.where(start < 0, 0, end))
    good = stamps.good & (start >= 0) & ~twice
    far, early = keep & stamps.beyond & (start >= 0) & ~twice, stamps.wall < 0
    refusals.some(found, far & early, (f"{what} {TOO_EARLY}", REMEDY), (start, end))
    refusals.some(found, far & ~early, (f"{what} {TOO_LATE}", REMEDY), (start, end))
    undated = f"{what} is no date and time", "write it like 2025-03-30T00:15:00Z"
    refusals.some(found, keep & ~good & ~far, undated, (start, end))
    at = stamps.wall - np.where(stamps.has_offset, stamps.offset, 0)
    naive = np.flatnonzero(good & ~stamps.has_offset)
    if naive.size:
        at[naive] = wall_to_utc(stamps.wall[naive], zone)[0]
    return at, keep & good
