"""Final images without the days whose readings changed since: what the cascade has yet to come to does not stand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from gridwright.domain.access import Access
from gridwright.domain.interval import DAY_S, Interval, epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.quality import MISSING, Status, has_status
from gridwright.domain.reading_type import ReadingType
from gridwright.jobs.load.load_final import FinalGroup
from gridwright.store import DirtyRange, Store

Mask = npt.NDArray[np.bool_]
Touched = Mapping[ReadingType, Mapping[str, Sequence[Interval]]]
FEW, PAGE = 500, 10_000


def touched_days(
    store: Store, access: Access, points: Sequence[str], kinds: Sequence[ReadingType]
) -> dict[str, list[Interval]]:
    """Return by usage point the UTC days whose readings of some types changed, and wait to be judged."""
    return days_of(touched_types(store, access, points), kinds)


def touched_types(store: Store, access: Access, points: Sequence[str]) -> Touched:
    """Return by reading type and usage point the UTC days that changed: read once, for several panels."""
    asked = set(points)
    found: dict[ReadingType, dict[str, list[Interval]]] = defaultdict(lambda: defaultdict(list))
    for each in _ranges(store, access, points if len(points) <= FEW else None):
        if each.usage_point in asked:
            found[each.reading_type][each.usage_point].append(each.period)
    return found


def days_of(touched: Touched, kinds: Iterable[ReadingType]) -> dict[str, list[Interval]]:
    """Return by usage point what was touched of some types, in whichever resolution."""
    found: dict[str, list[Interval]] = defaultdict(list)
    asked = {kind.finer(0) for kind in kinds}
    for kind in (kind for kind in touched if kind.finer(0) in asked):
        for point, periods in touched[kind].items():
            found[point] += periods
    return dict(found)


def _ranges(store: Store, access: Access, points: Sequence[str] | None) -> Iterator[DirtyRange]:
    page = store.dirty.ranges(access, PAGE, points=points)
    while page:
        yield from page
        page = store.dirty.ranges(access, PAGE, points=points, after=page[-1].key) if len(page) == PAGE else []


def untouched(final: FinalGroup, touched: Mapping[str, Sequence[Interval]]) -> FinalGroup:
    """Return final images without the days that were touched; a day that people edited stays."""
    if touched.keys().isdisjoint(final.trusted.points):
        return final
    gone = _gone(final.trusted, touched)
    received = None if final.received is None else _without(final.received, gone)
    return replace(final, trusted=_without(final.trusted, gone), received=received)


def untouched_panel(final: Panel, touched: Mapping[str, Sequence[Interval]]) -> Panel:
    """Return a final image without the days that were touched; a day that people edited stays."""
    return final if touched.keys().isdisjoint(final.points) else _without(final, _gone(final, touched))


def _gone(panel: Panel, touched: Mapping[str, Sequence[Interval]]) -> Mask:
    """Tell which intervals of a final image lie in touched days without an edit."""
    gone = np.zeros(panel.values.shape, np.bool_)
    day = (epoch_s(panel.start) + np.arange(panel.slots) * panel.interval_s) // DAY_S
    for row in [row for row, point in enumerate(panel.points) if point in touched]:
        for period in touched[panel.points[row]]:
            gone[row] |= (day >= epoch_s(period.start) // DAY_S) & (day < epoch_s(period.end) // DAY_S)
        edited = has_status(panel.quality[row], (Status.EDITED,))
        gone[row] &= ~np.isin(day, day[edited])
    return gone


def _without(panel: Panel, gone: Mask) -> Panel:
    return panel.with_values(np.where(gone, np.nan, panel.values), np.where(gone, np.uint8(MISSING), panel.quality))
