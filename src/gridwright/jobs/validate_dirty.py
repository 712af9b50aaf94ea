"""Validate again what changed: dirty ranges become findings, and findings that no longer hold are resolved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gridwright.domain.access import Access
from gridwright.domain.errors import NotFound
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import Quantity
from gridwright.jobs.load_stored import load_stored
from gridwright.jobs.trust_readings import SiteDefaults, findings_of, trust_readings
from gridwright.store import DirtyRange, Store

# The rules compare a day with like days before it: six weeks of them.
CONTEXT = timedelta(days=42)
TOGETHER = 500
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Revalidated:
    """What was done: ranges dealt with, usage points looked at, findings that are new."""

    ranges: int
    points: int
    new: int


def validate_dirty(
    store: Store, access: Access, site: SiteDefaults, *, now: datetime, progress: Progress | None = None
) -> Revalidated:
    """Validate every range that changed, with the weeks before it, and keep the findings; run again, it does nothing.

    A range that changes in the meantime stays for the next run. Only energy has rules that look back; the ranges of
    other reading types are cleared.
    """
    ranges = store.dirty.ranges(access)
    mine = [each for each in ranges if each.reading_type.quantity is Quantity.ENERGY]
    new, done, points = 0, 0, {each.usage_point for each in mine}
    for part in parts(mine):
        new += _validate(store, access, site, part, now)
        done += len(part)
        if progress:
            progress(done, len(mine))
    store.dirty.clear(access, [each for each in ranges if each.reading_type.quantity is not Quantity.ENERGY])
    return Revalidated(len(ranges), len(points), new)


def parts(ranges: Sequence[DirtyRange]) -> Iterator[list[DirtyRange]]:
    """Put ranges of like age together, some hundred usage points at a time, so that little is loaded for nothing."""
    ordered = sorted(ranges, key=lambda each: (each.from_day, each.usage_point))
    for at in range(0, len(ordered), TOGETHER):
        yield ordered[at : at + TOGETHER]


def _validate(store: Store, access: Access, site: SiteDefaults, part: Sequence[DirtyRange], now: datetime) -> int:
    points = sorted({each.usage_point for each in part})
    changed = Interval(min(each.period.start for each in part), max(each.period.end for each in part))
    try:
        material = load_stored(store, access, points, Interval(changed.start - CONTEXT, changed.end))
    except NotFound:
        found = []
    else:
        groups, _ = trust_readings(material, site, now=now)
        found = [finding for finding in findings_of(groups) if finding.period.overlaps(changed)]
    with store.transaction():
        new = store.findings.save(access, found, known_at=now, points=points, period=changed)
        store.dirty.clear(access, part)
    return new
