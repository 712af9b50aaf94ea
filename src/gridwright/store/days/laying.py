"""Single readings laid into their days one by one: a handful must not pay for arrays.

Only what is plain is done here: a reading where there was none, or the same again. All else (another value, another
grid, a number wider than the stored ones) is left to `saving`, which does the same for whole panels.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.interval import DAY_S, Interval, from_epoch_s
from gridwright.store import dirty
from gridwright.store.days.blocks import INSERT, marks
from gridwright.store.days.checksum import NONE, Numbers, carried_on, checksum
from gridwright.store.days.known import LONG, REACH, SHORT, begin_us
from gridwright.store.days.pack import DTYPE, NOTHING
from gridwright.store.days.series import count_series
from gridwright.store.names import FEW
from gridwright.store.session import Unit

ROWS = (
    "SELECT usage_point, phase_s, width, slots, quality_all, quality, counts, known_at_us, known, checksum FROM block "
    "WHERE reading_type = ? AND day = ? AND usage_point IN ({marks})"
)
UPDATE = (
    "UPDATE block SET quality_all = ?, quality = ?, counts = ?, known_at_us = ?, known = ?, checksum = ?, "
    "additions = additions + 1 "
    "WHERE reading_type = ? AND day = ? AND usage_point = ?"
)
WHAT_STAYS, WHAT_IS_NEW = 3, 7  # columns of a row: which never change, which a new one has
NARROW = (2, 4)  # bytes; a row of wider numbers is packed anew as a whole


class Single(NamedTuple):
    """One interval reading: whose, when it starts (epoch seconds), how many counts, and its quality."""

    point: str
    at_s: int
    counts: float
    quality: int = q.RAW


class Laid(NamedTuple):
    """What became of single readings, by their places: keys and days of those that are new, and those left over."""

    new: dict[int, tuple[int, int]]
    left: list[int]


class Day(NamedTuple):
    """A row, as far as a reading that is added touches it."""

    phase_s: int
    width: int
    slots: int
    quality_all: int | None
    quality: bytes | None
    counts: bytes
    known_at_us: int
    known: bytes | None = None
    checksum: bytes | None = None


class Layer:
    """Lays single readings of one reading type and interval, each of another usage point; `fill`: only where none is.

    Days `away` from the database are left over: whether there is one, the archive knows.
    SQLite alone: it has one writer, so that a row which was read is the row that is written.
    """

    def __init__(
        self, unit: Unit, kind: int, interval_s: int, known_at_us: int, *, fill: bool, away: Collection[int] = ()
    ) -> None:
        self.unit, self.kind, self.fill, self.away = unit, kind, fill, away
        self.interval_s, self.known_at_us = interval_s, known_at_us
        self.laid = Laid({}, [])

    def run(self, singles: Sequence[Single], keys: Sequence[int | None]) -> Laid:
        """Lay them; `keys` are their usage points' (None: not registered)."""
        days: dict[int, dict[int, int]] = {}
        seen: set[int | None] = {None}
        for place, (single, key) in enumerate(zip(singles, keys, strict=True)):
            day = single.at_s // DAY_S
            if key is None or key in seen or day in self.away or not float(single.counts).is_integer():
                self.laid.left.append(place)
            else:
                days.setdefault(day, {})[key] = place
            seen.add(key)
        for day in sorted(days):
            self._lay_day(day, days[day], singles)
        return self.laid

    def _lay_day(self, day: int, places: dict[int, int], singles: Sequence[Single]) -> None:
        fresh, changed = [], []
        stored = self._stored(day, list(places))
        for key, place in places.items():
            single, row = singles[place], stored.get(key)
            slot = single.at_s % DAY_S // self.interval_s
            after = self._fresh(single, slot) if row is None else self._with(row, single, slot, day)
            if after is None:
                self.laid.left.append(place)
            elif row is None:
                fresh.append((self.kind, day, key, *after[:WHAT_IS_NEW], 1, self._checksum(day, key, after)))
                self.unit.laid.add((self.kind, day, after.slots, after.phase_s))
                self.laid.new[place] = key, day
            elif after is not row:
                before, right = (self._checksum(day, key, each) for each in (row, after))
                sum_ = carried_on(right, row.checksum, before)
                changed.append((*after[WHAT_STAYS:-1], sum_, self.kind, day, key))
                self.laid.new[place] = key, day
        self.unit.run_many(INSERT, fresh)
        self.unit.run_many(UPDATE, changed)

    def leave_traces(self) -> None:
        """Mark the days of what is new dirty, and count it."""
        points, days = np.array(sorted(self.laid.new.values()), np.int64).T
        dirty.mark(self.unit, self.kind, points, days, days + 1)
        once = np.ones(points.size, np.int64)
        count_series(self.unit, self.kind, self.interval_s, points, first=days, last=days + 1, new=once)

    def _stored(self, day: int, keys: list[int]) -> dict[int, Day]:
        found = {}
        for at in range(0, len(keys), FEW):
            part = keys[at : at + FEW]
            for key, *row in self.unit.fetch(ROWS.format(marks=marks(len(part))), (self.kind, day, *part)):
                found[key] = Day._make(row)
        return found

    def _checksum(self, day: int, key: int, row: Day) -> bytes:
        quality_all = NONE if row.quality_all is None else row.quality_all
        head = (self.kind, day, row.phase_s, row.slots, row.width, quality_all, row.known_at_us, key)
        return checksum(Numbers(*head), row.known, row.quality, row.counts)

    def _fresh(self, single: Single, slot: int) -> Day | None:
        """Return a row with this reading alone, None where it is not plain."""
        slots, value = DAY_S // self.interval_s, int(single.counts)
        width = next((width for width in NARROW if abs(value) < -NOTHING[width]), None)
        if width is None:
            return None
        counts = _cut_in(_nothing(width) * slots, slot, value, width)
        shared = single.quality == q.MISSING
        quality = None if shared else _byte_in(bytes([q.MISSING]) * slots, slot, single.quality)
        phase_s = single.at_s % self.interval_s
        return Day(phase_s, width, slots, q.MISSING if shared else None, quality, counts, self.known_at_us)

    def _with(self, row: Day, single: Single, slot: int, day: int) -> Day | None:
        """Return a row with a reading; the row itself where nothing changes, None where it is not plain."""
        value, width = int(single.counts), row.width
        if row.slots * self.interval_s != DAY_S or row.phase_s != single.at_s % self.interval_s or width not in NARROW:
            return None
        there = row.counts[slot * width : (slot + 1) * width]
        if there != _nothing(width):
            told = row.quality[slot] if row.quality is not None else row.quality_all
            same = told == single.quality and int.from_bytes(there, "little", signed=True) == value
            return row if (self.fill and told != q.TAKEN_BACK) or same else None
        if row.quality is None or not abs(value) < -NOTHING[width]:
            return None
        came = max(row.known_at_us, self.known_at_us)
        known = _known(row, slot, came - begin_us(day), row.known_at_us - begin_us(day))
        if known == b"":
            return None
        quality = _byte_in(row.quality, slot, single.quality)
        shared = quality.count(single.quality) == row.slots
        quality_all, each = (single.quality, None) if shared else (None, quality)
        counts = _cut_in(row.counts, slot, value, width)
        return Day(row.phase_s, width, row.slots, quality_all, each, counts, came, known)


def span(singles: Sequence[Single], interval_s: int) -> str:
    """Return the period from the first to the last of them, as records of the audit tell it."""
    at = [single.at_s for single in singles]
    return f"{Interval(from_epoch_s(min(at)), from_epoch_s(max(at) + interval_s))}"


def _known(row: Day, slot: int, came: int, before: int) -> bytes | None:
    """Return when each slot became known, microseconds of the day; empty where the bytes a slot do not suffice."""
    if row.known is None and came == before:
        return None
    far = before < -REACH or came >= REACH
    if row.known is not None:
        width = len(row.known) // row.slots
        return b"" if far and width == SHORT else _cut_in(row.known, slot, came, width)
    width, there = LONG if far else SHORT, np.frombuffer(row.counts, DTYPE[row.width]) != NOTHING[row.width]
    if not there.any():
        return None
    each = np.where(there, before, 0).astype("<i8")
    each[slot] = came
    return each.view(np.uint8).reshape(row.slots, LONG)[:, :width].tobytes()


def _nothing(width: int) -> bytes:
    return _told(NOTHING[width], width)


def _told(value: int, width: int) -> bytes:
    return value.to_bytes(width, "little", signed=True)


def _cut_in(content: bytes, slot: int, value: int, width: int) -> bytes:
    return content[: slot * width] + _told(value, width) + content[(slot + 1) * width :]


def _byte_in(content: bytes, slot: int, byte: int) -> bytes:
    return content[:slot] + bytes((byte,)) + content[slot + 1 :]
