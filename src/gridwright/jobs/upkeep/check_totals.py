"""Compare the totals of civil days with the final images that they are of, number by number; nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.calendar import date_of
from gridwright.domain.day_totals import FIELDS, DayTotals
from gridwright.domain.month import month_days
from gridwright.domain.reading_type import ReadingType, from_code
from gridwright.jobs.load.civil_totals import civil_totals
from gridwright.store import Store
from gridwright.store.archive.archive import ARCHIVED
from gridwright.store.archive.reading import database_alone
from gridwright.store.checks.checks import Checked, Finder

REMEDY = "gridwright vee again POINT has them added up again by the server, or by gridwright bill correct"
TOGETHER = 500
DAYS_AT_ONCE = 32
WORDS = {"total": "total", "peak": "highest interval", "peak_slot": "place of the highest interval"}


def check_totals(store: Store, access: Access) -> Checked:
    """Add up every civil day anew: each total is there, and each of its numbers is what the final readings say."""
    finder = Finder("day totals", REMEDY)
    kinds = store.checks.totalled(access)
    dropped = {
        day
        for part in store.archive.parts(access)
        if part.state != ARCHIVED
        for day in range(month_days(part.month).start - 1, month_days(part.month).stop + 1)
    }
    # Of what was forgotten nothing can be added up, of the first civil day that is kept perhaps not all.
    kept = store.retention.kept_from(access)
    dropped |= set(range(kept + 1)) if kept else set()
    by_zone: dict[str, list[str]] = {}
    # Of a usage point whose zone has changed they are those of the old one until the cascade comes.
    waiting = {each.usage_point for each in store.dirty.totals(access)}
    for point in (each for each in store.registry.points(access) if each.id not in waiting) if kinds else ():
        by_zone.setdefault(point.zone, []).append(point.id)
    for code, days in kinds.items():
        for zone, points in by_zone.items():
            work = _Totals(store, access, from_code(code), zone, finder, dropped)
            for first in range(days.start, days.stop, DAYS_AT_ONCE):
                part = range(first, min(first + DAYS_AT_ONCE, days.stop))
                for at in range(0, len(points), TOGETHER):
                    work.compare(points[at : at + TOGETHER], part)
    return finder.result()


@dataclass(frozen=True, slots=True)
class _Totals:
    """Compares the day totals of one reading type and zone; months that left the database cannot be added up."""

    store: Store
    access: Access
    kind: ReadingType
    zone: str
    finder: Finder
    dropped: set[int]

    def compare(self, points: Sequence[str], days: range) -> None:
        """Compare stored totals with those of the final readings, both of one moment."""
        with self.store.checks.steady(self.access):
            stored = self.store.day_totals.load(self.access, points, days, reading_type=self.kind)
            # Archived days are not compared, and their files are looked at by themselves.
            with database_alone():
                found = civil_totals(self.store, self.access, points, days, self.kind, zone=self.zone)
        self.finder.looked_at += int(stored.known.sum())
        differs = np.any([getattr(stored, name) != getattr(found, name) for name in FIELDS], axis=0)
        for row, column in np.argwhere(differs).tolist():
            if days[column] not in self.dropped:
                where = f"{points[row]}, {self.kind.code}, {date_of(days[column])}"
                self.finder.fault(f"{where}: {_what(stored, found, (row, column))}")


def _what(stored: DayTotals, found: DayTotals, at: tuple[int, int]) -> str:
    """Say how a stored total differs from the final readings of its day."""
    if not stored.known[at]:
        return f"there is no total, the final readings sum to {found.total[at]}"
    if not found.known[at]:
        return f"the total is {stored.total[at]}, and there are no final readings"
    name = next(each for each in FIELDS if getattr(stored, each)[at] != getattr(found, each)[at])
    said, right = getattr(stored, name)[at], getattr(found, name)[at]
    if name == "total":
        return f"the total is {said}, the final readings sum to {right}"
    return f"the {WORDS.get(name, f'number of {name} intervals')} is {said}, by the final readings it is {right}"
