"""Time of which nothing is read any more, as when all that was derived of registers there was taken back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.access import Access
from gridwright.domain.image import Image
from gridwright.domain.interval import DAY_S, Interval, epoch_s, from_epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import ReadingType
from gridwright.jobs.cascade.correct_scope import Scope
from gridwright.jobs.cascade.feeds import feeds
from gridwright.jobs.cascade.next_reading import reading_before, reading_behind
from gridwright.jobs.load.load_stretches import load_stretches
from gridwright.store import DirtyRange, Store
from gridwright.store.days.series import Extent

AGREED = (q.Status.EDITED, q.Status.ESTIMATED_FINAL)
NOT_AGREED = tuple(status for status in q.Status if status not in AGREED)
Periods = Mapping[str, Sequence[tuple[ReadingType, Interval]]]  # by usage point, of each type that was made


@dataclass(frozen=True, slots=True, eq=False)
class Unread:
    """A final image as stored of time outside the readings of a usage point, or in a silence between them."""

    panel: Panel

    @property
    def gone(self) -> npt.NDArray[np.bool_]:
        """Tell which values nobody reads and nobody agreed on, bool[n, slots]."""
        return np.asarray(~self.panel.missing & q.has_status(self.panel.quality, NOT_AGREED), np.bool_)


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
        """Yield what is unread of one usage point in one final image, which is made of some series.

        A gap that is estimated lies in what was made; where nothing was, the next readings lie beyond a silence. Only
        of the days made anew: what lies before them was looked at for their sake alone.
        """
        hull = _hull(made, [each.reading_type for each in series])
        context = self.scope.context
        before = reading_before(self.store, self.access, series, context.start)
        after = reading_behind(self.store, self.access, series, context.end)
        first, last = (min(each.first_day for each in series), max(each.last_day for each in series))
        for since, until in [(before, hull.start), (hull.end, after)] if hull else [(before, after)]:
            start, end = since or from_epoch_s(first * DAY_S), until or from_epoch_s(last * DAY_S)
            start, end = max(start, self.scope.period.start), min(end, self.scope.period.end)
            if start >= end:
                continue
            some, period = [series[0].usage_point], Interval(start, end)
            for panel in load_stretches(self.store, self.access, some, period, image, image=Image.FINAL):
                yield Unread(panel)


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
