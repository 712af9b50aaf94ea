from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.device import DeviceLink, LinkState, ReadSession
from gridwright.domain.errors import AccessDenied, NotFound
from gridwright.domain.event import EndDeviceEvent
from gridwright.domain.interval import Interval
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.store import Store

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LINK = DeviceLink("M-1", "iec62056-21", "tcp://127.0.0.1:4059/M-1")
OFF, ON = "3.26.0.47", "3.26.0.216"


def an_event(at: int, device: str = "M-1", kind: str = OFF, point: str = "UP-1") -> EndDeviceEvent:
    return EndDeviceEvent(device, kind, NOON + at * MINUTE, NOON + 99 * MINUTE, point, "phase lost", {"phase": "L1"})


# --- links ------------------------------------------------------------------------------------------------------------


def test_links_round_trip_and_change(store: Store) -> None:
    assert [store.devices.save_link(ME, LINK) for _ in range(2)] == [True, False]
    found = replace(
        LINK.to(LinkState.DISCOVERED),
        capabilities={"relay": "yes", "registers": "1.8.0"},
        clock_drift_s=-1.25,
        last_contact=NOON,
        failures=2,
        problem="does not answer",
    )
    assert store.devices.save_link(ME, found)
    assert store.devices.link(ME, "M-1") == found
    assert dict(store.devices.link(ME, "M-1").capabilities) == found.capabilities
    other = replace(LINK, serial="M-0")
    store.devices.save_link(ME, other)
    assert store.devices.links(ME) == (other, found)
    assert store.devices.links(ME, LinkState.DISCOVERED) == (found,)
    with pytest.raises(NotFound, match=r"M-9.*collect"):
        store.devices.link(ME, "M-9")


def test_secrets_come_back_as_given_and_are_nowhere_else(store: Store) -> None:
    store.devices.save_link(ME, LINK)
    assert store.devices.secret(ME, "M-1") is None
    sealed = bytes(range(256))
    store.devices.set_secret(ME, "M-1", sealed)
    store.devices.set_secret(ME, "M-1", sealed)
    store.devices.save_link(ME, replace(LINK, failures=1))
    assert store.devices.secret(ME, "M-1") == sealed
    assert [each.detail for each in store.audit.records(ME)][1] == {"what": "secret set"}
    assert len(store.audit.records(ME)) == 3
    with pytest.raises(NotFound):
        store.devices.set_secret(ME, "M-9", sealed)
    for role in (Role.VIEWER, Role.ANALYST, Role.BILLER, Role.DEVICE):
        with pytest.raises(AccessDenied):
            store.devices.secret(Access("x", role), "M-1")


# --- events -----------------------------------------------------------------------------------------------------------


def test_events_are_kept_once(store: Store) -> None:
    store.registry.save_points(ME, [UsagePoint("UP-1")])
    these = [an_event(0), an_event(0, kind=ON), an_event(1), an_event(1), an_event(2, "M-9", point="")]
    assert store.devices.save_events(ME, these) == 4
    assert store.devices.save_events(ME, [*these, an_event(3)]) == 1
    found = store.devices.events(ME)
    assert found[0] == an_event(3)
    assert dict(found[0].details) == {"phase": "L1"}
    assert found[1] == an_event(2, "M-9", point="")
    assert len(found) == 5
    with pytest.raises(NotFound, match="UP-8"):
        store.devices.save_events(ME, [an_event(9, point="UP-8")])
    assert store.audit.verify(ME) == 3


def test_events_in_pages_newest_first(store: Store) -> None:
    store.registry.save_points(ME, [UsagePoint("UP-1"), UsagePoint("UP-2")])
    these = [an_event(at // 4, f"M-{at % 2}", (OFF, ON)[at // 2 % 2], f"UP-{1 + at % 2}") for at in range(24)]
    store.devices.save_events(ME, these)
    seen: list[EndDeviceEvent] = []
    page = store.devices.events(ME, limit=5)
    while page:
        seen += page
        last = page[-1]
        page = store.devices.events(ME, limit=5, before=(last.at, last.end_device, last.type))
    assert len(seen) == len({(e.end_device, e.type, e.at) for e in seen}) == 24
    assert [e.at for e in seen] == sorted((e.at for e in these), reverse=True)
    assert len(store.devices.events(ME, point="UP-2")) == 12
    within = store.devices.events(ME, period=Interval(NOON + MINUTE, NOON + 3 * MINUTE))
    assert {e.at for e in within} == {NOON + MINUTE, NOON + 2 * MINUTE}


def test_a_customer_sees_the_events_of_their_own(store: Store) -> None:
    store.registry.save_points(ME, [UsagePoint("UP-1"), UsagePoint("UP-2")])
    store.devices.save_events(ME, [an_event(0), an_event(1, point="UP-2"), an_event(2, point="")])
    her = Access("her", Role.CUSTOMER, frozenset({"UP-1"}))
    assert store.devices.events(her) == [an_event(0)]
    with pytest.raises(AccessDenied):
        store.devices.events(her, point="UP-2")
    one = Access("gateway", Role.DEVICE, frozenset({"UP-1"}))
    assert store.devices.save_events(one, [an_event(5)]) == 1
    for point in ("UP-2", ""):
        with pytest.raises(AccessDenied):
            store.devices.save_events(one, [an_event(6, point=point)])


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_of_clock_checks_the_nearest_on_either_side_of_a_period_are_told(store: Store) -> None:
    """However far away they lie, of the device that hung there; sessions that looked at no clock tell nothing."""
    day = 1440 * MINUTE
    store.registry.save_points(ME, [UsagePoint("UP-1"), UsagePoint("UP-2")])
    for serial, point, since in (("M-1", "UP-1", -300), ("M-2", "UP-2", -20)):
        store.registry.save_meter(ME, Meter(serial))
        store.registry.save_installation(ME, install(point, serial, NOON + since * day))
    checks = {-200: 300.0, -90: 400.0, -1: None, 0: 1.0, 3: None, 100: 2.0, 200: 500.0}
    for at, drift_s in checks.items():
        for serial in ("M-1", "M-2"):
            began = NOON + at * day
            store.devices.note_session(ME, ReadSession(serial, began, began + MINUTE, clock_drift_s=drift_s))
    found = store.field.drifts(ME, ["UP-1", "UP-2"], Interval(NOON - day, NOON + day))
    assert [(each.usage_point, (each.at - NOON) / day) for each in found] == [("UP-1", -90), ("UP-1", 0), ("UP-1", 100)]
    later = store.field.drifts(ME, ["UP-2"], Interval(NOON + 150 * day, NOON + 160 * day))
    assert [(each.at - NOON) / day for each in later] == [100, 200]


def test_sessions_newest_first(store: Store) -> None:
    def session(at: int, serial: str = "M-1", error: str = "") -> ReadSession:
        return ReadSession(serial, NOON + at * MINUTE, NOON + (at + 1) * MINUTE, 96, 2, 1, error)

    for each in (session(0), session(5, error="silent"), session(3, "M-2")):
        store.devices.note_session(ME, each)
    assert store.devices.sessions(ME) == [session(5, error="silent"), session(3, "M-2"), session(0)]
    assert store.devices.sessions(ME, "M-1", limit=1) == [session(5, error="silent")]
    with store._engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM read_session")).scalar_one() == 3
