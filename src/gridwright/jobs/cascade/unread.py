"""Time of which nothing is read any more, as when all that was derived of registers there was taken back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.access import Access
from gridwright.domain.image import Image
from gridwright.domain.interval import DAY_S, Interval, epoch_s, from_epoch_s
from gridwright.domain.panel import Panel, slot_time
from gridwright.domain.reading_type import Accumulation, Quantity, ReadingType
from gridwright.jobs.cascade.correct_scope import CONTEXT_DAYS, Scope
from gridwright.jobs.cascade.edits_made import ONE_WAY
from gridwright.jobs.load.load_stretches import load_stretches
from gridwright.store import DirtyRange, Store
from gridwright.store.days.series import Extent

AT_ONCE = timedelta(days=CONTEXT_DAYS)  # so much is looked through for the next reading at a time
AGREED = (q.Status.EDITED, q.Status.ESTIMATED_FINAL)
NOT_AGREED = tuple(status for status in q.Status if status not in AGREED)
Periods = Mapping[str, Sequence[tuple[ReadingType, Interval]]]  # by usage point, of each type that was made


@dataclass(frozen=True, slots=True, eq=False)
class Unread:
    """A final image as stored of time before the first reading of a usage point, or behind the last one.

    `bridged`: more readings lie beyond that time, so that what was estimated in it stays.
    """

    panel: Panel
    bridged: bool

    @property
    def gone(self) -> npt.NDArray[np.bool_]:
        """Tell which values nobody reads and nobody agreed on, bool[n, slots]."""
        statuses = q.MEASURED if self.bridged else NOT_AGREED
        return np.asarray(~self.panel.missing & q.has_status(self.panel.quality, statuses), np.bool_)


def feeds(kind: ReadingType, image: ReadingType) -> bool:
    """Tell whether readings of a type make a final image of another, as those of net energy and of power do."""
    if kind.finer(0) == image.finer(0):
        return True
    mixed = kind.quantity is Quantity.POWER or (
        kind.quantity is Quantity.ENERGY and kind.accumulation is Accumulation.DELTA and kind.flow not in ONE_WAY
    )
    return mixed and image.quantity is Quantity.ENERGY and image.flow in ONE_WAY and not image.channel


@dataclass(frozen=True, slots=True)
class Read:
    """Tells when usage points are read, beside the panels that were `made` of the readings of a scope."""

    store: Store
    access: Access
    scope: Scope
    made: Sequence[Panel]

    def unread(self) -> Iterator[Unread]:
        """Yield final images of what lies outside all readings, where days changed of which none is left."""
        made: dict[str, list[tuple[ReadingType, Interval]]] = defaultdict(list)
        for panel in self.made:
            for point in panel.points:
                made[point].append((panel.reading_type, panel.period))
        changed = self._changed(made)
        extents: dict[str, list[Extent]] = defaultdict(list)
        for extent in self.store.readings.extents(self.access, sorted(changed)) if changed else ():
            extents[extent.usage_point].append(extent)
        for image in self.store.readings.image_types(self.access) if changed else ():
            for point, kinds in changed.items():
                mine = [each for each in extents[point] if feeds(each.reading_type, image)]
                if mine and any(feeds(kind, image) for kind in kinds):
                    yield from self._of(mine, image, made.get(point, ()))

    def _changed(self, made: Periods) -> dict[str, set[ReadingType]]:
        """Return the series of which days changed outside what was made, and have a final image."""
        alike: dict[Interval, list[DirtyRange]] = defaultdict(list)
        for each in self.scope.ranges:
            hull = _hull(made.get(each.usage_point, ()), [each.reading_type])
            for days in _outside(each.period, hull):
                alike[days].append(each)
        found: dict[str, set[ReadingType]] = defaultdict(set)
        for days, ranges in alike.items():
            names = list(dict.fromkeys(each.usage_point for each in ranges))
            states = self.store.readings.final_states(self.access, names, days)
            for each in ranges:
                if states[each.usage_point].days:
                    found[each.usage_point].add(each.reading_type)
        return found

    def _of(
        self, series: Sequence[Extent], image: ReadingType, made: Sequence[tuple[ReadingType, Interval]]
    ) -> Iterator[Unread]:
        """Yield what is unread of one usage point in one final image, which is made of some series."""
        hull = _hull(made, [each.reading_type for each in series])
        before, after = self._before(series), self._after(series)
        first, last = (min(each.first_day for each in series), max(each.last_day for each in series))
        for since, until in [(before, hull.start), (hull.end, after)] if hull else [(before, after)]:
            start, end = since or from_epoch_s(first * DAY_S), until or from_epoch_s(last * DAY_S)
            if start >= end:
                continue
            some, period = [series[0].usage_point], Interval(start, end)
            for panel in load_stretches(self.store, self.access, some, period, image, image=Image.FINAL):
                yield Unread(panel, bridged=since is not None and until is not None)

    def _before(self, series: Sequence[Extent]) -> datetime | None:
        """Return the end of the last reading before those that were looked at."""
        end, first = self.scope.context.start, from_epoch_s(min(each.first_day for each in series) * DAY_S)
        while end > first:
            known = [found.end for found in self._known(series, Interval(end - AT_ONCE, end))]
            if known:
                return max(known)
            end -= AT_ONCE
        return None

    def _after(self, series: Sequence[Extent]) -> datetime | None:
        """Return the start of the first reading behind those that were looked at."""
        start, last = self.scope.context.end, from_epoch_s(max(each.last_day for each in series) * DAY_S)
        while start < last:
            known = [found.start for found in self._known(series, Interval(start, start + AT_ONCE))]
            if known:
                return min(known)
            start += AT_ONCE
        return None

    def _known(self, series: Sequence[Extent], period: Interval) -> Iterator[Interval]:
        """Yield from the first to the last reading within a period, by series and grid."""
        for kind in dict.fromkeys(each.reading_type for each in series):
            for panel in load_stretches(self.store, self.access, [series[0].usage_point], period, kind):
                slots = np.flatnonzero(~panel.missing[0])
                if slots.size:
                    yield Interval(slot_time(panel, int(slots[0])), slot_time(panel, int(slots[-1]) + 1))


def _hull(made: Sequence[tuple[ReadingType, Interval]], kinds: Sequence[ReadingType]) -> Interval | None:
    """Return from when to when something was made of series of some types; None where nothing was."""
    periods = [period for image, period in made if any(feeds(kind, image) for kind in kinds)]
    return Interval(min(each.start for each in periods), max(each.end for each in periods)) if periods else None


def _outside(period: Interval, hull: Interval | None) -> Iterator[Interval]:
    """Yield the UTC days of a period that lie wholly before or behind what was made."""
    if hull is None:
        yield period
        return
    first, last = (from_epoch_s(day * DAY_S) for day in (epoch_s(hull.start) // DAY_S, -(-epoch_s(hull.end) // DAY_S)))
    if period.start < first:
        yield Interval(period.start, min(period.end, first))
    if last < period.end:
        yield Interval(max(period.start, last), period.end)
