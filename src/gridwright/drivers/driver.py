"""What every driver offers: one conversation with one device, in the nouns of the domain."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gridwright.domain.control import Command
from gridwright.domain.device import RelayState
from gridwright.domain.event import EndDeviceEvent
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.register import RegisterReading


@dataclass(frozen=True, slots=True)
class Identity:
    """Who answered: the serial is read from the device itself, never taken from the address that was called."""

    serial: str
    manufacturer: str = ""
    model: str = ""
    firmware: str = ""


class Session(Protocol):
    """An open conversation with one device; `gridwright.drivers.connect` opens it.

    Every method raises DeviceSilent when no answer comes in time (the conversation is then over), DeviceNonsense when
    the answer breaks the protocol or cannot be true, DeviceRefused when the device says no (the conversation goes on).
    """

    async def identify(self) -> Identity:
        """Return who the device is."""

    async def clock(self) -> datetime:
        """Return the device's own time as aware UTC."""

    async def set_clock(self, now: datetime) -> None:
        """Set the device's time; the device logs it."""

    async def capabilities(self) -> dict[str, str]:
        """Return what the device can do: `profile_interval_s`, `channels`, `registers`, `relay`, `events`, `clock`."""

    async def registers(self) -> list[RegisterReading]:
        """Read all registers: counts of their reading types, `end_device` the serial, `usage_point` empty."""

    async def profile(self, reading_type: ReadingType, period: Interval) -> Panel:
        """Read the intervals that start within `period`: one row named by the serial, MISSING where there is none."""

    async def events(self, period: Interval) -> list[EndDeviceEvent]:
        """Read the device's log of `period`, oldest first."""

    async def relay(self) -> RelayState:
        """Read the relay's state back from the device."""

    async def set_relay(self, command: Command) -> None:
        """Send one relay command, once; that it was taken proves nothing: read `relay` back."""

    async def close(self) -> None:
        """Sign off and hang up; harmless when the conversation is already over."""
