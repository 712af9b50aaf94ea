"""Hundreds of meters behind one port at once: each answers for itself, and one broken one disturbs nobody."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import numpy as np

from gridwright.domain.errors import DeviceNonsense, DeviceSilent
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import DELIVERED_ENERGY, Flow
from gridwright.drivers import connect
from gridwright.simulate.virtual_meter import Faults, MeterServer, VirtualMeter
from tests.integration.drivers.meter_bench import BERLIN, NOW, QUARTER, SECRET, World

METERS = 200
PERIOD = Interval(NOW.replace(hour=0, minute=0, second=0), NOW.replace(hour=12, minute=0, second=0))


def build(number: int, world: World) -> VirtualMeter:
    """Build a meter whose every interval is its own number of watt-hours."""
    return VirtualMeter(
        f"M-{number}",
        clock=world,
        source=lambda period, flow: np.full(period.slots(QUARTER), number if flow is Flow.DELIVERED else 0),
        since=PERIOD.start - timedelta(days=1),
        zone=BERLIN,
    )


async def read(server: MeterServer, serial: str, world: World, *, timeout_s: float) -> tuple[float, float]:
    address = server.address(serial)
    async with connect(
        "generic-relay", address, secret=SECRET, zone=BERLIN, clock=world, timeout_s=timeout_s
    ) as session:
        panel = await session.profile(DELIVERED_ENERGY, PERIOD)
        registers = await session.registers()
        assert panel.points == (serial,)
        return float(panel.values.sum()), registers[0].value


def test_two_hundred_meters_at_once_are_not_mixed_up() -> None:
    world = World()

    async def main() -> list[tuple[float, float]]:
        async with MeterServer([build(number, world) for number in range(METERS)]) as server:
            return await asyncio.gather(*(read(server, f"M-{number}", world, timeout_s=60) for number in range(METERS)))

    found = asyncio.run(main())
    expected = [(48.0 * number, float(build(number, world).register_wh())) for number in range(METERS)]
    assert found == expected


def test_broken_meters_disturb_nobody() -> None:
    world = World()
    meters = [build(number, world) for number in range(40)]
    meters[3].faults = Faults(silent=True)
    meters[5].faults = Faults(garbage=True)
    meters[7].faults = Faults(endless=True)
    meters[9].faults = Faults(wrong_serial="M-10")

    async def main() -> list[object]:
        async with MeterServer(meters) as server:
            timeouts = {3: 0.3}
            return await asyncio.gather(
                *(
                    read(server, one.serial, world, timeout_s=timeouts.get(number, 60))
                    for number, one in enumerate(meters)
                ),
                return_exceptions=True,
            )

    found = asyncio.run(main())
    kinds = {number: type(one) for number, one in enumerate(found) if isinstance(one, Exception)}
    assert kinds == {3: DeviceSilent, 5: DeviceNonsense, 7: DeviceNonsense, 9: DeviceNonsense}
    assert all(one[0] == 48.0 * number for number, one in enumerate(found) if isinstance(one, tuple))
