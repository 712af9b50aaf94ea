"""A noisy line between driver and meter: one changed byte anywhere costs at most the session, never the truth."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain.control import Command
from gridwright.domain.device import RelayState
from gridwright.domain.errors import DeviceError
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import DELIVERED_ENERGY, Flow
from gridwright.drivers.iec62056_21 import MeterSession
from gridwright.simulate.virtual_meter import GENERIC_RELAY, VDEW_LOAD_PROFILE, Family, Source, VirtualMeter
from gridwright.simulate.virtual_meter.desk import Desk
from tests.unit.drivers.memory_wire import MemoryWire, Spoil, session_on, untouched

NOW = datetime(2026, 11, 25, 12, 7, 30, tzinfo=UTC)
PERIOD = Interval(NOW - timedelta(hours=30), NOW - timedelta(hours=1))


@dataclass(frozen=True)
class Found:
    """What a whole conversation brought."""

    serial: str
    clock: datetime
    registers: tuple[float, ...]
    profile: tuple[float, ...]
    relay: RelayState | None


def changed(at: int, mask: int) -> Spoil:
    """Change the byte at `at` of everything that goes one way."""

    def spoil(data: bytes, passed: int) -> bytes:
        here = at - passed
        if not 0 <= here < len(data):
            return data
        return data[:here] + bytes([data[here] ^ mask]) + data[here + 1 :]

    return spoil


def steady(wh: int) -> Source:
    """Tell the same energy for each interval, none of it received."""
    return lambda period, flow: np.full(period.slots(timedelta(minutes=15)), wh if flow is Flow.DELIVERED else 0)


def neighbours(family: Family) -> dict[str, VirtualMeter]:
    """Two meters of serials that differ in one character; they measure differently."""
    since = NOW - timedelta(days=3)
    return {
        serial: VirtualMeter(
            serial, clock=lambda: NOW, source=steady(wh), since=since, zone="Europe/Berlin", family=family
        )
        for serial, wh in (("M-1042", 100), ("M-1043", 333))
    }


async def converse(session: MeterSession, family: Family) -> Found:
    await session.open("M-1042", b"00000000")
    identity = await session.identify()
    clock = await session.clock()
    registers = tuple(reading.value for reading in await session.registers())
    panel = await session.profile(DELIVERED_ENERGY, PERIOD)
    relay = None
    if family.relay_address:
        await session.set_relay(Command.DISCONNECT)
        relay = await session.relay()
    return Found(identity.serial, clock, registers, tuple(panel.values[0].tolist()), relay)


def conversation(
    family: Family, to_meter: Spoil = untouched, to_reader: Spoil = untouched
) -> tuple[Found, MemoryWire, dict[str, VirtualMeter]]:
    meters = neighbours(family)
    wire = MemoryWire(Desk(lambda: meters), to_meter, to_reader)
    session = session_on(wire, family.name, clock=lambda: NOW, device="M-1042")
    return asyncio.run(converse(session, family)), wire, meters


TRUTH = {family.name: conversation(family) for family in (GENERIC_RELAY, VDEW_LOAD_PROFILE)}
FAMILIES = st.sampled_from([GENERIC_RELAY, VDEW_LOAD_PROFILE])


def test_the_quiet_line_tells_the_truth() -> None:
    found, wire, _ = TRUTH["generic-relay"]
    assert (found.serial, found.clock, found.relay) == ("M-1042", NOW, RelayState.DISCONNECTED)
    assert set(found.profile) == {100.0}
    assert wire.back > 1000


def expect_truth_or_an_error(family: Family, to_meter: Spoil, to_reader: Spoil) -> None:
    truth = TRUTH[family.name][0]
    try:
        found, _, _ = conversation(family, to_meter, to_reader)
    except DeviceError:
        return
    assert found == truth


@given(FAMILIES, st.integers(0), st.integers(1, 255))
def test_a_changed_byte_from_the_meter_never_changes_a_reading(family: Family, at: int, mask: int) -> None:
    expect_truth_or_an_error(family, untouched, changed(at % TRUTH[family.name][1].back, mask))


@given(FAMILIES, st.integers(0), st.integers(1, 255))
def test_a_changed_byte_to_the_meter_never_reads_another_meter(family: Family, at: int, mask: int) -> None:
    expect_truth_or_an_error(family, changed(at % TRUTH[family.name][1].there, mask), untouched)


@pytest.mark.parametrize("at", range(2, 8))
def test_a_call_that_reaches_the_neighbour_is_noticed(at: int) -> None:
    with pytest.raises(DeviceError) as caught:
        conversation(GENERIC_RELAY, changed(at, 0x01), untouched)
    reached = at == 7  # M-1042 became M-1043
    assert ("M-1043" in str(caught.value)) is reached


@given(st.integers(0), st.integers(1, 255))
def test_the_relay_of_the_neighbour_never_moves(at: int, mask: int) -> None:
    meters = neighbours(GENERIC_RELAY)
    wire = MemoryWire(Desk(lambda: meters), changed(at % TRUTH["generic-relay"][1].there, mask), untouched)
    session = session_on(wire, "generic-relay", clock=lambda: NOW)
    with suppress(DeviceError):
        asyncio.run(converse(session, GENERIC_RELAY))
    assert meters["M-1043"].relay is RelayState.CONNECTED
