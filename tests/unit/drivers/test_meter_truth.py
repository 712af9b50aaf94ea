"""What is read is what flowed: any zone, any period, any relay, outage, drift and clock set."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gridwright.domain import quality as q
from gridwright.domain.control import Command
from gridwright.domain.interval import Interval, zone_of
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY, Flow
from gridwright.drivers import profile_of
from gridwright.drivers.iec62056_21 import MeterSession
from gridwright.drivers.profile import DriverProfile
from gridwright.simulate.virtual_meter import GENERIC_RELAY, VDEW_LOAD_PROFILE, Family, Order, Source, VirtualMeter
from tests.unit.drivers.memory_wire import talk_in_memory

ZONES = ["UTC", "Europe/Berlin", "Europe/Dublin", "Australia/Lord_Howe", "Asia/Kathmandu", "America/New_York"]
CHANGES = [
    "2026-03-29T01:00",  # Europe
    "2026-10-25T01:00",
    "2026-04-04T15:00",  # Lord Howe
    "2026-10-03T15:30",
    "2026-03-08T07:00",  # New York
    "2026-06-15T12:00",  # nowhere
]
AROUND_A_CHANGE = st.builds(
    lambda change, seconds: datetime.fromisoformat(change).replace(tzinfo=UTC) + timedelta(seconds=seconds),
    st.sampled_from(CHANGES),
    st.integers(-90_000, 90_000),
)
FAMILIES = st.sampled_from([GENERIC_RELAY, VDEW_LOAD_PROFILE])


class World:
    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def counting(step: timedelta) -> Source:
    """Tell an energy that names its interval."""

    def source(period: Interval, flow: Flow) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        first = int(period.start.timestamp() // step.total_seconds())
        slots = np.arange(first, first + period.slots(step), dtype=np.float64) % 89
        return slots if flow is Flow.DELIVERED else slots * 0

    return source


def meter(world: World, zone: str, family: Family, *, minutes: int = 15, **settings: float) -> VirtualMeter:
    step = timedelta(minutes=minutes)
    return VirtualMeter(
        "M-1",
        clock=world,
        source=counting(step),
        since=world.now - timedelta(days=4),
        zone=zone,
        family=family,
        interval=step,
        **settings,  # type: ignore[arg-type]
    )


def profile_over(one: VirtualMeter, driver: str | DriverProfile, period: Interval) -> Panel:
    async def work(session: MeterSession) -> Panel:
        return await session.profile(DELIVERED_ENERGY, period)

    return talk_in_memory(one, driver, work, zone=str(one.zone))


@given(FAMILIES, st.sampled_from(ZONES), AROUND_A_CHANGE, st.integers(60, 200_000))
def test_every_interval_of_every_period_in_every_zone(family: Family, zone: str, start: datetime, length: int) -> None:
    period = Interval(start, start + timedelta(seconds=length))
    world = World(period.end + timedelta(hours=1))
    one = meter(world, zone, family)
    panel = profile_over(one, family.name, period)
    wh = panel.values * 10.0**panel.reading_type.exponent
    assert wh[0].tolist() == one.measured(panel.period).tolist()
    assert panel.slots == sum(1 for second in range(-int(start.timestamp()) % 900, length, 900) if second < length)


@given(
    FAMILIES,
    st.sampled_from(ZONES),
    AROUND_A_CHANGE,
    st.lists(
        st.tuples(
            st.sampled_from(["open", "close", "set", "drift", "outage"]), st.integers(1, 20_000), st.integers(1, 3000)
        ),
        max_size=6,
    ),
)
@example(GENERIC_RELAY, "UTC", datetime(2026, 3, 29, 1, tzinfo=UTC), [("drift", 2101, 3000)])
def test_the_profile_adds_up_to_the_register_whatever_happens(
    family: Family, zone: str, start: datetime, story: list[tuple[str, int, int]]
) -> None:
    world = World(start.replace(second=0, minute=0))
    one = meter(world, zone, family)
    since = world.now - timedelta(days=4)
    for act, after, size in story:
        world.now += timedelta(seconds=after)
        match act:
            case "open" | "close":
                one.obey(Order(act))
            case "set":
                one.set_time(world.now)
            case "drift":
                one.drift_s = float(size - 1500)
            case "outage":
                one.power_out(Interval(world.now, world.now + timedelta(seconds=size)))
    world.now += timedelta(hours=2)
    one.set_time(world.now)
    # A clock up to 25 minutes fast had been farther: only from there on no time comes again.
    world.now = (world.now + timedelta(hours=2)).replace(minute=0, second=0)
    if zone == "Asia/Kathmandu":
        assert one.device_time() == world.now
    panel = profile_over(one, family.name, Interval(since, world.now))
    wh = panel.values * 10.0**panel.reading_type.exponent
    counted = one.register_wh() - one.supply.register(int(panel.start.timestamp()), Flow.DELIVERED)
    if q.has_status(panel.quality, (q.Status.REJECTED,)).any():
        # A clock that goes back lives an interval twice: one value is kept and rejected, none is made up.
        assert np.nansum(wh) <= counted
    else:
        assert np.nansum(wh) == counted


def hourly(name: str) -> DriverProfile:
    packaged = profile_of(name)
    assert packaged.profile is not None
    return replace(packaged, profile=replace(packaged.profile, interval_s=3600))


@pytest.mark.parametrize(("zone", "phase"), [("Asia/Kolkata", 1800), ("Asia/Kathmandu", 900), ("Europe/Berlin", 0)])
@pytest.mark.parametrize("family", [GENERIC_RELAY, VDEW_LOAD_PROFILE], ids=lambda family: family.name)
def test_hours_count_from_the_devices_own_midnight(zone: str, phase: int, family: Family) -> None:
    world = World(datetime(2026, 11, 25, 12, 7, tzinfo=UTC))
    one = meter(world, zone, family, minutes=60)
    panel = profile_over(one, hourly(family.name), Interval(world.now - timedelta(days=2), world.now))
    assert panel.start.timestamp() % 3600 == phase
    assert panel.start.astimezone(zone_of(zone)).minute == 0
    wh = panel.values[0, :-1] * 10.0**panel.reading_type.exponent
    assert wh.tolist() == one.measured(panel.slice(0, panel.slots - 1).period).tolist()


@given(st.sampled_from(ZONES), AROUND_A_CHANGE, FAMILIES)
def test_the_clock_and_the_log_tell_the_instant_in_every_zone(zone: str, now: datetime, family: Family) -> None:
    world = World(now)
    one = meter(world, zone, family)

    async def work(session: MeterSession) -> None:
        assert await session.clock() == now
        one.tamper()
        events = await session.events(Interval(now - timedelta(hours=3), now + timedelta(hours=3)))
        assert [event.at for event in events] == [now]
        await session.set_clock(now + timedelta(seconds=30))
        assert await session.clock() == now + timedelta(seconds=30)
        if family.relay_address:
            await session.set_relay(Command.DISCONNECT)

    talk_in_memory(one, family.name, work, zone=zone)
    assert one.connected is not bool(family.relay_address)
