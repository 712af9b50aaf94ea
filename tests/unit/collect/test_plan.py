"""The read plan: turns, pauses, and what is asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.collect import Known, ReadPolicy, channels_of, holes, is_due, order_of, spans, without
from gridwright.collect.plan import latest_turn, pause_after
from gridwright.domain.device import DeviceLink, LinkState, ReadSession
from gridwright.domain.interval import Interval, epoch_s, from_epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY, RECEIVED_ENERGY, ReadingType

NOW = datetime(2026, 11, 25, 12, 7, 30, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
POLICY = ReadPolicy()
CAN = {"profile_interval_s": "900", "registers": "1.8.0", "events": "yes", "clock": "yes"}
LINK = DeviceLink("M-1", "generic", "tcp://h:1/M-1", LinkState.IN_SERVICE, CAN)


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, 25, hour, minute, tzinfo=UTC)


def session(began: datetime, error: str = "") -> ReadSession:
    return ReadSession("M-1", began, began, error=error)


# --- whose turn it is -------------------------------------------------------------------------------------------------


@given(st.text(min_size=1, max_size=12), st.integers(0, 86_400))
def test_each_device_has_one_turn_in_every_interval(serial: str, offset_s: int) -> None:
    now = NOW + timedelta(seconds=offset_s)
    turn = latest_turn(serial, now, POLICY)
    assert timedelta() <= now - turn < POLICY.every
    assert latest_turn(serial, turn + POLICY.every, POLICY) == turn + POLICY.every


def test_turns_are_spread() -> None:
    turns = {latest_turn(f"M-{n}", NOW, POLICY) for n in range(200)}
    assert len(turns) > 150


def test_a_device_is_due_once_a_turn() -> None:
    turn = latest_turn("M-1", NOW, POLICY)
    assert is_due(LINK, None, NOW, POLICY)
    assert is_due(LINK, session(turn - MINUTE), NOW, POLICY)
    assert not is_due(LINK, session(turn), NOW, POLICY)
    assert is_due(LINK, session(turn), turn + POLICY.every, POLICY)


@pytest.mark.parametrize("state", [s for s in LinkState if s is not LinkState.IN_SERVICE])
def test_only_what_is_in_service_is_due(state: LinkState) -> None:
    assert not is_due(replace(LINK, state=state), None, NOW, POLICY)


def test_a_failing_device_is_left_alone_longer_and_longer() -> None:
    pauses = [pause_after("M-1", failures, POLICY) for failures in range(1, 20)]
    for failures, pause in enumerate(pauses, 1):
        plain = min(POLICY.first_pause * 2 ** (failures - 1), POLICY.longest_pause)
        assert plain <= pause <= plain * 1.25
    assert pause_after("M-1", 10**9, POLICY) <= POLICY.longest_pause * 1.25
    failed = replace(LINK, failures=3)
    assert not is_due(failed, session(NOW, "silent"), NOW + pauses[2] - MINUTE, POLICY)
    assert is_due(failed, session(NOW, "silent"), NOW + pauses[2], POLICY)


# --- what is asked ----------------------------------------------------------------------------------------------------


def asked(known: Known, link: DeviceLink = LINK, now: datetime = NOW) -> list[tuple[datetime, datetime]]:
    return [(period.start, period.end) for _, period in order_of(link, known, now, POLICY).profiles]


def lacking(*periods: tuple[datetime, datetime]) -> dict[ReadingType, list[Interval]]:
    return {DELIVERED_ENERGY: [Interval(start, end) for start, end in periods]}


def test_the_newest_intervals_are_asked_for_once_they_have_ended() -> None:
    assert asked(Known(lacking((at(10), NOW)))) == [(at(10), at(12))]


def test_an_interval_is_asked_for_a_moment_after_its_end() -> None:
    known = Known(lacking((at(11), at(12))))
    assert asked(known, now=at(12) + timedelta(seconds=4)) == [(at(11), at(11, 45))]
    assert asked(known, now=at(12) + timedelta(seconds=5)) == [(at(11), at(12))]


def test_holes_are_asked_for_again_and_near_ones_together() -> None:
    known = Known(lacking((at(1), at(2)), (at(3), at(3, 15)), (at(9), at(9, 15))))
    assert asked(known) == [(at(1), at(3, 15)), (at(9), at(9, 15))]


def test_what_the_meter_has_not_got_is_not_asked_for_forever() -> None:
    absent = {DELIVERED_ENERGY: [Interval(at(1), at(2))]}
    known = Known(lacking((at(1), at(2)), (at(9), at(10))), absent)
    assert asked(known) == [(at(9), at(10))]


def test_nothing_lacks_and_nothing_is_asked() -> None:
    order = order_of(LINK, Known({}, {}, NOW - MINUTE), NOW, POLICY)
    assert order.profiles == ()
    assert not order.registers
    assert not order.clock
    assert order.events == Interval(NOW - MINUTE - HOUR, NOW)


def test_once_a_day_registers_and_clock() -> None:
    days = [order_of(LINK, Known(last_success=NOW - timedelta(hours=back)), NOW, POLICY) for back in (1, 13)]
    assert [order.registers for order in days] == [False, True]
    assert [order.clock for order in days] == [False, True]
    first = order_of(LINK, Known(), NOW, POLICY)
    assert first.registers
    assert first.events == Interval(NOW - POLICY.look_back, NOW)


def test_a_device_that_can_nothing_is_asked_nothing() -> None:
    link = replace(LINK, capabilities={"clock": "no", "events": "no"})
    assert order_of(link, Known(), NOW, POLICY).is_empty
    assert channels_of(link) == ()


@pytest.mark.parametrize(
    ("named", "kinds"),
    [
        ("", (DELIVERED_ENERGY,)),
        (f"{DELIVERED_ENERGY.code}, {RECEIVED_ENERGY.code}", (DELIVERED_ENERGY, RECEIVED_ENERGY)),
        ("tachyons/up", ()),
    ],
)
def test_channels(named: str, kinds: tuple[object, ...]) -> None:
    assert channels_of(replace(LINK, capabilities={**CAN, "channels": named})) == kinds


# --- gaps -------------------------------------------------------------------------------------------------------------

MASKS = st.lists(st.booleans(), min_size=1, max_size=60)


def panel_of(mask: list[bool]) -> Panel:
    values = np.where(np.array([mask]), np.nan, 1.0)
    return Panel(("M-1",), at(0), timedelta(minutes=15), values)


@given(MASKS)
def test_holes_are_exactly_the_slots_without_a_value(mask: list[bool]) -> None:
    panel = panel_of(mask)
    found = holes(panel)
    inside = [any(at(0) + timedelta(minutes=15) * slot in hole for hole in found) for slot in range(len(mask))]
    assert inside == mask
    assert all(one.end < other.start for one, other in pairwise(found))


PERIODS = st.lists(
    st.tuples(st.integers(0, 50), st.integers(0, 20)).map(
        lambda pair: Interval(from_epoch_s(pair[0]), from_epoch_s(pair[0] + pair[1]))
    ),
    max_size=8,
)


def seconds_of(periods: list[Interval]) -> set[int]:
    return {second for each in periods for second in range(epoch_s(each.start), epoch_s(each.end))}


@given(PERIODS, PERIODS)
def test_periods_are_sets_of_instants(these: list[Interval], others: list[Interval]) -> None:
    assert seconds_of(spans(these)) == seconds_of(these)
    assert seconds_of(without(these, others)) == seconds_of(these) - seconds_of(others)
    left = without(these, others)
    assert all(one.end <= other.start for one, other in pairwise(left))
