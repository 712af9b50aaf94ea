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
from gridwright.store.days import blocks
from gridwright.store.days.away import Away
from gridwright.store.days.grid import DayGrid, describe, grid_within
from gridwright.store.days.groups import Group, GroupReader, grouped
from gridwright.store.days.history import rows_as_of
from gridwright.store.days.pack import Values, unpack_into
from gridwright.store.instant import to_seconds
from gridwright.store.session import Unit

Keys = npt.NDArray[np.int64]
Found = tuple[int, int | None] | None  # slots a day, phase
Loaded = tuple[DayGrid | None, Values, q.Qualities]
ONE_BY_ONE = 8  # up to so many usage points, look-ups by key are quicker than walks through the days
NO_DAY: tuple[int, list[Group]] = (0, [])
NO_VALUES, NO_QUALITIES = np.empty((0, 0)), np.empty((0, 0), np.uint8)


class PanelLoader:
    """Loads one panel; `keys` are the usage points' keys in the order of its rows."""

    def __init__(
        self, unit: Unit, kind: int | None, keys: Keys, as_of_us: int | None, away: Away | None = None
    ) -> None:
        self.unit, self.kind, self.keys, self.as_of_us, self.away = unit, kind, keys, as_of_us, away
        self.order = np.argsort(keys, kind="stable")
        self.sorted = keys[self.order]
        self.in_order = bool((self.order == np.arange(keys.size)).all())

    def load(self, points: tuple[str, ...], period: Interval, kind: ReadingType, interval_s: int | None) -> Panel:
        """Return the panel; nothing stored and no interval given is NotFound, mixed intervals are GridMismatch."""
        first_s, end_s = to_seconds(period.start), to_seconds(period.end)
        days = range(first_s // DAY_S, -(-end_s // DAY_S))
        by_point = self.kind is not None and self.as_of_us is None and self.keys.size <= ONE_BY_ONE
        if by_point and self.away is None:
            grid, values, quality = self._by_point(days, period, interval_s)
        else:
            grid, values, quality = self._by_day(days, period, interval_s)
        if grid is None:
            raise NotFound(
                f"no {kind} is stored for {points[0] if points else 'no usage point'} in {period}",
                remedy="name another period, or give the interval to get a panel without values",
            )
        return Panel(points, from_epoch_s(grid.start_s), timedelta(seconds=grid.interval_s), values, quality, kind)

    def _by_point(self, days: range, period: Interval, interval_s: int | None) -> Loaded:
        """Look up each usage point's days by primary key and unpack them in one go."""
        kind = self.kind or 0
        each = [blocks.read_point(self.unit, kind, key, days) for key in self.keys.tolist()]
        found = _expected(interval_s)
        for rows in each:
            if rows is not None:
                found = _one_grid(rows.grids, found)
        if found is None:
            return None, NO_VALUES, NO_QUALITIES
        slots, phase_s = found
        grid = grid_within(period, DAY_S // slots, phase_s or 0)
        shape = (self.keys.size, len(days), slots)
        values, quality = np.full(shape, np.nan), np.full(shape, q.MISSING, np.uint8)
        for row, rows in enumerate(each):
            if rows is not None:
                at = rows.key - days.start
                values[row, at], quality[row, at] = rows.values(slots), rows.qualities(slots)
        skipped = (grid.start_s - days.start * DAY_S) // grid.interval_s
        part = slice(skipped, skipped + grid.slots)
        flat = (self.keys.size, len(days) * slots)
        return grid, values.reshape(flat)[:, part], quality.reshape(flat)[:, part]

    def _by_day(self, days: range, period: Interval, interval_s: int | None) -> Loaded:
        """Read a day of all meters after the other, straight into the panel."""
        stored = self._days(days)
        day, groups = next(stored, NO_DAY)
        found = _expected(interval_s)
        if groups:
            found = _one_grid({group.shape.grid for group in groups}, found)
        if found is None:
            return None, NO_VALUES, NO_QUALITIES
        grid = grid_within(period, DAY_S // found[0], found[1] or 0)
        values = np.empty((self.keys.size, grid.slots))
        quality = np.empty((self.keys.size, grid.slots), np.uint8)
        for part in grid.parts():
            while groups and day < part.day:
                day, groups = next(stored, NO_DAY)
            here = groups if day == part.day else []
            if here:
                found = _one_grid({group.shape.grid for group in here}, found)
            self._fill(values[:, part.columns], quality[:, part.columns], part.slots, here)
        return grid, values, quality

    def _days(self, days: range) -> Iterator[tuple[int, list[Group]]]:
        """Yield the days that have rows of ours, in order."""
        if self.kind is None or not self.keys.size:
            return
        reader = GroupReader(self.unit, self.kind, self.sorted, self.as_of_us)
        for day in days:
            outside = self.away is not None and day in self.away
            groups = self._outside(day) if outside else reader.read(day)
            if groups:
                yield day, groups

    def _outside(self, day: int) -> list[Group]:
        """Return the blocks of a day that the database has not, or not wholly."""
        current, earlier = self.away.images(day) if self.away is not None else (None, None)
        if current is not None and self.as_of_us is not None:
            current = rows_as_of(current, lambda _: earlier, day, self.as_of_us)
        return list(grouped(current))

    def _fill(self, values: Values, quality: q.Qualities, slots: slice, groups: list[Group]) -> None:
        if sum(group.keys.size for group in groups) < self.keys.size:
            values[:], quality[:] = np.nan, q.MISSING
        for group in groups:
            packed, qualities = group.integers[:, slots], group.qualities[:, slots]
            rows = self._rows(group.keys)
            quality[rows] = qualities
            if isinstance(rows, slice):
                unpack_into(values[rows], packed)
            else:
                some = np.empty(packed.shape)
                unpack_into(some, packed)
                values[rows] = some

    def _rows(self, keys: Keys) -> slice | npt.NDArray[np.intp]:
        """Return where the keys stand in the panel; as a slice where they follow each other."""
        at = np.searchsorted(self.sorted, keys)
        first = int(at[0])
        if self.in_order and np.array_equal(self.sorted[first : first + keys.size], keys):
            return slice(first, first + keys.size)
        rows: npt.NDArray[np.intp] = self.order[at]
        return rows


def _expected(interval_s: int | None) -> Found:
    return None if interval_s is None else (DAY_S // interval_s, None)


def _one_grid(grids: set[tuple[int, int]], found: Found) -> Found:
    """Return the only grid of the rows, which must be the one found so far; a phase of None is not yet known."""
    fits = found is None or all(slots == found[0] and found[1] in {None, phase_s} for slots, phase_s in grids)
    if len(grids) == 1 and fits:
        return next(iter(grids))
    asked = set() if found is None else {describe(found[0], found[1] or 0)}
    names = sorted({describe(*grid) for grid in grids} | asked)
    raise GridMismatch(
        f"the stored readings have different intervals: {'; '.join(names)}",
        remedy="load the usage points or days with one interval at a time",
    )
