"""Forget readings: whole months that are old enough leave the database and the archive for good, with no way back.

First the limit moves, so that nothing older comes in again; then each month goes, the oldest first, a day in each
transaction, then its files. Killed anywhere, the next call goes on; where nothing is left, it does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from gridwright.domain.access import Access, Act
from gridwright.domain.errors import ConfigError, Conflict, StoreCorrupt
from gridwright.domain.month import month_days, month_name, month_of
from gridwright.jobs.upkeep.archive_months import ARCHIVE
from gridwright.jobs.upkeep.one_at_a_time import one_at_a_time
from gridwright.store import Store
from gridwright.store.archive.archive import ARCHIVED, ArchivePart
from gridwright.store.archive.file import Shelf

ShelfOf = Callable[[str], Shelf]
SPARE = 1  # a civil month begins in the UTC month before, or ends in the next one


@dataclass(frozen=True, slots=True)
class ForgottenReadings:
    """Which months were forgotten, how many readings the database had of them, and how many files were deleted.

    `waiting`: the month that is not closed yet, which those behind it wait for; `failed`: what could not be deleted.
    """

    months: tuple[str, ...] = ()
    readings: int = 0
    files: int = 0
    waiting: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OldMonth:
    """A month that would go: blocks in the database, blocks in the archive alone, and of how many usage points."""

    month: int
    blocks: int
    archived: int
    usage_points: int

    def __str__(self) -> str:
        return month_name(self.month)


def first_kept(now: datetime, months: int) -> int:
    """Return the first month of which readings are kept, where so many whole months are."""
    return month_of(now) - months - SPARE


def old_months(store: Store, access: Access, *, before: int, shelf_of: ShelfOf = Shelf.at) -> Iterator[OldMonth]:
    """Yield what `forget_readings` would forget; nothing is changed."""
    parts = store.archive.parts(access)
    for month in store.retention.months_of_readings(access, before):
        blocks, points = store.retention.points_of_month(access, month)
        away = [part for part in parts if part.month == month and part.state != ARCHIVED]
        for part in away:
            points |= _named(part, shelf_of)
        yield OldMonth(month, blocks, sum(part.blocks for part in away), len(points))


def _named(part: ArchivePart, shelf_of: ShelfOf) -> set[str]:
    """Return the usage points of a file; none where it cannot be read, which is no reason to keep the month."""
    try:
        return shelf_of(part.address).usage_points(part.name)
    except (StoreCorrupt, ConfigError):
        return set()


def forget_readings(store: Store, access: Access, *, before: int, shelf_of: ShelfOf = Shelf.at) -> ForgottenReadings:
    """Forget interval readings of the months before `before`, everywhere; run again, it does nothing.

    A month with changes that nobody dealt with waits, and those behind it. While another process works on the archive
    it is a Conflict. Bills, notes, day totals and register reads stay.
    """
    access.require(Act.ADMINISTER)
    months = store.retention.months_of_readings(access, before)
    if not months and store.retention.kept_from(access) >= month_days(before).start:
        return ForgottenReadings()
    with one_at_a_time(store, access, ARCHIVE):
        run = _Run(store, access, shelf_of)
        for month in months:
            if not run.forget(month):
                break
        else:
            store.retention.move_limit(access, before)
    return run.done()


class _Run:
    """Forgets month after month, and counts."""

    def __init__(self, store: Store, access: Access, shelf_of: ShelfOf) -> None:
        self.store, self.access, self.shelf_of = store, access, shelf_of
        self.months: list[str] = []
        self.waiting: list[str] = []
        self.failed: list[str] = []
        self.readings = self.files = 0

    def done(self) -> ForgottenReadings:
        """Return what was done."""
        told = (tuple(self.months), self.readings, self.files, tuple(self.waiting), tuple(self.failed))
        return ForgottenReadings(*told)

    def forget(self, month: int) -> bool:
        """Forget one month; False where it waits."""
        retention, begun = self.store.retention, month_days(month).start < self.store.retention.kept_from(self.access)
        waits = "" if begun else retention.month_waits(self.access, month)
        if waits:
            self.waiting.append(f"{month_name(month)}: {waits}")
            return False
        parts = [part for part in self.store.archive.parts(self.access) if part.month == month]
        # What left the database comes back first: what is counted of it leaves with it, by the same way as all else.
        lost = {part.kind for part in parts if not self._is_back(part)}
        retention.move_limit(self.access, month + 1)
        self.readings += retention.forget_month(self.access, month)
        kept = len(self.failed)
        for part in parts:
            self._delete(part, lost=part.kind in lost)
        if len(self.failed) == kept:
            self.months.append(month_name(month))
        return True

    def _is_back(self, part: ArchivePart) -> bool:
        if part.state == ARCHIVED:
            return True
        try:
            self.store.archive.restore(self.access, part, self.shelf_of(part.address))
        except (StoreCorrupt, ConfigError, Conflict):
            return False
        return True

    def _delete(self, part: ArchivePart, *, lost: bool) -> None:
        try:
            self.files += self.store.retention.forget_part(self.access, part, self.shelf_of, lost=lost)
        except (StoreCorrupt, ConfigError) as error:
            self.failed.append(f"{part}: {error}")
