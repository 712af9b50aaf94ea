"""A wire without a socket: what a driver sends reaches a virtual meter at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import TypeVar

from gridwright.domain.interval import zone_of
from gridwright.drivers import profile_of
from gridwright.drivers.exchange import Exchange
from gridwright.drivers.iec62056_21 import MeterSession
from gridwright.drivers.profile import DriverProfile
from gridwright.drivers.wire import Wire
from gridwright.simulate.virtual_meter import VirtualMeter
from gridwright.simulate.virtual_meter.desk import Desk

Spoil = Callable[[bytes, int], bytes]
T = TypeVar("T")


def untouched(data: bytes, _: int) -> bytes:
    """Spoil nothing."""
    return data


class MemoryWire(Wire):
    """Each way goes through a spoiler, which is told how many bytes went that way before."""

    def __init__(self, desk: Desk, to_meter: Spoil = untouched, to_reader: Spoil = untouched) -> None:
        super().__init__("memory")
        self._desk = desk
        self._spoil_there, self._spoil_back = to_meter, to_reader
        self.there = self.back = 0

    def send(self, data: bytes) -> None:
        """Send a question."""
        assert not self._buffer
        self.reply(data)

    def reply(self, data: bytes) -> None:
        """Send, and have the answer at once."""
        spoilt = self._spoil_there(data, self.there)
        self.there += len(data)
        answer = self._desk.receive(spoilt)
        self._buffer += self._spoil_back(answer, self.back)
        self.back += len(answer)

    async def receive(self, timeout_s: float) -> bytes:
        """Return the answer; none is a time-out, at once."""
        assert timeout_s > 0
        if not self._buffer:
            raise TimeoutError
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    def close(self) -> None:
        """Do nothing."""


def session_on(
    wire: MemoryWire,
    driver: str | DriverProfile,
    *,
    clock: Callable[[], datetime],
    zone: str = "Europe/Berlin",
    device: str = "",
) -> MeterSession:
    """Return a session that is not opened yet."""
    profile = profile_of(driver) if isinstance(driver, str) else driver
    exchange = Exchange(wire, timeout_s=60, device=device)
    return MeterSession(exchange, profile, zone=zone_of(zone), clock=clock)


def talk_in_memory(
    meter: VirtualMeter,
    driver: str | DriverProfile,
    work: Callable[[MeterSession], Awaitable[T]],
    *,
    zone: str = "Europe/Berlin",
) -> T:
    """Open a session with one meter and do the work."""
    meters: Mapping[str, VirtualMeter] = {meter.serial: meter}
    session = session_on(MemoryWire(Desk(lambda: meters)), driver, clock=lambda: meter.now, zone=zone)

    async def main() -> T:
        await session.open(meter.serial, b"00000000")
        return await work(session)

    return asyncio.run(main())
