"""Where the readings of names belong: always at one usage point, or, for a meter, where it hung at the time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gridwright.domain.readings import Readings

if TYPE_CHECKING:
    from gridwright.api.ingest.names import Directory

Whole = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int32]
REMEMBERED = 64  # sets of places
NOBODY, NOWHERE, UNSEEN = -1, -2, -3


class Places:
    """The places of numbered names by a directory; each name is looked up once, when it is first asked for.

    A place is a number into `pairs` of usage point and meter (only registers have one); below 0 a name has none.
    """

    def __init__(self, directory: Directory, *, register: bool) -> None:
        self.directory, self.register = directory, register
        self._lock = threading.Lock()
        self._numbers: dict[tuple[str, str], int] = {}
        self.pairs: list[tuple[str, str]] = []
        self._some: dict[bytes, tuple[tuple[str, ...], tuple[str, ...]]] = {}
        self._points, self._meters = np.zeros(0, np.object_), np.zeros(0, np.object_)
        self._always = np.zeros(0, np.int64)  # by name: its place where no installation says otherwise
        self._first, self._count = np.zeros(0, np.int64), np.zeros(0, np.int64)  # by name: its installations
        self._start, self._end, self._place = (np.zeros(0, np.int64) for _ in range(3))  # by installation

    def fits(self, directory: Directory) -> bool:
        """Tell whether it speaks of the registry as it is now."""
        mine = self.directory
        return mine.points is directory.points and mine.meters is directory.meters

    def always(self, number: npt.NDArray[np.integer], names: Sequence[str]) -> Whole:
        """Return where readings of some names always belong, NOWHERE for a meter; `names`: all that are numbered."""
        with self._lock:
            if len(names) > self._always.size:
                more = (0, max(len(names) - self._always.size, self._always.size))
                self._always = np.pad(self._always, more, constant_values=UNSEEN)
                self._first, self._count = np.pad(self._first, more), np.pad(self._count, more)
            unseen = self._always[number] == UNSEEN
            if unseen.any():
                self._meet(np.unique(number[unseen]).tolist(), names)
            always: Whole = self._always[number]
            return always

    def of(self, readings: Readings, number: npt.NDArray[np.integer], names: Sequence[str]) -> Whole:
        """Return the place of each reading; `number`: of the names that the readings have."""
        place = self.always(number, names)[readings.point]
        count = self._count[number]
        if not count.any():
            return place
        many, first = count[readings.point], self._first[number][readings.point]
        for at in range(int(many.max(initial=0))):
            rows = np.flatnonzero(many > at)
            hung = first[rows] + at
            moment = readings.at[rows]
            inside = (moment >= self._start[hung]) & (moment < self._end[hung])
            # The last read of a meter is of the instant at which it goes, unless it hangs elsewhere from then on.
            final = self.register & (moment == self._end[hung]) & (place[rows] == NOWHERE)
            inside |= final
            place[rows[inside]] = self._place[hung[inside]]
        return place

    def some(self, place: npt.NDArray[np.intp]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the usage points and the meters of some places; the same tuples for the same places."""
        with self._lock:
            new = self.pairs[self._points.size :]
            if new:
                points = np.array([point for point, _ in new], np.object_)
                self._points = np.concatenate((self._points, points))
                self._meters = np.concatenate((self._meters, np.array([meter for _, meter in new], np.object_)))
            key = place.tobytes()
            found = self._some.get(key)
            if found is None:
                if len(self._some) >= REMEMBERED:
                    self._some.clear()
                meters = tuple(self._meters[place].tolist()) if self.register else ()
                found = self._some[key] = (tuple(self._points[place].tolist()), meters)
            return found

    def _meet(self, numbers: Sequence[int], names: Sequence[str]) -> None:
        directory = self.directory
        found: list[tuple[int, int, int]] = []
        for number in numbers:
            name = names[number]
            meter = name in directory.meters
            if meter:
                always, hung = NOWHERE, directory.meters[name]
            elif name in directory.points:
                always, hung = self._number(name, ""), directory.at_point.get(name, ()) if self.register else ()
            else:
                always, hung = NOBODY, ()
            self._first[number], self._count[number] = self._start.size + len(found), len(hung)
            self._always[number] = always
            found += [(one.start_s, one.end_s, self._number(one.point, one.meter)) for one in hung]
        if found:
            columns = np.array(found, np.int64).T
            old = (self._start, self._end, self._place)
            self._start, self._end, self._place = (np.concatenate(both) for both in zip(old, columns, strict=True))

    def _number(self, point: str, meter: str) -> int:
        pair = (point, meter if self.register else "")
        number = self._numbers.get(pair)
        if number is None:
            number = self._numbers[pair] = len(self.pairs)
            self.pairs.append(pair)
        return number


def dense(number: npt.NDArray[np.integer], size: int) -> tuple[npt.NDArray[np.intp], Numbers]:
    """Return which of the numbers from 0 to before `size` are there, and the place of each among these."""
    if size == 1 and number.size:
        return np.zeros(1, np.intp), np.zeros(number.size, np.int32)
    if size > max(4 * number.size, 1 << 12):
        used, place = np.unique(number, return_inverse=True)
        return used.astype(np.intp), place.astype(np.int32)
    there = np.zeros(size, np.bool_)
    there[number] = True
    used = np.flatnonzero(there)
    table = np.zeros(size, np.int32)
    table[used] = np.arange(used.size, dtype=np.int32)
    return used, table[number]
