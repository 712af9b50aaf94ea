"""A device of memory: a Session whose answers and troubles a test sets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from gridwright.domain.control import Command
from gridwright.domain.device import RelayState
from gridwright.domain.errors import DeviceRefused, DeviceSilent
from gridwright.domain.event import EndDeviceEvent
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.drivers.driver import Identity, Session

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


@dataclass
class FakeDevice:
    """Answers each question from its fields; `silent_at` names the question at which the line breaks."""

    serial: str = "M-1"
    drift: timedelta = timedelta()
    able: dict[str, str] = field(
        default_factory=lambda: {"profile_interval_s": "900", "registers": "1.8.0", "events": "yes", "relay": "yes"}
    )
    silent_at: str = ""
    keeps_clock: bool = False
    refuses_clock: bool = False
    lacks: tuple[Interval, ...] = ()
    asked: list[str] = field(default_factory=list)

    def _hear(self, question: str) -> None:
        self.asked.append(question)
        if self.silent_at == question:
            raise DeviceSilent(f"no answer to {question}", remedy="check the line")

    async def identify(self) -> Identity:
        self._hear("identify")
        return Identity(self.serial)

    async def clock(self) -> datetime:
        self._hear("clock")
        return NOW + self.drift

    async def set_clock(self, now: datetime) -> None:
        self._hear("set_clock")
        if self.refuses_clock:
            raise DeviceRefused("ERROR 3")
        if not self.keeps_clock:
            self.drift = now - NOW

    async def capabilities(self) -> dict[str, str]:
        self._hear("capabilities")
        return self.able

    async def registers(self) -> list[RegisterReading]:
        self._hear("registers")
        return [RegisterReading("", NOW, 1000.0, self.serial)]

    async def profile(self, reading_type: ReadingType, period: Interval) -> Panel:
        self._hear("profile")
        values = np.full((1, period.slots(QUARTER)), 250.0)
        for hole in self.lacks:
            for slot in range(values.shape[1]):
                if period.start + QUARTER * slot in hole:
                    values[0, slot] = np.nan
        return Panel((self.serial,), period.start, QUARTER, values, reading_type=reading_type)

    async def events(self, period: Interval) -> list[EndDeviceEvent]:
        self._hear("events")
        return [EndDeviceEvent(self.serial, "3.26.0.85", period.start, NOW)]

    async def relay(self) -> RelayState:
        return RelayState.CONNECTED

    async def set_relay(self, command: Command) -> None:
        raise DeviceRefused(str(command))

    async def close(self) -> None:
        return


def line_to(device: FakeDevice) -> Callable[[], AbstractAsyncContextManager[Session]]:
    """Return what opens a conversation with the device."""

    @asynccontextmanager
    async def connect() -> AsyncIterator[Session]:
        device.asked.append("call")
        if device.silent_at == "call":
            raise DeviceSilent("nobody at home")
        yield device

    return connect
