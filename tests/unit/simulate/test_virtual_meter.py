"""The virtual meter by itself: what it counts, how its relay lies, how its clock runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain.device import RelayState
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import Flow
from gridwright.simulate.town import Floats
from gridwright.simulate.virtual_meter import Faults, LogKind, Order, RelayLie, VirtualMeter
from gridwright.simulate.virtual_meter.device_clock import DeviceClock
from gridwright.simulate.virtual_meter.relay import RelayRefused

START = datetime(2026, 11, 25, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
DAY = Interval(START, START + timedelta(days=1))


class World:
    """A clock that stands until it is turned on."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def turn(self, **by: float) -> None:
        self.now += timedelta(**by)


def rising(period: Interval, flow: Flow) -> Floats:
    """Tell another energy each interval: 1, 2, 3 ... Wh since START delivered, nothing received."""
    first = (period.start - START) // QUARTER
    slots = np.arange(first, first + period.slots(QUARTER), dtype=np.float64) + 1
    return slots if flow is Flow.DELIVERED else np.zeros_like(slots)


def meter(world: World, **settings: object) -> VirtualMeter:
    return VirtualMeter("M-1", clock=world, source=rising, since=START, opening_wh=1000, **settings)  # type: ignore[arg-type]


def test_the_register_is_the_opening_and_all_intervals_since() -> None:
    world = World()
    one = meter(world)
    assert one.register_wh() == 1000
    world.turn(hours=1)
    assert one.register_wh() == 1000 + 1 + 2 + 3 + 4
    world.turn(minutes=9)
    assert one.register_wh() == 1010 + 5 * 9 // 15
    assert one.register_wh(Flow.RECEIVED) == 0


def test_nothing_flows_from_the_second_the_relay_opens() -> None:
    world = World(START + timedelta(hours=10, minutes=7, seconds=30))
    one = meter(world)
    one.obey(Order.OPEN)
    register = one.register_wh()
    world.turn(hours=2)
    assert one.register_wh() == register
    assert not one.connected
    one.obey(Order.CLOSE)
    world.turn(minutes=7, seconds=30)
    measured = one.measured(DAY)
    cut = np.arange(40, 49)
    assert measured[:40].tolist() == rising(DAY, Flow.DELIVERED)[:40].tolist()
    assert measured[cut].tolist() == [20, 0, 0, 0, 0, 0, 0, 0, 24]
    assert one.register_wh() == 1000 + measured[:49].sum()


@given(st.lists(st.tuples(st.integers(1, 5000), st.booleans()), max_size=12))
def test_parts_equal_the_whole_whatever_the_relay_does(steps: list[tuple[int, bool]]) -> None:
    world = World()
    one = meter(world)
    before = one.register_wh()
    for seconds, connect in steps:
        world.turn(seconds=seconds)
        one.obey(Order.CLOSE if connect else Order.OPEN)
        now = one.register_wh()
        assert now >= before
        before = now
    period = Interval(START, START + QUARTER * (-(-(world.now - START) // QUARTER)))
    world.now = period.end
    assert one.register_wh() == 1000 + one.measured(period).sum()


def test_an_outage_takes_energy_and_voice() -> None:
    world = World(START + timedelta(hours=1))
    one = meter(world)
    one.power_out(Interval(START + timedelta(minutes=30), START + timedelta(minutes=52, seconds=30)))
    assert one.measured(DAY)[:5].tolist() == [1, 2, 0, 2, 5]
    powered = {}
    for minutes in (29, 30, 40, 53):
        world.now = START + timedelta(minutes=minutes)
        powered[minutes] = one.is_powered
    assert powered == {29: True, 30: False, 40: False, 53: True}
    world.now = START + timedelta(minutes=40)
    assert [entry.kind for entry in one.log()] == [LogKind.POWER_DOWN]


@pytest.mark.parametrize(
    ("needs_button", "orders", "states"),
    [
        (False, ["open", "close"], ["disconnected", "connected"]),
        (False, ["open", "arm", "close"], ["disconnected", "ready-for-reconnection", "connected"]),
        (True, ["open", "close"], ["disconnected", "ready-for-reconnection"]),
        (True, ["open", "close", "open"], ["disconnected", "ready-for-reconnection", "disconnected"]),
        (False, ["close", "open", "open"], ["connected", "disconnected", "disconnected"]),
    ],
)
def test_the_relays_states(needs_button: bool, orders: list[str], states: list[str]) -> None:
    world = World(START + timedelta(hours=1))
    one = meter(world, needs_button=needs_button)
    found = []
    for order in orders:
        one.obey(Order(order))
        found.append(one.relay.value)
    assert found == states
    assert not one.press_button() or one.connected


def test_a_button_closes_an_armed_relay_only() -> None:
    world = World(START + timedelta(hours=1))
    one = meter(world, needs_button=True)
    assert not one.press_button()
    one.obey(Order.OPEN)
    assert not one.press_button()
    one.obey(Order.CLOSE)
    assert one.press_button()
    assert one.connected
    assert [entry.kind for entry in one.log()] == [
        LogKind.REMOTE_DISCONNECTION,
        LogKind.ARMED,
        LogKind.MANUAL_CONNECTION,
    ]


def test_a_closed_relay_cannot_be_armed() -> None:
    with pytest.raises(RelayRefused):
        meter(World()).obey(Order.ARM)


@pytest.mark.parametrize(
    ("lie", "truth_now", "word_now", "truth_later", "word_later"),
    [
        (RelayLie.HONEST, "disconnected", "disconnected", "disconnected", "disconnected"),
        (RelayLie.SAYS_DONE, "connected", "disconnected", "connected", "disconnected"),
        (RelayLie.IGNORES, "connected", "connected", "connected", "connected"),
        (RelayLie.LATE, "connected", "connected", "disconnected", "disconnected"),
        (RelayLie.REPORTS_LATE, "disconnected", "connected", "disconnected", "disconnected"),
    ],
)
def test_how_a_relay_lies(lie: RelayLie, truth_now: str, word_now: str, truth_later: str, word_later: str) -> None:
    world = World(START + timedelta(hours=1))
    one = meter(world, faults=Faults(relay=lie))
    one.obey(Order.OPEN)
    assert (one.relay, one.reported_relay()) == (RelayState(truth_now), RelayState(word_now))
    world.turn(minutes=6)
    assert (one.relay, one.reported_relay()) == (RelayState(truth_later), RelayState(word_later))


def test_three_wrong_passwords_lock_the_meter_for_an_hour() -> None:
    world = World()
    one = meter(world)
    assert [one.log_in("1") for _ in range(3)] == [False] * 3
    assert not one.log_in("00000000")
    assert [entry.kind for entry in one.log()] == [LogKind.WRONG_PASSWORD]
    world.turn(hours=1)
    assert one.log_in("00000000")


def test_a_clock_that_runs_off_is_set_right() -> None:
    world = World(START + timedelta(hours=10))
    one = meter(world, drift_ppm=100.0)
    assert one.drift_s == pytest.approx(3.6)
    one.set_time(world.now)
    assert one.drift_s == 0
    one.drift_s = -40
    assert one.device_time() == world.now - timedelta(seconds=40)


@given(
    st.lists(st.tuples(st.integers(1, 90_000), st.integers(-4000, 4000)), max_size=5),
    st.lists(st.integers(0, 300_000), min_size=1, max_size=40),
)
def test_device_times_are_reached_in_order(sets: list[tuple[int, int]], times: list[int]) -> None:
    clock = DeviceClock(0, ppm=50.0)
    at = 0
    for after, ahead in sets:
        at += after
        clock.shift(at, ahead)
    device = np.array(sorted(times), np.int64)
    true = clock.true(device)
    assert (np.diff(true) >= 0).all()
    reached = [max(clock.device(moment), clock.device(moment - 0.5)) for moment in true.tolist()]  # whole seconds
    assert all(shown >= wanted - 1 for shown, wanted in zip(reached, device.tolist(), strict=True))
