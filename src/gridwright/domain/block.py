"""IntervalBlock: one usage point's consecutive intervals, as a view on a row of a panel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from gridwright.domain.panel import Panel, Values
from gridwright.domain.quality import Method, Qualities, Status
from gridwright.domain.reading_type import ReadingType


@dataclass(frozen=True, slots=True)
class IntervalReading:
    """One interval of a block: start, value in counts (None = no value), status and estimation method."""

    start: datetime
    value: float | None
    status: Status
    method: Method


@dataclass(frozen=True, slots=True, eq=False)
class IntervalBlock:
    """Row `row` of `panel`: the few's view of the many (CIM IntervalBlock); shares the panel's memory."""

    panel: Panel
    row: int = 0

    @property
    def usage_point(self) -> str:
        """Usage point the readings belong to."""
        return self.panel.points[self.row]

    @property
    def reading_type(self) -> ReadingType:
        """Meaning of the values."""
        return self.panel.reading_type

    @property
    def interval(self) -> timedelta:
        """Length of each interval."""
        return self.panel.interval

    @property
    def values(self) -> Values:
        """Counts, float64[slots], NaN = no value."""
        row: Values = self.panel.values[self.row]
        return row

    @property
    def quality(self) -> Qualities:
        """Quality bytes, uint8[slots]."""
        row: Qualities = self.panel.quality[self.row]
        return row

    def __len__(self) -> int:
        return self.panel.slots

    def __iter__(self) -> Iterator[IntervalReading]:
        for slot, (value, quality) in enumerate(zip(self.values.tolist(), self.quality.tolist(), strict=True)):
            start = self.panel.start + self.panel.interval * slot
            shown = None if value != value else value  # noqa: PLR0124 - NaN is the only value unequal to itself
            yield IntervalReading(start, shown, Status(quality & 0x0F), Method(quality >> 4))
