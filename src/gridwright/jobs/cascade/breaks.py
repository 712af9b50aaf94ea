"""Where a series breaks off and begins again: all of it was loaded, and nothing was made between."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import ReadingType

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Breaks:
    """The time between the panels of each series that is in several of them."""

    of: Mapping[tuple[str, ReadingType], tuple[Interval, ...]]

    @classmethod
    def between(cls, panels: Iterable[Panel]) -> Breaks:
        """Return where nothing lies between panels that were made of one load."""
        found: dict[tuple[str, ReadingType], list[Interval]] = defaultdict(list)
        for panel in panels:
            for point in panel.points:
                found[point, panel.reading_type].append(panel.period)
        return cls({series: gaps for series, some in found.items() if len(some) > 1 and (gaps := _gaps(some))})

    def mask(self, panel: Panel) -> Mask:
        """Tell which slots of a panel lie in a break of their series."""
        lies = np.zeros(panel.values.shape, np.bool_)
        for row, point in enumerate(panel.points if self.of else ()):
            for gap in self.of.get((point, panel.reading_type), ()):
                first = max(-((panel.start - gap.start) // panel.interval), 0)
                last = max((gap.end - panel.start) // panel.interval, 0)
                lies[row, first:last] = True
        return lies


def _gaps(periods: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return what lies between periods, some of which may overlap."""
    ordered = sorted(periods, key=lambda each: each.start)
    ends = [max(each.end for each in ordered[:at]) for at in range(1, len(ordered))]
    begins = (each.start for each in ordered[1:])
    return tuple(Interval(end, begin) for end, begin in zip(ends, begins, strict=True) if end < begin)
