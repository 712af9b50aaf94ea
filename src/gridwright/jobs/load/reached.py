"""From which to which day final images reach: as far as was read, and as far as people put values by hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from gridwright.domain.access import Access
from gridwright.domain.interval import DAY_S, Interval, epoch_s, from_epoch_s
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.usage_point import FOREVER
from gridwright.store import Store
from gridwright.store.days.series import Extent

EVER = Interval(from_epoch_s(0), FOREVER)


def reached(store: Store, access: Access, points: Sequence[str]) -> list[Extent]:
    """Return the series of usage points, each as far as its readings and its edits reach.

    Edits that were taken back count too: at an earlier instant they were known.
    """
    extents = store.readings.extents(access, points)
    ever = (*store.edits.applied(access, points, EVER), *store.edits.withdrawn(access, points, EVER))
    days: dict[tuple[str, ReadingType, int], list[tuple[int, int]]] = defaultdict(list)
    for each in ever:
        first, last = epoch_s(each.period.start) // DAY_S, -(-epoch_s(each.period.end) // DAY_S)
        key = each.usage_point, each.reading_type, int(each.interval.total_seconds())
        days[key].append((first, last))
    return [_widened(one, days.get((one.usage_point, one.reading_type, one.interval_s), ())) for one in extents]


def _widened(extent: Extent, days: Sequence[tuple[int, int]]) -> Extent:
    if not days:
        return extent
    first = min(extent.first_day, *(first for first, _ in days))
    return extent._replace(first_day=first, last_day=max(extent.last_day, *(last for _, last in days)))


def days_reached(store: Store, access: Access, point: str) -> range:
    """Return the UTC days from the first that is known of a usage point to the last."""
    extents = reached(store, access, [point])
    if not extents:
        return range(0)
    return range(min(each.first_day for each in extents), max(each.last_day for each in extents))
