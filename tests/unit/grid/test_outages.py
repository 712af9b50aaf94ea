"""Outages: off and on paired, meters of one transformer joined, indices by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain.event import POWER_CANCELLED, POWER_OFF, POWER_ON, EndDeviceEvent
from gridwright.domain.interval import Interval
from gridwright.domain.topology import Connection, Node, NodeKind, Topology
from gridwright.grid import Interruption, interruptions, outages, reliability

START = datetime(2025, 3, 3, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PERIOD = Interval(START, START + timedelta(days=1))
EVER = Interval(START - timedelta(days=900), START + timedelta(days=900))
TOPOLOGY = Topology(
    (Node("T1", NodeKind.TRANSFORMER), Node("T2", NodeKind.TRANSFORMER)),
    tuple(Connection(point, node, EVER) for point, node in {"A": "T1", "B": "T1", "C": "T2", "D": "T2"}.items()),
)


def an_event(point: str, kind: str, minute: float, **details: str) -> EndDeviceEvent:
    at = START + minute * MINUTE
    return EndDeviceEvent(f"M-{point}", kind, at, at, point, details=details)


def off_on(point: str, off: float, on: float) -> list[EndDeviceEvent]:
    return [an_event(point, POWER_OFF, off), an_event(point, POWER_ON, on)]


def minutes(cut: tuple[Interruption, ...]) -> list[tuple[str, float, float, bool]]:
    return [
        (each.usage_point, (each.period.start - START) / MINUTE, (each.period.end - START) / MINUTE, each.over)
        for each in cut
    ]


def test_off_and_the_next_on_are_one_interruption() -> None:
    events = [*off_on("A", 10, 40), *off_on("A", 100, 101), an_event("B", "3.26.136.47", 12)]
    assert minutes(interruptions(events[::-1], PERIOD)) == [
        ("A", 10, 40, True),
        ("B", 12, 1440, False),
        ("A", 100, 101, True),
    ]


def test_off_twice_is_off_once_and_what_began_before_counts_from_the_start() -> None:
    events = [an_event("A", POWER_OFF, -30), an_event("A", POWER_OFF, 5), an_event("A", POWER_ON, 20)]
    assert minutes(interruptions(events, PERIOD)) == [("A", 0, 20, True)]
    assert interruptions(off_on("A", -30, -20), PERIOD) == ()
    assert interruptions([an_event("A", "12.0.0.1", 5)], PERIOD) == ()


def test_what_was_taken_back_was_never_told() -> None:
    other = off_on("B", 10, 40)
    events = [*off_on("A", 10, 40), *off_on("A", 100, 101), *other, an_event("A", POWER_CANCELLED, 10)]
    assert minutes(interruptions(events, PERIOD)) == [("B", 10, 40, True), ("A", 100, 101, True)]
    told = an_event("A", POWER_ON, 30, duration_s="600")
    assert interruptions([told, an_event("A", POWER_CANCELLED, 30)], PERIOD) == ()


def test_a_meter_that_could_not_send_while_dying_tells_how_long_it_was() -> None:
    told = an_event("A", POWER_ON, 30, duration_s="600")
    assert minutes(interruptions([told], PERIOD)) == [("A", 20, 30, True)]
    assert interruptions([an_event("A", POWER_ON, 30)], PERIOD) == ()
    assert interruptions([an_event("A", POWER_ON, 30, duration_s="long")], PERIOD) == ()


def test_meters_of_one_transformer_at_one_time_are_one_outage() -> None:
    events = [*off_on("A", 10, 40), *off_on("B", 12, 50), *off_on("C", 11, 13), *off_on("A", 300, 302)]
    found = outages(TOPOLOGY, interruptions(events, PERIOD))
    assert [(each.node, each.customers, each.connected, each.short) for each in found] == [
        ("T1", 2, 2, False),
        ("T2", 1, 2, True),
        ("T1", 1, 2, True),
    ]
    assert found[0].period == Interval(START + 10 * MINUTE, START + 50 * MINUTE)
    assert found[0].customer_minutes == 30 + 38
    assert found[0].to_dict()["usage_points"] == ["A", "B"]


def test_a_usage_point_that_hangs_nowhere_is_an_outage_of_its_own() -> None:
    (only,) = outages(TOPOLOGY, interruptions(off_on("Z", 1, 9), PERIOD))
    assert (only.node, only.customers, only.connected) == ("", 1, 1)


def test_an_outage_that_goes_on_has_no_end() -> None:
    (only,) = outages(TOPOLOGY, interruptions([an_event("A", POWER_OFF, 10)], PERIOD))
    assert not only.over
    assert only.to_dict()["to"] is None


def test_indices_by_hand() -> None:
    # 30 + 38 minutes and 2 interruptions over 4 customers; 2 and 2 minutes are short ones.
    events = [*off_on("A", 10, 40), *off_on("B", 12, 50), *off_on("C", 11, 13), *off_on("A", 300, 302)]
    found = reliability(interruptions(events, PERIOD), 4)
    assert (found.saidi_min, found.saifi, found.maifi, found.caidi_min) == (17.0, 0.5, 0.5, 34.0)
    assert reliability((), 4).caidi_min is None


@given(st.lists(st.tuples(st.sampled_from("ABCD"), st.integers(0, 1400), st.integers(1, 30)), max_size=12))
def test_joined_outages_hold_every_interruption_once(given_events: list[tuple[str, int, int]]) -> None:
    events = [event for point, at, length in given_events for event in off_on(point, at, at + length)]
    cut = interruptions(events, PERIOD)
    found = outages(TOPOLOGY, cut)
    assert sorted(each for outage in found for each in map(str, outage.interruptions)) == sorted(map(str, cut))
    assert sum(outage.customer_minutes for outage in found) == pytest.approx(
        sum(each.period.length / MINUTE for each in cut)
    )
