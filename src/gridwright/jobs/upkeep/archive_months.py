"""Archive closed months, drop from the database what the archive was verified to hold, and bring months back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta

from gridwright.domain.access import Access, Act
from gridwright.domain.errors import ArchiveUnreadable, ConfigError, Conflict, NotFound, StoreCorrupt, UsageError
from gridwright.domain.interval import Interval
from gridwright.domain.month import month_name, month_of, months_of
from gridwright.jobs.meters.derive_restored import derive_restored
from gridwright.jobs.meters.on_behalf import on_behalf
from gridwright.jobs.upkeep.archive_files import look_at_files
from gridwright.jobs.upkeep.one_at_a_time import one_at_a_time
from gridwright.store import Store
from gridwright.store.archive.archive import ARCHIVED, DROPPING, ArchivePart, OpenMonth
from gridwright.store.archive.file import Shelf

ARCHIVE = "archive"  # the lease of whoever writes, drops, moves or deletes; bringing back waits for nobody
Progress = Callable[[int, int], None]
ShelfOf = Callable[[str], Shelf]


@dataclass(frozen=True, slots=True)
class Policy:
    """When months go to the archive, and when they leave the database.

    `to`: a folder or an address of a file system; `after_months` whole months must have passed; `keep_months`: how
    many stay in the database, None = all of them.
    """

    to: str
    after_months: int = 3
    keep_months: int | None = None


@dataclass(frozen=True, slots=True)
class Archived:
    """What was done: parts written, dropped, and found in order; and which months wait, with the reason."""

    written: tuple[str, ...]
    dropped: tuple[str, ...]
    current: int
    waiting: tuple[str, ...]
    failed: tuple[str, ...]
    blocks: int
    readings: int


@dataclass(frozen=True, slots=True)
class Pruned:
    """Which superseded files were deleted, or would be, how many bytes that is, and why others were not looked at."""

    files: tuple[str, ...]
    bytes: int
    failed: tuple[str, ...]


class _Steps:
    """Counts blocks as they are done."""

    def __init__(self, total: int, tell: Progress | None) -> None:
        self.done, self.total, self.tell = 0, total, tell

    def __call__(self, more: int) -> None:
        self.done += more
        if self.tell:
            self.tell(self.done, self.total)


def archive_months(
    store: Store,
    access: Access,
    to: str,
    *,
    before: int,
    drop_before: int | None = None,
    progress: Progress | None = None,
    shelf_of: ShelfOf = Shelf.at,
) -> Archived:
    """Archive the closed months before `before`, and drop those before `drop_before`.

    Run again, it writes only what changed, and what is gone of an archive that is there. Months with changes that
    nobody dealt with wait. A month that cannot be written or verified stops none of the others. While another process
    archives it is a Conflict.
    """
    with one_at_a_time(store, access, ARCHIVE):
        return _archive(store, access, shelf_of(to), before, drop_before, progress=progress, shelf_of=shelf_of)


def _archive(
    store: Store,
    access: Access,
    shelf: Shelf,
    before: int,
    drop_before: int | None,
    *,
    progress: Progress | None,
    shelf_of: ShelfOf,
) -> Archived:
    months = store.archive.months(access, before)
    gone = _gone(store, access, months, shelf, shelf_of)
    ready = [
        month
        for month in months
        if not month.waits_for and (not month.is_archived or (month.kind, month.month) in gone)
    ]
    leaving = _leaving(store, access, months, drop_before)
    total = sum(month.blocks for month in ready) + sum(part.blocks for part in leaving)
    steps = _Steps(total, progress)
    written, failed = [], []
    for month in ready:
        try:
            written.append(store.archive.write(access, month, shelf, progress=steps))
        except (Conflict, StoreCorrupt) as error:
            failed.append(f"{month}: {error}")
    dropped = _drop(
        store, access, _leaving(store, access, months, drop_before), steps, shelf_of=shelf_of, failed=failed
    )
    waits = [f"{month}: {month.waits_for}" for month in months if month.waits_for]
    return Archived(
        tuple(str(part) for part in written),
        tuple(dropped),
        sum(1 for month in months if month.is_archived and not month.waits_for and month not in ready),
        tuple(waits),
        tuple(failed),
        sum(part.blocks for part in written),
        sum(part.readings for part in written),
    )


def _gone(
    store: Store, access: Access, months: Sequence[OpenMonth], shelf: Shelf, shelf_of: ShelfOf
) -> set[tuple[int, int]]:
    """Return which months' files are not where they are registered.

    Where the archive that is written to is gone as a whole, none is: its disk may only not be mounted.
    """
    whole = {(month.kind, month.month) for month in months if month.is_archived}
    parts = [part for part in store.archive.parts(access) if (part.kind, part.month) in whole]
    looks = [each for each in look_at_files(parts, shelf_of) if each.files or each.address != shelf.address]
    return {(part.kind, part.month) for each in looks for part in each.missing}


def _leaving(store: Store, access: Access, months: Sequence[OpenMonth], drop_before: int | None) -> list[ArchivePart]:
    """Return the parts that leave the database now: archived, closed, and old enough; or half dropped."""
    if drop_before is None:
        return []
    closed = {(month.kind, month.month) for month in months if not month.waits_for}
    return [
        part
        for part in store.archive.parts(access)
        if part.month < drop_before
        and (part.state == DROPPING or (part.state == ARCHIVED and (part.kind, part.month) in closed))
    ]


def _drop(
    store: Store,
    access: Access,
    parts: Sequence[ArchivePart],
    steps: _Steps,
    *,
    shelf_of: ShelfOf,
    failed: list[str],
) -> list[str]:
    dropped = []
    for part in parts:
        try:
            store.archive.drop(access, part, shelf_of(part.address), progress=steps)
            dropped.append(str(part))
        except (Conflict, StoreCorrupt) as error:
            failed.append(f"{part}: {error}")
    return dropped


def restore_month(
    store: Store, access: Access, month: int, *, progress: Progress | None = None, shelf_of: ShelfOf = Shelf.at
) -> tuple[ArchivePart, ...]:
    """Bring back every series of a month of which days are missing; NotFound when the archive has none of it."""
    if not any(part.month == month for part in store.archive.parts(access)):
        raise NotFound(f"{month_name(month)} is not in the archive", remedy="gridwright archive list")
    gone = store.archive.lacking(access, month)
    steps = _Steps(sum(part.blocks for part in gone), progress)
    again = derive_restored(store, access)
    return tuple(
        store.archive.restore(access, part, shelf_of(part.address), progress=steps, again=again) for part in gone
    )


def prune_archive(
    store: Store,
    access: Access,
    *,
    older_days: int,
    now: datetime,
    dry_run: bool = False,
    shelf_of: ShelfOf = Shelf.at,
) -> Pruned:
    """Delete archive files that newer ones of their month have stood for since so many days."""
    before = now - timedelta(days=older_days)
    with nullcontext() if dry_run else one_at_a_time(store, access, ARCHIVE):
        files, failed = store.archive.prune(access, before, shelf_of, dry_run=dry_run)
    return Pruned(tuple(one.place for one in files), sum(one.bytes for one in files), tuple(map(str, failed)))


def bring_back(
    store: Store, access: Access, *, shelf_of: ShelfOf = Shelf.at, lost: dict[int, ArchiveUnreadable] | None = None
) -> int:
    """Restore what waiting changes need of dropped months, and return how many series-months; mostly there are none.

    To be called before changes are dealt with: a late reading alone must not stand for its month. A month of which a
    file cannot be read stays where it is, and is told in `lost`: the changes that need it wait, and no others.
    """
    back = 0
    for part in store.archive.wanted_back(access):
        try:
            store.archive.restore(access, part, shelf_of(part.address), again=derive_restored(store, access))
            back += 1
        except (StoreCorrupt, ConfigError) as error:
            told = f"{part} is in the archive and cannot be brought back: {error.message}"
            if lost is not None:
                lost.setdefault(
                    part.month, ArchiveUnreadable(told, where=error.where or part.place, remedy=error.remedy)
                )
    return back


def bring_back_for(store: Store, access: Access, period: Interval, *, shelf_of: ShelfOf = Shelf.at) -> int:
    """Restore the dropped months that a period lies in, and return how many series-months; mostly there are none.

    To be called before a period is billed: without its first hours, which lie in the month before by UTC, or without
    the year up to it, a bill would be another. Done in Gridwright's own name where `access` may not.
    """
    own = on_behalf(access, Act.ADMINISTER)
    months = months_of(period)
    parts = [part for part in store.archive.parts(own) if part.state != ARCHIVED and part.month in months]
    for part in parts:
        store.archive.restore(own, part, shelf_of(part.address), again=derive_restored(store, own))
    return len(parts)


def months_away(store: Store, access: Access) -> frozenset[int]:
    """Return the months of which a series has left the database; asked in Gridwright's own name."""
    own = on_behalf(access, Act.ADMINISTER)
    return frozenset(part.month for part in store.archive.parts(own) if part.state != ARCHIVED)


def keep_policy(store: Store, access: Access, policy: Policy, now: datetime) -> Archived:
    """Do what the settings say of old months; called every hour or month, it does nothing twice."""
    this = month_of(now)
    drop = None if policy.keep_months is None else this - max(policy.keep_months, policy.after_months)
    return archive_months(store, access, policy.to, before=this - policy.after_months, drop_before=drop)


def require_past(before: int, now: datetime) -> int:
    """Return `before`, or a UsageError when it would take in a month that is not over."""
    if before > month_of(now):
        raise UsageError(
            f"{month_name(before - 1)} is not over", remedy=f"--before {month_name(month_of(now))} is the latest"
        )
    return before
