"""Totals of the civil days within which the interval length changes: both of its parts are added up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gridwright.domain.access import Access
from gridwright.domain.calendar import day_number
from gridwright.domain.day_totals import DayTotals
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval, zone_of
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import ReadingType
from gridwright.jobs.cascade.correct_scope import Scope
from gridwright.jobs.load.civil_totals import seam_totals
from gridwright.jobs.load.load_stretches import seams_of
from gridwright.store import Store

DAY = timedelta(days=1)


@dataclass(slots=True)
class SeamDays:
    """The seam days of the usage points of a scope, of whose readings `panels` are made anew.

    Each part of such a day lies in another panel: `left_out` takes it from the totals of one, `save` adds up both.
    """

    store: Store
    access: Access
    scope: Scope
    panels: Sequence[Panel]
    _mixed: frozenset[str] | None = None
    _found: dict[tuple[str, ReadingType, str], set[int]] = field(default_factory=dict)

    def left_out(self, totals: DayTotals, zone: str) -> DayTotals:
        """Return day totals without the days on which the grid changes."""
        rows = [row for row, point in enumerate(totals.points) if point in self._changing()]
        names = [totals.points[row] for row in rows]
        if not names:
            return totals
        around = Interval(self.scope.period.start - DAY, self.scope.period.end + DAY)
        starts: dict[str, list[datetime]] = defaultdict(list)
        kind = totals.reading_type
        for each in self.store.readings.stretches(self.access, names, around, reading_type=kind, image=Image.FINAL):
            starts[each.usage_point].append(each.period.start)
        intervals = totals.intervals.copy()
        for row, name in zip(rows, names, strict=True):
            for seam in starts[name][1:]:
                day = day_number(seam.astimezone(zone_of(zone)).date())
                self._found.setdefault((name, kind, zone), set()).add(day)
                if day in totals.days:
                    intervals[row, day - totals.first_day] = 0
        return replace(totals, intervals=intervals)

    def save(self, now: datetime) -> int:
        """Add up the days that were left out, from the final images as they are now; returns how many changed."""
        changed = 0
        for (name, kind, zone), days in self._found.items():
            for day in days:
                totals = seam_totals(self.store, self.access, name, day, kind, zone=zone)
                if totals is not None:
                    kept = self.store.day_totals.save(self.access, totals, known_at=now, gone=~totals.known)
                    changed += kept.new + kept.changed
        return changed

    def _changing(self) -> frozenset[str]:
        """Return the usage points that have series of several interval lengths, or on several phases of one."""
        if self._mixed is None:
            lengths: dict[tuple[str, ReadingType], int] = defaultdict(int)
            for extent in self.store.readings.extents(self.access, self.scope.points):
                lengths[extent.usage_point, extent.reading_type] += 1
            here = {point for (point, _), count in lengths.items() if count > 1}
            self._mixed = frozenset(here | {point for point, _ in seams_of(self.panels)})
        return self._mixed
