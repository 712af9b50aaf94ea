"""E01: an alternate meter's readings stand in, scaled by the transformer factors, where both meters agree (V36)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.errors import GridMismatch
from gridwright.domain.panel import Panel
from gridwright.vee.ladder import Ladder
from gridwright.vee.runs import Floats, Mask, running_sum
from gridwright.vee.wall import WallClock


@dataclass(frozen=True, slots=True, eq=False)
class CheckMeter:
    """Readings of check meters under the ids of the usage points that they check.

    `factor`: multiplier of the main meter over that of the check meter, 1 where it is not named.
    """

    panel: Panel
    factor: Mapping[str, float] = field(default_factory=dict)

    def of(self, panel: Panel) -> Floats:
        """Return the check meters' values on the grid and in the counts of `panel`, NaN where none is trusted.

        Another interval or phase is a GridMismatch.
        """
        mine = self.panel
        if mine.interval != panel.interval:
            raise GridMismatch(
                f"check readings of {mine.interval_s} s do not fit main readings of {panel.interval_s} s",
                remedy="resample one of them",
            )
        rows = {point: row for row, point in enumerate(mine.points)}
        found = np.full(panel.values.shape, np.nan)
        pairs = [(row, rows[point]) for row, point in enumerate(panel.points) if point in rows]
        if not pairs:
            return found
        to, source = (list(side) for side in zip(*pairs, strict=True))
        laid = mine.rows(source).regrid(panel.period)
        factor = np.array([self.factor.get(panel.points[row], 1.0) for row in to])
        scale = mine.reading_type.resolution / panel.reading_type.resolution
        trusted = np.where(q.has_status(laid.quality, q.MEASURED), laid.values, np.nan)
        found[to] = trusted * (factor * scale)[:, None]
        return found


def usable_check(known: Floats, check: Floats, wall: WallClock, ladder: Ladder) -> Floats:
    """Return the check values of those days around which both meters agree: |m - c| / m within the tolerance (V36).

    Compared are the intervals that both know on the day and `check_days` before and after; there must be a day's worth.
    """
    both = ~np.isnan(known) & ~np.isnan(check)
    if not both.any():
        return np.full(check.shape, np.nan)
    main = _around(np.where(both, known, 0.0), wall, ladder.check_days)
    other = _around(np.where(both, check, 0.0), wall, ladder.check_days)
    number = _around(both.astype(np.float64), wall, ladder.check_days)
    agree: Mask = (number >= wall.width) & (np.abs(main - other) <= ladder.check_tolerance * np.abs(main))
    return np.where(agree[:, wall.day], check, np.nan)


def _around(values: Floats, wall: WallClock, days: int) -> Floats:
    """Return for each local day the sum over it and `days` on both sides, float64[rows, days]."""
    begins = np.searchsorted(wall.day, np.arange(wall.days + 1))
    total = running_sum(values)
    first = begins[np.maximum(np.arange(wall.days) - days, 0)]
    last = begins[np.minimum(np.arange(wall.days) + days + 1, wall.days)]
    return total[:, last] - total[:, first]
