"""What the wall clock shows: local date, minute and weekday of every slot of a grid, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from gridwright.domain.interval import DAY_S, EPOCH, epoch_s, from_epoch_s, local_midnight, zone_of


@dataclass(frozen=True, slots=True, eq=False)
class LocalCalendar:
    """The wall clock at the start of each slot; every array has one value a slot.

    `day`: days since 1970-01-01 of the local date; `minute`: 0-1439 on the wall clock; `weekday`: 0 = Monday;
    `offset_s`: seconds east of UTC. A repeated hour shows the same minute twice, a skipped one never.
    """

    zone: str
    interval_s: int
    start_s: npt.NDArray[np.int64]
    offset_s: npt.NDArray[np.int32]
    day: npt.NDArray[np.int32]
    minute: npt.NDArray[np.int16]
    weekday: npt.NDArray[np.int8]

    @property
    def slots(self) -> int:
        """Number of slots."""
        return self.day.size

    @property
    def month(self) -> npt.NDArray[np.int32]:
        """Months since 1970-01 of each slot's local date."""
        return self.dates.astype("datetime64[M]").astype(np.int32)

    @property
    def dates(self) -> npt.NDArray[np.datetime64]:
        """Local date of each slot."""
        return self.day.astype("datetime64[D]")

    @property
    def slot_of_day(self) -> npt.NDArray[np.int32]:
        """Wall-clock slot number within the day: minute // interval."""
        return (self.minute.astype(np.int32) * 60) // self.interval_s

    @property
    def day_starts(self) -> npt.NDArray[np.intp]:
        """Index of the first slot of each local day that the grid touches."""
        return np.flatnonzero(np.r_[True, self.day[1:] != self.day[:-1]]) if self.slots else np.empty(0, np.intp)

    def expected_slots(self) -> npt.NDArray[np.int32]:
        """Return how many slots each touched local day has in full: 92, 96 or 100 at 15 min, 98 on Lord Howe."""
        zone = zone_of(self.zone)
        days = [date(1970, 1, 1) + timedelta(days=int(self.day[at])) for at in self.day_starts]
        lengths = [local_midnight(day + timedelta(days=1), zone) - local_midnight(day, zone) for day in days]
        return np.array([length.total_seconds() // self.interval_s for length in lengths], dtype=np.int32)


def local_calendar(start: datetime, interval: timedelta, slots: int, zone: ZoneInfo | str) -> LocalCalendar:
    """Return the wall clock of `slots` intervals from `start` on; cached, so ask freely."""
    name = zone if isinstance(zone, str) else zone.key
    return _cached_calendar(epoch_s(start), int(interval.total_seconds()), slots, name)


@lru_cache(maxsize=64)
def _cached_calendar(start_s: int, interval_s: int, slots: int, name: str) -> LocalCalendar:
    instants = start_s + interval_s * np.arange(slots, dtype=np.int64)
    offsets = utc_offsets(instants, name)
    local = instants + offsets
    day = local // DAY_S
    arrays = (
        instants,
        offsets,
        day.astype(np.int32),
        ((local - day * DAY_S) // 60).astype(np.int16),
        ((day + 3) % 7).astype(np.int8),  # 1970-01-01 was a Thursday
    )
    for array in arrays:
        array.setflags(write=False)
    return LocalCalendar(name, interval_s, *arrays)


def utc_offsets(instants: npt.NDArray[np.int64], name: str) -> npt.NDArray[np.int32]:
    """Return the seconds east of UTC at each instant (epoch seconds, any order) in the zone called `name`."""
    if instants.size == 0:
        return np.empty(0, np.int32)
    edges, values = zone_changes(int(instants.min()), int(instants.max()), name)
    return values[np.searchsorted(edges, instants, side="right")]


@lru_cache(maxsize=256)
def zone_changes(first_s: int, last_s: int, name: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Return (edges, values): values[k] is the offset before edges[k], values[-1] after the last edge.

    Offsets are sampled once a day and bisected to the second: no zone changes its clock twice within a day.
    """
    zone = zone_of(name)
    probes = [*range(first_s, last_s, DAY_S), last_s]
    seen = [_offset_s(probe, zone) for probe in probes]
    edges: list[int] = []
    values = [seen[0]]
    for low, high, before, after in zip(probes, probes[1:], seen, seen[1:], strict=False):
        if before != after:
            edges.append(_bisect_change(low, high, zone))
            values.append(after)
    return np.array(edges, dtype=np.int64), np.array(values, dtype=np.int32)


def _offset_s(instant_s: int, zone: ZoneInfo) -> int:
    offset = from_epoch_s(instant_s).astimezone(zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


def _bisect_change(low: int, high: int, zone: ZoneInfo) -> int:
    before = _offset_s(low, zone)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset_s(middle, zone) == before:
            low = middle
        else:
            high = middle
    return high


def local_to_utc(
    wall_s: npt.NDArray[np.int64], zone: ZoneInfo | str
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Turn wall-clock seconds (since 1970-01-01 on the local clock) into UTC epoch seconds.

    Returns (utc, repeated, skipped): a repeated stamp gets its first pass (the later is one change's length after it),
    a skipped one is read with the offset in force before the change.
    """
    name = zone if isinstance(zone, str) else zone.key
    if wall_s.size == 0:
        empty = np.zeros(0, np.bool_)
        return wall_s.copy(), empty, empty
    edges, values = zone_changes(int(wall_s.min()) - 2 * DAY_S, int(wall_s.max()) + 2 * DAY_S, name)
    before, after = values[:-1].astype(np.int64), values[1:].astype(np.int64)
    # On the wall clock, a change at UTC instant e spans [e + min, e + max) of the two offsets.
    opens, closes = edges + np.minimum(before, after), edges + np.maximum(before, after)
    index = np.searchsorted(opens, wall_s, side="right") - 1
    inside = np.zeros(wall_s.size, np.bool_)
    backward = np.zeros(wall_s.size, np.bool_)
    if edges.size:
        known = index >= 0
        safe = np.maximum(index, 0)
        inside = known & (wall_s < closes[safe])
        backward = after[safe] < before[safe]
    # Inside a change both cases read the stamp with the offset before it.
    offset = values.astype(np.int64)[np.where(inside, index, index + 1)]
    return wall_s - offset, inside & backward, inside & ~backward


def day_number(day: date) -> int:
    """Return days since 1970-01-01."""
    return day.toordinal() - EPOCH.toordinal()


def date_of(number: int) -> date:
    """Return the date `number` days after 1970-01-01."""
    return date.fromordinal(int(number) + EPOCH.toordinal())


def utc_day(moment: datetime) -> int:
    """Return the UTC day number of an instant."""
    return day_number(moment.astimezone(UTC).date())
