"""What edits say where nothing was read: before the first reading of their series, and behind the last one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from gridwright.domain.edit import Edit
from gridwright.domain.interval import DAY_S, Interval, epoch_s
from gridwright.domain.panel import Panel, concat_points
from gridwright.domain.reading_type import Flow, ReadingType
from gridwright.jobs.cascade.edits_made import as_final
from gridwright.vee import lay_agreed
from gridwright.vee.agreed import off_grid

Taken = frozenset[tuple[str, ReadingType]]


def taken_back(gone: Sequence[Edit]) -> tuple[list[Edit], Taken]:
    """Return edits that were taken back in the types of all final images that may hold them, and those series."""
    every = [*gone, *as_final(gone, ())]
    return every, frozenset((each.usage_point, each.reading_type.finer(0)) for each in every)


class Series(NamedTuple):
    """A final image on one grid, of which edits are: `phase_s` is where its intervals begin."""

    usage_point: str
    kind: ReadingType
    interval: timedelta
    phase_s: int


def _series(edit: Edit) -> Series:
    phase_s = epoch_s(edit.period.start) % int(edit.interval.total_seconds())
    return Series(edit.usage_point, edit.reading_type.finer(0), edit.interval, phase_s)


@dataclass(frozen=True, slots=True, eq=False)
class Beyond:
    """Final images of a time that were `made` of readings, with the `edits` in force and those that are `gone`.

    Only what an edit says counts there: what lies between it and the readings nobody has measured yet, and nothing is
    estimated. `fed`: who feeds in; for the others an edit of what was delivered says nothing of that.
    """

    period: Interval
    made: Sequence[Panel]
    edits: Sequence[Edit]
    gone: Sequence[Edit]
    fed: frozenset[str]

    def panels(self) -> list[Panel]:
        """Return final images of the time outside those that were made; without a value where an edit was alone."""
        alike: dict[tuple[ReadingType, timedelta, datetime, int], list[Panel]] = defaultdict(list)
        for series, edits in self._edits().items():
            for panel in self._of(series, edits):
                alike[panel.reading_type, panel.interval, panel.start, panel.slots].append(panel)
        return [concat_points(several) for several in alike.values()]

    def _edits(self) -> dict[Series, list[Edit]]:
        """Return the edits in force by their series, none for those of which all are gone."""
        found: dict[Series, list[Edit]] = defaultdict(list)
        for each in self.edits:
            if each.period.overlaps(self.period) and self._tells(each):
                found[_series(each)].append(each)
        for each in self.gone:
            found.setdefault(_series(each), [])
        return found

    def _tells(self, edit: Edit) -> bool:
        return edit.reading_type.flow is not Flow.RECEIVED or edit.usage_point in self.fed or any(edit.values)

    def _of(self, series: Series, edits: Sequence[Edit]) -> Iterator[Panel]:
        here = [each for each in self.made if series.usage_point in each.points and _is_of(each, series.kind)]
        mine = [each for each in here if _has_grid(each, series)]
        within = [each.period for each in mine]
        for each in edits:
            if any(not _has_grid(other, series) and _share_day(other, each) for other in here):
                raise off_grid(each, next(other for other in here if not _has_grid(other, series)).interval_s)
        blank = self._blank(series, here[0].reading_type if here else edits[0].reading_type if edits else series.kind)
        whole = lay_agreed(blank, edits)
        outside = np.ones(whole.slots, np.bool_)
        for period in within:
            first, last = ((moment - whole.start) // whole.interval for moment in (period.start, period.end))
            outside[max(first, 0) : max(last, 0)] = False
        ends = np.flatnonzero(np.diff(np.r_[False, outside, False]))
        for first, last in pairwise(ends.tolist()):
            if outside[first]:
                yield whole.slice(first, last)

    def _blank(self, series: Series, kind: ReadingType) -> Panel:
        """Return the whole time without a value."""
        interval_s = int(series.interval.total_seconds())
        start_s, end_s = epoch_s(self.period.start), epoch_s(self.period.end)
        first_s = start_s + (series.phase_s - start_s) % interval_s
        slots = max(-((first_s - end_s) // interval_s), 0)
        start = self.period.start + timedelta(seconds=first_s - start_s)
        return Panel((series.usage_point,), start, series.interval, np.full((1, slots), np.nan), reading_type=kind)


def _is_of(panel: Panel, kind: ReadingType) -> bool:
    return panel.reading_type.finer(0) == kind


def _has_grid(panel: Panel, series: Series) -> bool:
    return panel.interval == series.interval and epoch_s(panel.start) % panel.interval_s == series.phase_s


def _share_day(panel: Panel, edit: Edit) -> bool:
    """Tell whether a panel and an edit lie in one UTC day, which holds one grid."""
    first, last = (epoch_s(each.start) // DAY_S for each in (panel.period, edit.period))
    ends = [-(-epoch_s(each.end) // DAY_S) for each in (panel.period, edit.period)]
    return first < ends[1] and last < ends[0]
