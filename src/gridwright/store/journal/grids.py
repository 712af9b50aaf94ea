"""Which grid the readings of a day are on, remembered: readings of another one must be judged before they are taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.domain.interval import DAY_S
from gridwright.store.session import Session, Unit, newest_row

Keys = npt.NDArray[np.int64]
OTHERS = (
    "SELECT usage_point FROM block WHERE reading_type = ? AND day = ? AND (slots <> ? OR phase_s <> ?) "
    "ORDER BY usage_point"
)
OLDEST = "SELECT MIN(id) FROM journal"
REMEMBERED = 4_096  # days of a reading type


@dataclass(frozen=True, slots=True, eq=False)
class _Day:
    """The grid (slots a day, phase) on which the journal takes readings of a day, and who has another one there."""

    grid: tuple[int, int]
    others: Keys


class Grids:
    """The days looked at so far; what lays a block on another grid, in this process, has its day looked at again."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._days: dict[tuple[int, int], _Day] = {}
        # Rows [first, last] of the journal that this process has put there, of which all days are remembered.
        self._own: tuple[int, int] | None = None
        self._torn = False  # whether days were forgotten of what is just being put there
        session.after_commit.append(self._forget_laid)
        session.after_rollback.append(self._forget)

    def _forget(self) -> None:
        self._days.clear()
        self._own = None

    def put(self, unit: Unit, rows: int) -> None:
        """Remember that so many rows, whose days were looked at, have just been put in the journal."""
        # Only SQLite has one writer at a time, so that their numbers follow each other.
        if unit.dialect != "sqlite" or self._torn:
            self._own, self._torn = None, False
            return
        last = newest_row(unit) or 0
        first = last - rows + 1
        self._own = (self._own[0] if self._own and self._own[1] + 1 == first else first, last)

    def fit(self, unit: Unit, grid: tuple[int, int, int], days: Sequence[int], keys: Keys) -> bool:
        """Tell whether readings on a grid (kind, interval length, phase) fit all that is stored, or waits, of days."""
        kind, interval_s, phase_s = grid
        slots = DAY_S // interval_s
        for day in days:
            found = self._days.get((kind, day)) or self._look(unit, (kind, day), (slots, phase_s))
            if found.grid != (slots, phase_s) or (found.others.size and np.isin(keys, found.others).any()):
                return False
        return True

    def _look(self, unit: Unit, which: tuple[int, int], grid: tuple[int, int]) -> _Day:
        """Look who has blocks of another grid; what waits in the journal for this day must be among them."""
        if not self._is_own(unit):
            self._session.settle_within(unit)
        if len(self._days) >= REMEMBERED:
            self._forget()
            self._torn = True
        with unit.beside_what_waits():  # nothing waits of this day
            others = [row[0] for row in unit.fetch(OTHERS, (*which, *grid))]
        found = self._days[which] = _Day(grid, np.array(others, np.int64))
        return found

    def _is_own(self, unit: Unit) -> bool:
        """Tell whether nothing waits but what this process has put there, none of it of a day that it does not know."""
        ((oldest,),) = unit.fetch(OLDEST)
        if oldest is None:
            return True
        newest = newest_row(unit) or 0
        return self._own is not None and self._own[0] <= oldest and newest <= self._own[1]

    def _forget_laid(self, unit: Unit) -> None:
        for kind, day, *grid in unit.laid:
            found = self._days.get((kind, day))
            if found is not None and found.grid != tuple(grid):
                self._days.pop((kind, day), None)
