"""Add up day totals again whose zone changed: the final images stand, other midnights part them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.calendar import day_number
from gridwright.domain.errors import AccessDenied, ArchiveUnreadable, GridwrightError, StoreError
from gridwright.domain.reading_type import ReadingType
from gridwright.jobs.cascade.claim_ranges import Overtaken, claim
from gridwright.jobs.load.civil_totals import civil_totals
from gridwright.store import DirtyRange, Store

DAYS_TOGETHER = 40_000  # usage points × days that are loaded at once
# From the farthest east to the farthest west a midnight moves by more than a day.
MOVED = 2


@dataclass(slots=True)
class SummedAgain:
    """Whose totals were added up again, how many changed, and how many of the ranges wait, with the reasons."""

    points: frozenset[str] = frozenset()
    ranges: int = 0
    days: int = 0
    waiting: int = 0
    failed: dict[str, GridwrightError] = field(default_factory=dict)


def sum_again(store: Store, access: Access, *, now: datetime, points: Sequence[str] | None = None) -> SummedAgain:
    """Add up the day totals that wait for it, some usage points at a time, each part in one transaction.

    Nothing is judged. Who needs an archived month of which the file cannot be read waits, and stops nobody else.
    """
    ranges = store.dirty.totals(access, points=points)
    done = SummedAgain(frozenset(each.usage_point for each in ranges), len(ranges))
    if ranges:
        run = _Run(store, access, now, store.day_totals.reach(access), done)
        for some in _together(ranges):
            run.carry(some)
    return done


def _together(ranges: Sequence[DirtyRange]) -> Iterator[list[DirtyRange]]:
    """Yield the ranges of so many usage points as are loaded at once, those of like length together."""
    some: list[DirtyRange] = []
    for each in sorted(ranges, key=lambda each: (each.to_day - each.from_day, each.usage_point)):
        if some and (len(some) + 1) * (each.to_day - each.from_day).days > DAYS_TOGETHER:
            yield some
            some = []
        some.append(each)
    if some:
        yield some


@dataclass(frozen=True, slots=True)
class _Run:
    """Adds up one part after the other; `reach`: the civil days of which there are totals of each type."""

    store: Store
    access: Access
    now: datetime
    reach: Mapping[ReadingType, range]
    done: SummedAgain

    def carry(self, ranges: Sequence[DirtyRange]) -> None:
        """Add up one part; where it fails, its halves, until the usage point that fails is alone."""
        try:
            with self.store.transaction(cascade=f"cascade-{min(each.key for each in ranges)}-totals"):
                claim(self.store, self.access, ranges)
                days = range(
                    min(day_number(each.from_day) for each in ranges), max(day_number(each.to_day) for each in ranges)
                )
                changed = sum(self._zone(zone, names, days) for zone, names in self._by_zone(ranges).items())
        except Overtaken:
            self.done.waiting += len(ranges)
        except ArchiveUnreadable as error:
            self._halve(ranges, error)
        except (AccessDenied, StoreError):
            raise
        except GridwrightError as error:
            self._halve(ranges, error)
        else:
            self.done.days += changed

    def _halve(self, ranges: Sequence[DirtyRange], error: GridwrightError) -> None:
        if len(ranges) == 1:
            self.done.waiting += 1
            self.done.failed[ranges[0].usage_point] = error
            return
        middle = len(ranges) // 2
        self.carry(ranges[:middle])
        self.carry(ranges[middle:])

    def _by_zone(self, ranges: Sequence[DirtyRange]) -> dict[str, list[str]]:
        """Return the usage points by the zone that they have now, within the transaction that adds up."""
        found: dict[str, list[str]] = defaultdict(list)
        for point in self.store.registry.points(self.access, sorted({each.usage_point for each in ranges})):
            found[point.zone].append(point.id)
        return found

    def _zone(self, zone: str, names: Sequence[str], days: range) -> int:
        return sum(self._kind(zone, names, kind, days) for kind in self.reach)

    def _kind(self, zone: str, names: Sequence[str], kind: ReadingType, days: range) -> int:
        """Add up one series of usage points; what is stored of days that are not any more is known no longer.

        `days`: of their readings; edits may lie beyond them, and totals may be lost.
        """
        reach = self.reach[kind]
        stored = self.store.day_totals.load(self.access, names, reach, reading_type=kind)
        there = [reach[column] for column in np.flatnonzero(stored.known.any(axis=0)).tolist()]
        near = range(min([days.start, *there]) - MOVED, max([days.stop, *(day + 1 for day in there)]) + MOVED)
        totals = civil_totals(self.store, self.access, names, near, kind, zone=zone)
        kept = self.store.day_totals.save(self.access, totals, known_at=self.now, gone=~totals.known)
        return kept.new + kept.changed
