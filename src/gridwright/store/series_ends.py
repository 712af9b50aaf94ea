"""Where each series begins and ends, to the slot: looked up in its first and its last day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gridwright.domain.interval import DAY_S
from gridwright.store.archive.reading import MonthsAway
from gridwright.store.days import blocks
from gridwright.store.days.blocks import BlockRows
from gridwright.store.session import Unit

AwayOf = Callable[[int, range], MonthsAway | None]


class EndReader:
    """Finds the ends of series: rows of the table `series`."""

    def __init__(self, unit: Unit, series: Sequence[Any], away_of: AwayOf) -> None:
        self._unit = unit
        self._outside: dict[tuple[int, int, int], BlockRows | None] = {}
        days: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        for one in series:
            for day in (one.first_day, one.last_day - 1):
                days[one.reading_type][day].append(one.usage_point)
        for kind, wanted in days.items():
            away = away_of(kind, range(min(wanted), max(wanted) + 1))
            if away is not None:
                self._look_outside(away, kind, wanted)

    def _look_outside(self, away: MonthsAway, kind: int, wanted: dict[int, list[int]]) -> None:
        """Read the ends that are not in the database, those of a day together."""
        for day in sorted(day for day in wanted if day in away):
            self._outside.update(((kind, day, key), None) for key in wanted[day])
            rows = away.name(np.array(wanted[day], np.int64)).images(day).current
            if rows is not None:
                self._outside.update(((kind, day, key), rows.take([at])) for at, key in enumerate(rows.key.tolist()))

    def ends(self, series: Any) -> tuple[int, int]:  # noqa: ANN401 - a row
        """Return the start of the first reading and the end of the last one, epoch seconds."""
        first = self._end(series, series.first_day, 0)
        return first, self._end(series, series.last_day - 1, -1) + series.interval_s

    def _end(self, series: Any, day: int, which: int) -> int:  # noqa: ANN401 - a row
        key = (series.reading_type, day, series.usage_point)
        if key in self._outside:
            rows = self._outside[key]
        else:
            rows = blocks.read_day(self._unit, series.reading_type, day, np.array([series.usage_point], np.int64))
        if rows is None:  # the days of another interval lie in between
            return day * DAY_S
        slots, phase_s = blocks.shape_of(rows.shape[0]).grid
        there = np.flatnonzero(~np.isnan(rows.values(slots)[0]))
        return day * DAY_S + phase_s + int(there[which]) * (DAY_S // slots)
