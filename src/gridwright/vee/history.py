"""DayHistory: what the civil days of usage points held, so that a rule can look back a year."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from gridwright.domain.errors import GridMismatch
from gridwright.vee.runs import Floats, lines

Counts = npt.NDArray[np.int32]
N = TypeVar("N", np.float64, np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class DayHistory:
    """Civil days of n usage points, each at its own wall clock; one column a day, without a hole.

    `first_day`: days since 1970-01-01 of column 0. `total`, `peak`: float64[n, days], counts of the panel's reading
    type, NaN = unknown. `intervals`: int32[n, days], how many intervals the day holds; `estimated`: how many of them
    were estimated. Days that a panel itself holds are ignored: the panel knows better.
    """

    points: tuple[str, ...]
    first_day: int
    total: Floats
    peak: Floats
    intervals: Counts
    estimated: Counts

    def __post_init__(self) -> None:
        shape = (len(self.points), self.total.shape[1])
        for name in ("total", "peak", "intervals", "estimated"):
            found = getattr(self, name).shape
            if found != shape:
                raise GridMismatch(f"history's {name} has shape {found}, its {len(self.points)} points ask for {shape}")

    @property
    def days(self) -> int:
        """Number of days."""
        return int(self.total.shape[1])

    def before(self, day: int, points: Sequence[str]) -> DayHistory:
        """Return the days before `day`, the last column being the day before it; rows as in `points`.

        Usage points and days that the history lacks are unknown.
        """
        width = max(day - self.first_day, 0)
        known = min(width, self.days)
        rows = _rows_of(self.points, points)
        return DayHistory(
            tuple(points),
            day - width,
            _laid(self.total, rows, known, width),
            _laid(self.peak, rows, known, width),
            _laid(self.intervals, rows, known, width),
            _laid(self.estimated, rows, known, width),
        )

    def rows(self, which: npt.NDArray[np.intp]) -> DayHistory:
        """Return some rows."""
        points = tuple(map(self.points.__getitem__, which.tolist()))
        at = lines(which)
        arrays = (self.total[at], self.peak[at], self.intervals[at], self.estimated[at])
        return DayHistory(points, self.first_day, *arrays)


def _rows_of(points: tuple[str, ...], wanted: Sequence[str]) -> npt.NDArray[np.intp] | None:
    """Return the place of each wanted usage point, -1 where it is absent; None where they are the same."""
    if points == tuple(wanted):
        return None
    place = {point: row for row, point in enumerate(points)}
    return np.array([place.get(point, -1) for point in wanted], np.intp)


def _laid(values: npt.NDArray[N], rows: npt.NDArray[np.intp] | None, known: int, width: int) -> npt.NDArray[N]:
    """Return `rows` of the first `known` columns, unknown where a row is -1, padded to `width`; None: all of them."""
    if rows is None:
        if known == width:
            return values[:, :width]
        rows = np.arange(values.shape[0])
    if known == width and (rows >= 0).all():
        return values[rows, :width]
    unknown = np.nan if values.dtype.kind == "f" else 0
    laid = np.full((rows.size, width), unknown, values.dtype)
    here = np.flatnonzero(rows >= 0)
    laid[here, :known] = values[rows[here], :known]
    return laid


def no_history(points: Sequence[str], day: int) -> DayHistory:
    """Return the history of which nothing is known, ending before `day`."""
    nothing = np.empty((len(points), 0))
    none = np.empty((len(points), 0), np.int32)
    return DayHistory(tuple(points), day, nothing, nothing, none, none)
