"""Events that wait for a usage point, on every database: names with wildcards and of other case are not mixed up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.event import NAMED, POWER_OFF, EndDeviceEvent
from gridwright.domain.interval import Interval
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import Store

NOW = datetime(2025, 4, 1, tzinfo=UTC)
T0 = datetime(2025, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def off(device: str, named: str = "", at: datetime = T0, point: str = "") -> EndDeviceEvent:
    return EndDeviceEvent(device, POWER_OFF, at, NOW, point, "", {NAMED: named} if named else {})


@pytest.fixture
def waiting(store: Store) -> Store:
    store.registry.save_points(ME, [UsagePoint("UP1", "UTC")])
    store.devices.save_events(ME, [off("A", "U_1%"), off("B", "UX1%"), off("C", 'q"\\'), off("D"), off("E", "u_1%")])
    return store


def test_a_name_finds_its_own_events_alone(waiting: Store) -> None:
    found = {name: [each.end_device for each in waiting.waiting_events.of(ME, name)] for name in ("U_1%", 'q"\\', "D")}
    assert found == {"U_1%": ["A"], 'q"\\': ["C"], "D": ["D"]}
    assert [(each.end_device, each.events) for each in waiting.waiting_events.devices(ME, limit=2, after="B")] == [
        ("C", 1),
        ("D", 1),
    ]


def test_a_claim_takes_its_own_and_only_of_its_time(waiting: Store) -> None:
    waiting.devices.save_events(ME, [off("D", at=T0 + HOUR)])
    assert waiting.waiting_events.claim(ME, "D", "UP1", within=Interval(T0 + HOUR, NOW)) == 1
    assert waiting.waiting_events.claim(ME, "U_1%", "UP1") == 1
    assert waiting.waiting_events.claim(ME, "U_1%", "UP1") == 0
    there = waiting.devices.events(ME, point="UP1")
    assert [(each.end_device, each.at, dict(each.details)) for each in there] == [("D", T0 + HOUR, {}), ("A", T0, {})]
    assert [each.end_device for each in waiting.waiting_events.devices(ME)] == ["B", "C", "D", "E"]


def test_what_is_let_go_waits_no_more_and_a_place_told_later_still_counts(waiting: Store) -> None:
    assert waiting.waiting_events.drop(ME, "D", reason='a "test" bench') == 1
    assert "D" not in {each.end_device for each in waiting.waiting_events.devices(ME)}
    assert waiting.devices.save_events(ME, [off("D")]) == 0
    assert waiting.devices.save_events(ME, [off("D", point="UP1"), off("F")]) == 2
    assert [each.end_device for each in waiting.devices.events(ME, point="UP1")] == ["D"]
    assert waiting.waiting_events.room(ME, 10) == 5
