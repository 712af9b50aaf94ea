"""A world with one virtual meter on a real port, and a driver that talks to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import numpy as np

from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import Flow
from gridwright.drivers import connect
from gridwright.drivers.iec62056_21 import MeterSession
from gridwright.simulate.town import Floats
from gridwright.simulate.virtual_meter import GENERIC_RELAY, Family, MeterServer, VirtualMeter

NOW = datetime(2026, 11, 25, 12, 7, 30, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
SECRET = b"00000000"
BERLIN = "Europe/Berlin"
PATIENT_S = 20.0
T = TypeVar("T")


@dataclass
class World:
    """The time that meter and reader see; it stands until it is turned on."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


def source(period: Interval, flow: Flow) -> Floats:
    """Tell an energy that names its interval: quarter-hours since the epoch, modulo 97; half of it is received."""
    first = int(period.start.timestamp()) // 900
    slots = np.arange(first, first + period.slots(QUARTER), dtype=np.float64) % 97
    return slots if flow is Flow.DELIVERED else np.floor(slots / 2)


def meter(
    world: World, family: Family = GENERIC_RELAY, *, serial: str = "M-1042", days: int = 60, **settings: object
) -> VirtualMeter:
    """Build a meter that has measured for `days`."""
    since = world.now.replace(hour=0, minute=0, second=0) - timedelta(days=days)
    known: dict[str, object] = {"zone": BERLIN, "opening_wh": 1_234_567, **settings}
    return VirtualMeter(serial, clock=world, source=source, since=since, family=family, **known)  # type: ignore[arg-type]


def talk(
    one: VirtualMeter,
    world: World,
    work: Callable[[MeterSession], Awaitable[T]],
    *,
    secret: bytes | None = SECRET,
    timeout_s: float = PATIENT_S,
) -> T:
    """Connect to a meter that listens to its own serial, do the work, hang up."""
    return talk_as(one.serial, one, world, work, secret=secret, timeout_s=timeout_s)


def talk_with(driver: str, one: VirtualMeter, world: World, work: Callable[[MeterSession], Awaitable[T]]) -> T:
    """Talk to a meter by the profile of another family."""

    async def main() -> T:
        async with (
            MeterServer([one]) as server,
            connect(driver, server.address(one.serial), secret=SECRET, zone=BERLIN, clock=world) as session,
        ):
            return await work(session)

    return asyncio.run(main())


def talk_as(
    serial: str,
    one: VirtualMeter,
    world: World,
    work: Callable[[MeterSession], Awaitable[T]],
    *,
    secret: bytes | None = SECRET,
    timeout_s: float = PATIENT_S,
) -> T:
    """The same, calling a serial of one's choice."""

    async def main() -> T:
        async with MeterServer([one]) as server:
            address = server.address(serial)
            options = {"secret": secret, "zone": BERLIN, "clock": world, "timeout_s": timeout_s}
            async with connect(one.family.name, address, **options) as session:  # type: ignore[arg-type]
                return await work(session)

    return asyncio.run(main())
