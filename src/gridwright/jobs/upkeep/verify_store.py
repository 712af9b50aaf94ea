"""Verify the store: compute every checksum, sum and count anew, and name what does not agree; nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.domain.access import Access
from gridwright.domain.calendar import date_of
from gridwright.domain.day_totals import Numbers, day_totals, no_totals
from gridwright.domain.errors import GridMismatch, GridwrightError, NotFound
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval, local_midnight, zone_of
from gridwright.domain.month import month_days
from gridwright.domain.reading_type import ReadingType, from_code
from gridwright.store import Store
from gridwright.store.archive.archive import ARCHIVED
from gridwright.store.archive.file import Shelf
from gridwright.store.archive.reading import database_alone
from gridwright.store.checks.checks import Checked, Finder

TOGETHER = 500
DAYS_AT_ONCE = 32
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Verified:
    """The checks, in order."""

    checks: tuple[Checked, ...]

    @property
    def ok(self) -> bool:
        """Whether everything agrees."""
        return all(check.ok for check in self.checks)


def verify_store(
    store: Store,
    access: Access,
    *,
    deep: bool = False,
    progress: Progress | None = None,
    shelf_of: Callable[[str], Shelf] = Shelf.at,
) -> Verified:
    """Check everything, and go on where something is found.

    `deep`: also every row in the archive, what the database still holds of archived months against it, and indexes.
    """
    more = _steps(store, access, progress)
    file = _survived("database file", lambda: [store.checks.file(access, deep=deep)])
    if not file[0].ok:  # pages that are damaged say nothing about what they hold
        return Verified(tuple(file))
    journal = _survived("journal", lambda: [store.checks.journal(access)])
    blocks = _survived("blocks", lambda: store.checks.blocks(access, more))
    return Verified(
        (
            *file,
            *journal,
            *_survived("audit chain", lambda: [_audit(store, access)]),
            *blocks,
            *(_survived("day totals", lambda: [_totals(store, access)]) if blocks[0].ok else ()),
            *_survived("money", lambda: store.checks.money(access)),
            *_survived("references", lambda: store.checks.links(access)),
            *_survived("archive files", lambda: [store.checks.archive(access, shelf_of, deep=deep)]),
            *_survived("archived months", lambda: [store.checks.archived(access, shelf_of, deep=deep)]),
            *_survived("sealed data", lambda: [store.checks.sealed(access)]),
        )
    )


def _steps(store: Store, access: Access, progress: Progress | None) -> Callable[[int], None]:
    """Return what counts blocks as they are done; nobody looking costs nothing."""
    if progress is None:
        return lambda _: None
    try:
        total, done = max(store.checks.rows(access), 1), 0
    except GridwrightError:  # too damaged to count: the checks will tell
        return lambda _: None

    def more(rows: int) -> None:
        nonlocal done
        done += rows
        progress(min(done, total), total)

    return more


def _survived(name: str, check: Callable[[], list[Checked]]) -> list[Checked]:
    """Return what a check found; that it could not go on is a fault of its own, and stops no other."""
    try:
        return check()
    except GridwrightError as error:
        return [Checked(name, 0, 1, (error.message,), error.remedy)]


def _audit(store: Store, access: Access) -> Checked:
    finder = Finder("audit chain", "someone has changed the database from outside; compare it with a backup")
    try:
        finder.looked_at = store.audit.verify(access)
    except GridwrightError as error:
        finder.fault(error.message)
    return finder.result()


def _totals(store: Store, access: Access) -> Checked:
    """Compare the totals of civil days with the final readings that they are sums of; damaged blocks have no sum."""
    finder = Finder("day totals", "mark the days dirty; the cascade then adds them up again")
    kinds = store.checks.totalled(access)
    dropped = {
        day
        for part in store.archive.parts(access)
        if part.state != ARCHIVED
        for day in range(month_days(part.month).start - 1, month_days(part.month).stop + 1)
    }
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
        """Compare the stored totals with the sums of the final readings, both of one moment."""
        with self.store.checks.steady(self.access):
            self._compare(points, days)

    def _compare(self, points: Sequence[str], days: range) -> None:
        stored = self.store.day_totals.load(self.access, points, days, reading_type=self.kind)
        rows = np.flatnonzero(stored.known.any(axis=1))
        if not rows.size:
            return
        stored = stored.rows(rows)
        try:
            found, counted = self._summed(stored.points, days)
        except GridMismatch:  # several intervals: one usage point and day after the other
            if len(stored.points) > 1:
                for point in stored.points:
                    self.compare([point], days)
            elif len(days) > 1:
                for day in days:
                    self.compare(stored.points, range(day, day + 1))
            return
        self.finder.looked_at += int(stored.known.sum())
        differs = stored.known & ((found != stored.total) | ~counted)
        for row, column in np.argwhere(differs).tolist():
            if days[column] not in self.dropped:
                self.finder.fault(
                    f"{stored.points[row]}, {self.kind.code}, {date_of(days[column])}: the total is "
                    f"{stored.total[row, column]}, the final readings sum to {found[row, column]}"
                )

    def _summed(self, points: Sequence[str], days: range) -> tuple[Numbers, npt.NDArray[np.bool_]]:
        found = no_totals(points, days, self.kind)
        start, end = (local_midnight(date_of(day), zone_of(self.zone)) for day in (days.start, days.stop))
        try:
            period = Interval(start, end)
            # Archived days are not compared, and their files are looked at by themselves.
            with database_alone():
                panel = self.store.readings.load(self.access, points, period, reading_type=self.kind, image=Image.FINAL)
        except NotFound:
            return found.total, found.known
        sums = day_totals(panel, self.zone)
        at = slice(sums.first_day - days.start, sums.first_day - days.start + len(sums.days))
        found.total[:, at], found.intervals[:, at] = sums.total, sums.intervals
        return found.total, found.known
