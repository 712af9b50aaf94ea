"""Load every stored series of one sort over a period, as few panels as the intervals allow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from gridwright.domain.access import Access
from gridwright.domain.errors import GridMismatch, NotFound
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import ReadingType
from gridwright.store import Series, Store


def load_series(
    store: Store, access: Access, period: Interval, wanted: Callable[[ReadingType], bool]
) -> Iterator[Panel]:
    """Yield one panel a reading type and interval length of all usage points that have it within the period.

    A usage point that changed its interval length in the period has rows in two panels. An archived month that cannot
    be read is an error: without it a sum would look like a loss.
    """
    alike: dict[tuple[ReadingType, timedelta], list[Series]] = defaultdict(list)
    for one in store.readings.series(access):
        if wanted(one.reading_type) and Interval(one.first, one.last).overlaps(period):
            alike[one.reading_type, one.interval].append(one)
    for (kind, interval), members in alike.items():
        names = [one.usage_point for one in members]
        try:
            yield store.readings.load(access, names, period, reading_type=kind, interval=interval)
        except GridMismatch:
            yield from _one_by_one(store, access, period, members)
        except NotFound:
            continue


def _one_by_one(store: Store, access: Access, period: Interval, members: Sequence[Series]) -> Iterator[Panel]:
    """Yield each series for the time in which its own interval length was in force."""
    for one in members:
        own = period.intersection(Interval(one.first, one.last))
        if own is not None:
            yield store.readings.load(
                access, [one.usage_point], own, reading_type=one.reading_type, interval=one.interval
            )
