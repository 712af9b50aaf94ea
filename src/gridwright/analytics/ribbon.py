"""What the data are made of: measured, estimated, edited, missing or rejected, by local day and as runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.calendar import date_of
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel, slot_time

GROUPS: Mapping[str, tuple[q.Status, ...]] = {
    "measured": q.MEASURED,
    "estimated": q.ESTIMATES,
    "edited": (q.Status.EDITED, q.Status.DERIVED),
    "missing": (q.Status.MISSING,),
    "rejected": (q.Status.REJECTED,),
}
NAMES = tuple(GROUPS)


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of one quality: its name, when, and how many intervals."""

    name: str
    period: Interval
    slots: int


@dataclass(frozen=True, slots=True, eq=False)
class Ribbon:
    """Quality of one usage point over time.

    `slots`: int64[5, days] intervals of each of NAMES by local day from `first` on; `expected`: int64[days] intervals
    that the whole day has; `runs`: every stretch that is not measured, in order.
    """

    first: date
    slots: npt.NDArray[np.int64]
    expected: npt.NDArray[np.int64]
    runs: tuple[Run, ...]

    @property
    def shares(self) -> dict[str, npt.NDArray[np.float64]]:
        """Share of each day's expected intervals by name, float64[days]; a day at the edge may sum to less than one."""
        return {name: self.slots[at] / self.expected for at, name in enumerate(NAMES)}

    @property
    def totals(self) -> dict[str, int]:
        """Intervals of each name over the whole period."""
        return dict(zip(NAMES, self.slots.sum(axis=1).tolist(), strict=True))


def quality_ribbon(panel: Panel, zone: ZoneInfo | str) -> Ribbon:
    """Return the quality of the one row by local day."""
    calendar = panel.calendar(zone)
    starts = calendar.day_starts
    group = group_of(panel.quality[0])
    is_of = group[None, :] == np.arange(len(NAMES))[:, None]
    slots = np.add.reduceat(is_of, starts, axis=1, dtype=np.int64) if starts.size else np.zeros((5, 0), np.int64)
    first = date_of(int(calendar.day[0])) if panel.slots else panel.start.date()
    return Ribbon(first, slots, calendar.expected_slots().astype(np.int64), _runs(panel, group))


def group_of(quality: q.Qualities) -> npt.NDArray[np.int8]:
    """Return the number in NAMES of each quality byte."""
    table = np.zeros(256, np.int8)
    for number, statuses in enumerate(GROUPS.values()):
        for status in statuses:
            table[int(status) :: 16] = number
    return table[quality]


def _runs(panel: Panel, group: npt.NDArray[np.int8]) -> tuple[Run, ...]:
    edges = np.flatnonzero(np.diff(group)) + 1
    bounds = [0, *edges.tolist(), group.size] if group.size else [0]
    return tuple(
        Run(NAMES[group[first]], Interval(slot_time(panel, first), slot_time(panel, last)), last - first)
        for first, last in pairwise(bounds)
        if group[first] != 0
    )
