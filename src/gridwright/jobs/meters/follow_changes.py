"""Stored energy follows what register reads tell: what changed is superseded, what is new is filled in."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from gridwright.domain.access import Access
from gridwright.domain.interval import DAY_S
from gridwright.domain.reading_type import ReadingType
from gridwright.jobs.meters.day_again import days_again
from gridwright.jobs.meters.fill_energy import Day, Derived, fill_energy
from gridwright.jobs.meters.supersede_told import Change, supersede
from gridwright.jobs.store_port import StorePort


def follow_changes(
    store: StorePort,
    who: tuple[Access, Access],
    changes: Sequence[Change],
    kind: ReadingType,
    known_at: datetime,
    *,
    uneven: Collection[Day] = (),
) -> None:
    """Save what the reads of one type tell now; `who`: who reads what is stored, and who writes.

    `uneven`: days that may be on another grid by what they tell now, and are derived anew.
    """
    supersede(store, who, [change for change in changes if change.stale], kind, known_at)
    new = [
        Derived(one.point, *one.key, one.now.energy, one.now.saved_quality)
        for one in changes
        if one.fill and one.now and (one.point, one.key[0] // DAY_S) not in uneven
    ]
    days_again(store, who, {*fill_energy(store, who, new, kind, known_at), *uneven}, kind, known_at)
