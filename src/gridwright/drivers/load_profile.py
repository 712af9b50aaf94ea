"""From the record groups of a load profile to a panel of one row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.errors import DeviceNonsense
from gridwright.domain.interval import EPOCH, Interval, epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.quality import Status
from gridwright.drivers.device_time import DeviceTime
from gridwright.drivers.profile import ProfileSpec, StatusBit, ValueSpec
from gridwright.drivers.values import Scale, default_unit
from gridwright.protocols.iec62056_21 import RecordGroup, short

Slot = tuple[int, int | None, int]  # epoch second of the start, counts, quality byte


def on_grid(period: Interval, interval_s: int, phase_s: int = 0) -> Interval:
    """Return the part of a period whose intervals start within it: both ends rounded up to the grid."""
    step, origin = timedelta(seconds=interval_s), EPOCH + timedelta(seconds=phase_s)
    start, end = (moment + -((moment - origin) % step) % step for moment in (period.start, period.end))
    return Interval(start, end)


def requests(period: Interval, max_days: int) -> Iterator[Interval]:
    """Yield parts of a period that a device can answer at once."""
    start = period.start
    while start < period.end:
        end = min(start + timedelta(days=max_days), period.end)
        yield Interval(start, end)
        start = end


def channel_unit(group: RecordGroup, channel: ValueSpec) -> tuple[int, str] | None:
    """Return column and unit of a channel in a group, None where the group does not have it."""
    for column, told in enumerate(group.channels):
        if short(told.address) == short(channel.address):
            return column, told.unit or default_unit(channel)
    return None


class ProfileBuilder:
    """Gathers the groups of several answers into one row on the grid."""

    def __init__(
        self, spec: ProfileSpec, channel: ValueSpec, bits: Iterable[StatusBit], time: DeviceTime, period: Interval
    ) -> None:
        self._spec = spec
        self._channel = channel
        self._time = time
        self._doubts = {bit.bit: bit.quality for bit in bits if bit.quality is not None}
        self._phase_s = time.phase_s(spec.interval_s, period.start.year)
        self._period = on_grid(period, spec.interval_s, self._phase_s)
        self._first, self._last = epoch_s(self._period.start), epoch_s(self._period.end)
        slots = (self._last - self._first) // spec.interval_s
        self._values = np.full(slots, np.nan)
        self._quality = np.full(slots, q.MISSING, np.uint8)
        self._seen = np.zeros(slots, np.bool_)
        self._after: datetime | None = None

    @property
    def period(self) -> Interval:
        """The period on the device's grid."""
        return self._period

    def add(self, groups: Iterable[RecordGroup]) -> None:
        """Take one answer; intervals outside the period are left out, other lengths or phases are DeviceNonsense."""
        for group in groups:
            for start, counts, quality in self._slots(group):
                if self._first <= start < self._last:
                    self._put((start - self._first) // self._spec.interval_s, counts, quality)

    def panel(self, serial: str) -> Panel:
        """Return what was gathered."""
        return Panel(
            (serial,),
            self._period.start,
            timedelta(seconds=self._spec.interval_s),
            self._values[None, :],
            self._quality[None, :],
            self._channel.reading_type,
        )

    def _slots(self, group: RecordGroup) -> Iterator[Slot]:
        spec, address = self._spec, self._spec.address
        if group.minutes is not None and group.minutes * 60 != spec.interval_s:
            raise DeviceNonsense(f"{address} has intervals of {group.minutes} min, not of {spec.interval_s // 60} min")
        found = channel_unit(group, self._channel)
        if found is None:
            told = ", ".join(channel.address for channel in group.channels)
            raise DeviceNonsense(f"{address} holds {told[:80] or 'nothing'}, not {self._channel.address}")
        column, unit = found
        start = self._start(group)
        scale = Scale(self._channel, unit, interval_s=spec.interval_s)
        quality = self._quality_of(group.status)
        for number, row in enumerate(group.rows):
            counts = scale.count(row[column])
            yield start + number * spec.interval_s, counts, q.MISSING if counts is None else quality

    def _start(self, group: RecordGroup) -> int:
        moment = self._time.to_utc(group.stamp, after=self._after)
        if self._spec.stamp_at_end:
            moment -= timedelta(seconds=self._spec.interval_s)
        if (epoch_s(moment) - self._phase_s) % self._spec.interval_s:
            raise DeviceNonsense(
                f"{self._spec.address} begins {moment.isoformat()}, off its grid of {self._spec.interval_s // 60} min"
            )
        self._after = moment + timedelta(seconds=self._spec.interval_s * len(group.rows))
        return epoch_s(moment)

    def _quality_of(self, status: int) -> int:
        doubts = [doubt for bit, doubt in self._doubts.items() if status >> bit & 1]
        return q.pack(max(doubts)) if doubts else q.RAW

    def _put(self, slot: int, counts: int | None, quality: int) -> None:
        known = float(self._values[slot])
        if self._seen[slot] and counts is not None and known == known and known != counts:  # noqa: PLR0124 - NaN
            quality = q.pack(Status.REJECTED)  # one interval, two values: somebody must look at it
        self._seen[slot] = True
        self._values[slot] = np.nan if counts is None else counts
        self._quality[slot] = quality
