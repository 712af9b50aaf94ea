"""From the record groups of a device's log to events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from gridwright.domain.errors import DeviceNonsense
from gridwright.domain.event import EndDeviceEvent
from gridwright.domain.interval import Interval
from gridwright.drivers.device_time import DeviceTime
from gridwright.drivers.profile import DriverProfile, EventSpec, LogSpec, ToldBy
from gridwright.protocols.iec62056_21 import RecordGroup, short

OTHER = "0.0.0.0"  # noqa: S104 - the CIM code for an event without a type


class LogReader:
    """Reads one device's log by its profile; a code the profile does not know becomes an event of type 0.0.0.0."""

    def __init__(self, profile: DriverProfile, spec: LogSpec, time: DeviceTime) -> None:
        self._spec = spec
        self._bits = {bit.bit: EventSpec(bit.event, bit.text) for bit in profile.status if bit.event}
        self._silent_bits = {bit.bit for bit in profile.status if not bit.event}
        self._time = time

    def events(
        self, groups: Iterable[RecordGroup], *, serial: str, period: Interval, known_at: datetime
    ) -> list[EndDeviceEvent]:
        """Return the events of a period, oldest first; the same event at the same second counts once."""
        found: dict[tuple[datetime, str, str], EndDeviceEvent] = {}
        for group in groups:
            at = self._time.to_utc(group.stamp)
            if at not in period:
                continue
            for code, spec in self._told(group):
                event = EndDeviceEvent(
                    serial, spec.event, at, known_at, text=spec.text, details={"log": self._spec.address, "code": code}
                )
                found[at, spec.event, code] = event
        return [found[key] for key in sorted(found)]

    def _told(self, group: RecordGroup) -> Iterator[tuple[str, EventSpec]]:
        if self._spec.told_by is ToldBy.STATUS:
            yield from self._by_status(group.status)
            return
        columns = [
            at for at, told in enumerate(group.channels) if short(told.address) == short(self._spec.code_address)
        ]
        if not columns:
            raise DeviceNonsense(f"{self._spec.address} tells no {self._spec.code_address}")
        for row in group.rows:
            code = row[columns[0]].strip()
            bare = code.lstrip("0") or "0"
            known = self._spec.events.get(code) or self._spec.events.get(bare)
            yield bare, known or EventSpec(OTHER, f"event {bare[:40]}, which the driver profile does not know")

    def _by_status(self, status: int) -> Iterator[tuple[str, EventSpec]]:
        for bit in range(status.bit_length()):
            if status >> bit & 1 and bit not in self._silent_bits:
                unknown = EventSpec(OTHER, f"status bit {bit}, which the driver profile does not know")
                yield f"{1 << bit:08X}", self._bits.get(bit, unknown)
