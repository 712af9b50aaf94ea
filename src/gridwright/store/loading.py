"""Loading blocks into a panel: whole days of all meters at once, or one meter day by day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.errors import GridMismatch, NotFound
from gridwright.domain.interval import DAY_S, Interval, from_epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import ReadingType
from gridwright.store import blocks
from gridwright.store.grid import DayPart, describe, grid_within
from gridwright.store.instant import to_seconds
from gridwright.store.pack import Values, unpack_into
from gridwright.store.session import Unit

Keys = npt.NDArray[np.int64]


class PanelLoader:
    """Loads one panel; `keys` are the usage points' keys in the order of its rows."""

    def __init__(self, unit: Unit, kind: int | None, keys: Keys, as_of_us: int | None) -> None:
        self.unit, self.kind, self.keys, self.as_of_us = unit, kind, keys, as_of_us
        self.order = np.argsort(keys, kind="stable")
        self.sorted = keys[self.order]
        self.in_order = bool((self.order == np.arange(keys.size)).all())

    def load(self, points: tuple[str, ...], period: Interval, kind: ReadingType, interval_s: int | None) -> Panel:
        """Return the panel; nothing stored and no interval given is NotFound, mixed intervals are GridMismatch."""
        days = self._days(period)
        first = next(days, None)
        if first is None and interval_s is None:
            raise NotFound(
                f"no {kind} is stored for {points[0] if points else 'no usage point'} in {period}",
                remedy="name another period, or give the interval to get a panel without values",
            )
        slots, phase_s = (DAY_S // interval_s, 0) if interval_s else (0, 0)
        if first is not None:
            slots, phase_s = self._one_grid(first[1], slots)
        grid = grid_within(period, DAY_S // slots, phase_s)
        values = np.empty((keys_count := self.keys.size, grid.slots))
        quality = np.empty((keys_count, grid.slots), np.uint8)
        upcoming = first
        for part in grid.parts():
            while upcoming is not None and upcoming[0] < part.day:
                upcoming = next(days, None)
            rows = upcoming[1] if upcoming is not None and upcoming[0] == part.day else None
            if rows is not None:
                self._one_grid(rows, slots, phase_s)
            self._fill(values[:, part.columns], quality[:, part.columns], part, rows)
        return Panel(points, from_epoch_s(grid.start_s), timedelta(seconds=grid.interval_s), values, quality, kind)

    def _days(self, period: Interval) -> Iterator[tuple[int, blocks.BlockRows]]:
        """Yield the days of the period that have rows, in order."""
        days = range(to_seconds(period.start) // DAY_S, -(-to_seconds(period.end) // DAY_S))
        if self.kind is None or not self.keys.size:
            return
        if self.keys.size == 1 and self.as_of_us is None:
            yield from self._days_of_one(days)
            return
        for day in days:
            rows = self._read(self.kind, day)
            if rows is not None:
                yield day, rows

    def _read(self, kind: int, day: int) -> blocks.BlockRows | None:
        if self.as_of_us is None:
            return blocks.read_day(self.unit, kind, day, self.sorted)
        return blocks.read_day_as_of(self.unit, kind, day, self.sorted, self.as_of_us)

    def _days_of_one(self, days: range) -> Iterator[tuple[int, blocks.BlockRows]]:
        rows = blocks.read_point(self.unit, self.kind or 0, int(self.keys[0]), days)
        for row in range(0 if rows is None else rows.key.size):
            one = rows.take([row]) if rows is not None else None
            if one is not None:
                day = int(one.key[0])
                yield day, one.renamed(self.keys)

    def _one_grid(self, rows: blocks.BlockRows, slots: int, phase_s: int | None = None) -> tuple[int, int]:
        """Return the only grid of the rows, which must be the one expected so far (0 slots: none yet)."""
        grids = {
            grid
            for grid, ours in zip(zip(rows.slots, rows.phase_s, strict=True), self._ours(rows), strict=True)
            if ours
        }
        expected = {grid for grid in grids if slots in {0, grid[0]} and phase_s in {None, grid[1]}}
        if len(grids) > 1 or grids - expected:
            names = sorted({describe(*grid) for grid in grids} | ({describe(slots, phase_s or 0)} if slots else set()))
            raise GridMismatch(
                f"the stored readings have different intervals: {'; '.join(names)}",
                remedy="load the usage points or days with one interval at a time",
            )
        return grids.pop() if grids else (slots, phase_s or 0)

    def _ours(self, rows: blocks.BlockRows) -> npt.NDArray[np.bool_]:
        at = np.minimum(np.searchsorted(self.sorted, rows.key), self.sorted.size - 1)
        ours: npt.NDArray[np.bool_] = self.sorted[at] == rows.key
        return ours

    def _fill(self, values: Values, quality: q.Qualities, part: DayPart, rows: blocks.BlockRows | None) -> None:
        if rows is not None and self.in_order and np.array_equal(rows.key, self.sorted):
            _fill_rows(values, quality, part, rows)
            return
        values[:], quality[:] = np.nan, q.MISSING
        if rows is None:
            return
        ours = np.flatnonzero(self._ours(rows))
        if ours.size:
            picked = rows if ours.size == rows.key.size else rows.take(ours.tolist())
            shape = (ours.size, values.shape[1])
            some, qualities = np.empty(shape), np.empty(shape, np.uint8)
            _fill_rows(some, qualities, part, picked)
            target = self.order[np.searchsorted(self.sorted, picked.key)]
            values[target], quality[target] = some, qualities


def _fill_rows(values: Values, quality: q.Qualities, part: DayPart, rows: blocks.BlockRows) -> None:
    whole = rows.slots[0]
    unpack_into(values, rows.counts, rows.width, part.slots, whole)
    shared = rows.quality_all[0]
    if shared is not None and len(set(rows.quality_all)) == 1:
        quality[:] = shared
    else:
        quality[:] = rows.qualities(whole)[:, part.slots]
