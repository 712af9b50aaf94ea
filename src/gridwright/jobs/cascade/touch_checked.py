"""What a check meter's new readings bear on: the usage points that it checks are judged again with them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from gridwright.domain.access import Access
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import ReadingType
from gridwright.jobs.cascade.correct_scope import is_judged
from gridwright.store import DirtyRange, Store


def touch_checked(store: Store, access: Access, ranges: Sequence[DirtyRange]) -> bool:
    """Mark the days of main meters dirty whose check meters changed (V36, E01); tell whether there are any.

    What is marked already is left alone, so that a check meter that cannot be judged marks nothing twice.
    """
    changed = [each for each in ranges if is_judged(each.reading_type)]
    mains: dict[str, list[str]] = defaultdict(list)
    if changed:
        for main, check in store.registry.checked_by(access, {each.usage_point for each in changed}).items():
            mains[check].append(main)
    dirty = {(each.usage_point, each.reading_type): each.period for each in changed}
    wanted: dict[tuple[ReadingType, Interval], list[str]] = defaultdict(list)
    for each in changed:
        for main in mains.get(each.usage_point, ()):
            there = dirty.get((main, each.reading_type))
            if there is None or there.intersection(each.period) != each.period:
                wanted[each.reading_type, each.period].append(main)
    for (kind, period), points in wanted.items():
        store.dirty.touch(access, points, kind, period)
    return bool(wanted)
