"""Whether intervals were derived of register reads, or measured: both are stored alike, and may say the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.errors import GridMismatch, NotFound
from gridwright.domain.interval import DAY_S, Interval, epoch_s, from_epoch_s
from gridwright.domain.reading_type import ReadingType
from gridwright.jobs.meters.reads_tell import LONGEST_S, Tells
from gridwright.jobs.meters.supersede_told import Change
from gridwright.store import Store


def were_derived(
    store: Store, access: Access, told: Sequence[Tells], changes: Sequence[Change], kind: ReadingType
) -> Iterator[Change]:
    """Yield the changes of intervals that were derived: most of what is stored around them is what reads `told`.

    Where a profile was collected, reads tell a few of its intervals, and all of them only where each was sent twice.
    """
    alike: dict[int, list[Change]] = defaultdict(list)
    for change in changes:
        alike[change.key[1]].append(change)
    for length, some in alike.items():
        first, last = min(change.key[0] for change in some), max(change.key[0] for change in some)
        around = Interval(from_epoch_s(first - LONGEST_S), from_epoch_s(last + DAY_S))
        if _most_is_told(store, access, (some[0].point, kind, length), told, around):
            yield from some


def _most_is_told(
    store: Store, access: Access, series: tuple[str, ReadingType, int], told: Sequence[Tells], around: Interval
) -> bool:
    point, kind, length = series
    try:
        stored = store.readings.load(access, point, around, reading_type=kind, interval=timedelta(seconds=length))
    except NotFound:
        return False
    except GridMismatch:  # what moved its grid meanwhile is no profile
        return True
    values, begin = stored.values[0], epoch_s(stored.start)
    there = ~np.isnan(values)
    starts = begin + np.flatnonzero(there) * length
    same = sum(
        any(key in some and some[key].energy == value for some in told)
        for key, value in zip(((start, length) for start in starts.tolist()), values[there].tolist(), strict=True)
    )
    return 2 * same > starts.size
