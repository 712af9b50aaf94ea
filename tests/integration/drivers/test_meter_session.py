"""The driver against virtual meters over real sockets: every capability, both families, both changes of the season."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.control import Command
from gridwright.domain.device import RelayState
from gridwright.domain.errors import DeviceNonsense, DeviceRefused
from gridwright.domain.event import EndDeviceEvent
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import (
    DELIVERED_ENERGY,
    DELIVERED_REGISTER,
    RECEIVED_ENERGY,
    RECEIVED_REGISTER,
    TEMPERATURE,
    VOLTAGE,
    Flow,
    ReadingType,
)
from gridwright.drivers import Identity, Session, connect
from gridwright.drivers.iec62056_21 import MeterSession
from gridwright.simulate.virtual_meter import (
    GENERIC_RELAY,
    READOUT_ONLY,
    VDEW_LOAD_PROFILE,
    Family,
    LogKind,
    MeterServerThread,
    VirtualMeter,
)
from tests.integration.drivers.meter_bench import BERLIN, NOW, QUARTER, SECRET, World, meter, source, talk, talk_with

DAY = timedelta(days=1)
FAMILIES = pytest.mark.parametrize("family", [GENERIC_RELAY, VDEW_LOAD_PROFILE], ids=lambda family: family.name)
EVER = Interval(NOW - 100 * DAY, NOW + DAY)


def read_profile(one: VirtualMeter, world: World, period: Interval, kind: ReadingType = DELIVERED_ENERGY) -> Panel:
    async def work(session: MeterSession) -> Panel:
        return await session.profile(kind, period)

    return talk(one, world, work)


def read_events(one: VirtualMeter, world: World, period: Interval = EVER) -> list[EndDeviceEvent]:
    async def work(session: MeterSession) -> list[EndDeviceEvent]:
        return await session.events(period)

    return talk(one, world, work)


@FAMILIES
def test_who_it_is_and_what_it_can(family: Family) -> None:
    world = World()

    async def work(session: MeterSession) -> tuple[Identity, dict[str, str]]:
        as_promised: Session = session
        return await as_promised.identify(), await as_promised.capabilities()

    identity, can = talk(meter(world, family), world, work)
    assert identity == Identity("M-1042", family.manufacturer, family.model, "1.04")
    assert (can["profile_interval_s"], can["registers"], can["instantaneous"]) == ("900", "1.8.0,2.8.0", "32.7.0")
    assert can["channels"].startswith("electricity/delivered/energy/delta/")
    assert (can["relay"], can["events"], can["clock"]) == ("yes" if family is GENERIC_RELAY else "no", "yes", "yes")


def test_a_meter_that_is_only_read_out() -> None:
    world = World()
    one = meter(world, READOUT_ONLY)

    async def work(session: MeterSession) -> tuple[dict[str, str], list[float], datetime, list[EndDeviceEvent]]:
        values = [reading.value for reading in [*await session.registers(), *await session.instantaneous()]]
        for act in (
            session.set_clock(NOW),
            session.set_relay(Command.DISCONNECT),
            session.profile(DELIVERED_ENERGY, EVER),
        ):
            with pytest.raises(DeviceRefused):
                await act
        return await session.capabilities(), values, await session.clock(), await session.events(EVER)

    can, values, clock, events = talk(one, world, work, secret=None)
    assert values == [one.register_wh(), one.register_wh(Flow.RECEIVED), 2300]
    assert (clock, events) == (NOW, [])
    assert (can["relay"], can["events"], can["profile_interval_s"]) == ("no", "no", "")
    with pytest.raises(DeviceRefused, match="programming mode refused: ER09"):
        talk_with("generic-relay", one, world, work)


def test_registers_are_exact_and_stamped_by_the_reader() -> None:
    world = World()
    one = meter(world)

    async def work(session: MeterSession) -> dict[ReadingType, float]:
        readings = await session.registers()
        assert {(reading.at, reading.end_device, reading.usage_point) for reading in readings} == {(NOW, "M-1042", "")}
        return {reading.reading_type: reading.value for reading in readings}

    assert talk(one, world, work) == {
        DELIVERED_REGISTER: one.register_wh(),
        RECEIVED_REGISTER: one.register_wh(Flow.RECEIVED),
    }


def test_a_register_of_two_decimals_is_cut_by_the_meter_not_by_us() -> None:
    world = World()
    one = meter(world, VDEW_LOAD_PROFILE)

    async def work(session: MeterSession) -> float:
        return (await session.registers())[0].value

    assert talk(one, world, work) == one.register_wh() // 10 * 10


def test_voltage_is_counted_in_tenths() -> None:
    world = World()

    async def work(session: MeterSession) -> list[tuple[ReadingType, float]]:
        return [(reading.reading_type, reading.value) for reading in await session.instantaneous()]

    assert talk(meter(world, voltage=lambda _: 231.46), world, work) == [(VOLTAGE, 2315)]


@FAMILIES
def test_the_clock_is_read_and_set_and_the_meter_logs_it(family: Family) -> None:
    world = World()
    one = meter(world, family, drift_s=95.0)

    async def work(session: MeterSession) -> tuple[datetime, datetime]:
        before = await session.clock()
        await session.set_clock(world.now)
        return before, await session.clock()

    assert talk(one, world, work) == (NOW + timedelta(seconds=95), NOW)
    assert one.drift_s == 0
    assert [event.type for event in read_events(one, world)] == ["3.36.114.24"]


@FAMILIES
@pytest.mark.parametrize(
    "at", ["2026-10-25T00:30:10", "2026-10-25T01:30:10", "2026-03-29T00:59:59", "2026-12-31T23:00:05"]
)
def test_the_clock_is_right_in_the_repeated_hour_and_at_midnight(family: Family, at: str) -> None:
    world = World(datetime.fromisoformat(at).replace(tzinfo=UTC))
    one = meter(world, family, drift_s=-7.0)

    async def work(session: MeterSession) -> tuple[datetime, datetime]:
        before = await session.clock()
        await session.set_clock(world.now)
        return before, await session.clock()

    assert talk(one, world, work) == (world.now - timedelta(seconds=7), world.now)


def test_midnight_between_date_and_time_does_not_cost_a_day() -> None:
    midnight = datetime(2026, 11, 25, 23, tzinfo=UTC)

    class Ticking(World):
        def __call__(self) -> datetime:
            self.now += timedelta(milliseconds=400)
            return self.now

    world = Ticking(midnight - timedelta(seconds=4))
    one = meter(world, VDEW_LOAD_PROFILE)

    async def work(session: MeterSession) -> list[tuple[datetime, datetime]]:
        return [(await session.clock(), world.now) for _ in range(12)]

    seen = talk(one, world, work)
    assert seen[0][0] < midnight < seen[-1][0]
    assert all(abs(shown - now) < timedelta(seconds=3) for shown, now in seen)


@FAMILIES
def test_forty_days_of_profile_in_many_blocks_are_the_truth(family: Family) -> None:
    world = World()
    one = meter(world, family)
    period = Interval(NOW - 40 * DAY, NOW)
    for kind, flow in ((DELIVERED_ENERGY, Flow.DELIVERED), (RECEIVED_ENERGY, Flow.RECEIVED)):
        panel = read_profile(one, world, period, kind)
        assert panel.points == ("M-1042",)
        assert panel.slots == 40 * 96
        assert panel.start == datetime(2026, 10, 16, 12, 15, tzinfo=UTC)
        done = Interval(panel.start, panel.end - QUARTER)
        exponent = panel.reading_type.exponent
        assert (panel.values[0, :-1] * 10.0**exponent).tolist() == source(done, flow).tolist()
        assert panel.quality[0].tolist() == [q.RAW] * (panel.slots - 1) + [q.MISSING]


@FAMILIES
@pytest.mark.parametrize("day", ["2026-10-25", "2026-03-29"])
def test_days_of_25_and_23_hours_are_whole(family: Family, day: str) -> None:
    start = datetime.fromisoformat(day).replace(tzinfo=UTC) - timedelta(hours=3)
    world = World(start + 2 * DAY)
    period = Interval(start, start + timedelta(hours=30))
    panel = read_profile(meter(world, family), world, period)
    scale = 10.0**panel.reading_type.exponent
    assert (panel.values[0] * scale).tolist() == source(period, Flow.DELIVERED).tolist()


def test_profile_and_register_agree_to_the_watt_hour() -> None:
    world = World(NOW.replace(minute=0, second=0))
    one = meter(world, days=3)
    period = Interval(world.now - 4 * DAY, world.now)
    panel = read_profile(one, world, period)
    assert np.nansum(panel.values) == one.register_wh() - 1_234_567


def test_an_empty_period_is_an_empty_panel() -> None:
    world = World()
    panel = read_profile(meter(world), world, Interval(NOW, NOW + timedelta(seconds=10)))
    assert (panel.slots, panel.points) == (0, ("M-1042",))
    future = read_profile(meter(world), world, Interval(NOW + DAY, NOW + 2 * DAY))
    assert future.missing.all()


def test_a_reading_type_the_family_does_not_keep_is_refused() -> None:
    world = World()
    with pytest.raises(DeviceRefused, match="keeps no electricity/none/temperature"):
        read_profile(meter(world), world, EVER, TEMPERATURE)


def test_outages_are_events_and_leave_their_intervals_short() -> None:
    world = World()
    one = meter(world)
    out = Interval(NOW - timedelta(hours=3), NOW - timedelta(hours=2))
    one.power_out(out)
    panel = read_profile(one, world, Interval(NOW - timedelta(hours=4), NOW))
    assert panel.values[0].tolist()[4:7] == [0, 0, 0]
    assert [(event.type, event.at) for event in read_events(one, world)] == [
        ("3.26.0.47", out.start),
        ("3.26.0.216", out.end),
    ]


@FAMILIES
def test_events_have_their_cim_types_and_instants(family: Family) -> None:
    world = World()
    one = meter(world, family)
    for kind in (LogKind.COVER_OPENED, LogKind.MAGNET):
        one.tamper(kind)
        world.now += timedelta(minutes=1)
    events = read_events(one, world)
    assert [(event.type, event.at) for event in events] == [
        ("3.12.29.39", NOW),
        ("3.12.66.242", NOW + timedelta(minutes=1)),
    ]
    assert {event.end_device for event in events} == {"M-1042"}
    assert {event.known_at for event in events} == {world.now}
    assert read_events(one, world, Interval(NOW, NOW + timedelta(seconds=59))) == events[:1]


def test_a_clock_that_jumps_loses_no_energy_and_marks_no_lie() -> None:
    world = World(NOW.replace(minute=0, second=0))
    one = meter(world, days=1, drift_s=1800.0)
    one.set_time(world.now + timedelta(minutes=30))
    world.now += timedelta(hours=2)
    one.set_time(world.now)
    world.now += timedelta(hours=3)
    panel = read_profile(one, world, Interval(world.now - 3 * DAY, world.now))
    assert np.nansum(panel.values) == one.register_wh() - 1_234_567


def test_a_disconnection_is_seen_in_relay_readings_and_log() -> None:
    world = World()
    one = meter(world)

    async def disconnect(session: MeterSession) -> list[RelayState]:
        states = [await session.relay()]
        await session.set_relay(Command.DISCONNECT)
        return [*states, await session.relay()]

    assert talk(one, world, disconnect) == [RelayState.CONNECTED, RelayState.DISCONNECTED]
    world.now += timedelta(hours=2)
    panel = read_profile(one, world, Interval(NOW - timedelta(hours=1), world.now))
    assert panel.values[0].tolist()[-8:-1] == [0] * 7
    events = read_events(one, world)
    assert [(event.type, event.text) for event in events] == [("3.31.0.68", "disconnected remotely")]


def test_a_reconnection_waits_for_the_customers_button() -> None:
    world = World()
    one = meter(world, needs_button=True)

    async def reconnect(session: MeterSession) -> list[RelayState]:
        await session.set_relay(Command.DISCONNECT)
        await session.set_relay(Command.RECONNECT)
        states = [await session.relay()]
        one.press_button()
        return [*states, await session.relay()]

    assert talk(one, world, reconnect) == [RelayState.READY, RelayState.CONNECTED]


def test_a_meter_refuses_in_its_own_words_and_the_conversation_goes_on() -> None:
    world = World()

    async def work(session: MeterSession) -> RelayState:
        with pytest.raises(DeviceRefused, match=r"M-1042 at 127\.0\.0\.1:\d+: writing 96\.3\.10 refused: ER07"):
            await session.set_relay(Command.ARM)
        return await session.relay()

    assert talk(meter(world), world, work) is RelayState.CONNECTED


def test_a_family_without_relay_has_none() -> None:
    world = World()

    async def work(session: MeterSession) -> None:
        with pytest.raises(DeviceRefused, match="has no relay"):
            await session.relay()
        with pytest.raises(DeviceRefused, match="has no relay"):
            await session.set_relay(Command.DISCONNECT)

    talk(meter(world, VDEW_LOAD_PROFILE), world, work)


def test_what_is_no_word_for_the_relay_is_refused_unsent() -> None:
    world = World()

    async def work(session: MeterSession) -> None:
        with pytest.raises(DeviceRefused, match="no word for load-limit"):
            await session.set_relay(Command.LIMIT)

    talk(meter(world), world, work)


def test_a_wrong_password_is_refused_and_not_told() -> None:
    world = World()

    async def work(session: MeterSession) -> None:
        await session.clock()

    with pytest.raises(DeviceRefused, match="password is refused: ER08") as caught:
        talk(meter(world), world, work, secret=b"31415926")
    assert "31415926" not in str(caught.value)


def test_some_families_are_read_without_a_password() -> None:
    world = World()

    async def work(session: MeterSession) -> datetime:
        return await session.clock()

    assert talk(meter(world, VDEW_LOAD_PROFILE), world, work, secret=None) == NOW
    with pytest.raises(DeviceRefused, match="ER08"):
        talk(meter(world, GENERIC_RELAY), world, work, secret=None)


def test_a_clock_that_does_not_keep_what_was_written_is_nonsense(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    one = meter(world, drift_s=3600.0)
    monkeypatch.setattr(one, "set_time", lambda _: None)

    async def work(session: MeterSession) -> None:
        await session.set_clock(NOW)

    with pytest.raises(DeviceNonsense, match="the clock was set to"):
        talk(one, world, work)


def test_the_server_runs_in_a_thread_too() -> None:
    world = World()
    with MeterServerThread([meter(world)]) as server:
        server.add(meter(world, serial="M-7"))

        async def work() -> str:
            address = server.address("M-7")
            async with connect("generic-relay", address, secret=SECRET, zone=BERLIN, clock=world) as session:
                return (await session.identify()).serial

        assert asyncio.run(work()) == "M-7"
        assert set(server.meters) == {"M-1042", "M-7"}
