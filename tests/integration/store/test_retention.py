"""What is forgotten when it is old, and what never is; the audit chain tells and stays whole."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.errors import AccessDenied
from gridwright.domain.event import POWER_OFF, EndDeviceEvent
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval
from gridwright.domain.quarantine import QuarantinedReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.upkeep.tidy_store import (
    NOTICE,
    Forgetting,
    Going,
    Keep,
    Tidied,
    next_forgetting,
    preview_tidying,
    tidy_store,
)
from gridwright.jobs.upkeep.verify_store import verify_store
from gridwright.store import Store
from gridwright.store import retention as module
from gridwright.store.findings import FindingFilter

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
KEEP = Keep(outlooks=35 * DAY, findings=90 * DAY, quarantine=60 * DAY)


def a_finding(hour: int) -> Finding:
    period = Interval(NOON + hour * HOUR, NOON + (hour + 1) * HOUR)
    return Finding("V10_spike", "UP-1", period, Severity.WARN, f"hour {hour}")


@pytest.fixture
def town(store: Store) -> Store:
    """Findings open, resolved by themselves early and late, and accepted; quarantine old, new and claimed."""
    store.registry.save_points(ME, [UsagePoint("UP-1")])
    every = [a_finding(hour) for hour in range(4)]
    whole = Interval(NOON, NOON + 10 * HOUR)
    store.findings.save(ME, every, known_at=NOON)
    accepted = [one.id for one in store.findings.page(ME) if one.finding.message == "hour 3"]
    store.findings.resolve(ME, accepted, reason="a party", now=NOON)
    for day, left in ((1, every[1:3]), (80, every[2:3])):
        store.findings.save(ME, left, known_at=NOON + day * DAY, points=["UP-1"], period=whole)
    for meter, day in (("old", 0), ("new", 50), ("claimed", 0)):
        readings = [QuarantinedReading(meter, NOON + at * HOUR, 5.0, 900) for at in range(3)]
        store.quarantine.save(ME, readings, received=NOON + day * DAY)
    store.quarantine.claim(ME, "claimed")
    return store


def messages(store: Store) -> list[str]:
    return [one.finding.message for one in store.findings.page(ME, FindingFilter(resolved=True))]


def test_what_is_older_than_it_is_kept_goes_once_and_is_told(town: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOGETHER", 2)
    now = NOON + 95 * DAY
    assert tidy_store(town, ME, now=now, keep=Keep(outlooks=DAY)) == Tidied(0, 0, 0, 0)
    for wait in (0 * DAY, HOUR, 7 * DAY - HOUR):
        assert tidy_store(town, ME, now=now + wait, keep=KEEP) == Tidied(0, 0, 0, 0), "it is announced a week before"
    assert next_forgetting(town, ME, "quarantine", now + DAY) == Forgetting(now + 7 * DAY, now - 60 * DAY)
    now += 7 * DAY
    # Resolved on day 1, that goes; on day 80, accepted, and open ones stay. The clock of the claim is the database's.
    assert tidy_store(town, ME, now=now, keep=KEEP) == Tidied(0, 0, 1, 6)
    assert messages(town) == ["hour 1", "hour 2", "hour 3"]
    assert [waiting.meter for waiting in town.quarantine.meters(ME)] == ["new"]
    assert tidy_store(town, ME, now=now, keep=KEEP) == Tidied(0, 0, 0, 0)
    told = [one for one in town.audit.records(ME) if "forgotten" in one.detail]
    assert sorted((one.subject, one.detail["forgotten"]) for one in told) == [
        ("findings", 1),
        ("quarantine", 2),
        ("quarantine", 2),
        ("quarantine", 2),
    ]
    assert {check.name: check.first for check in verify_store(town, ME).checks if not check.ok} == {}


def of_rows(going: list[Going], table: str, now: datetime) -> int:
    return sum(one.rows for one in going if one.table == table and one.goes <= now)


def state(store: Store) -> tuple[object, ...]:
    """All that a preview might change."""
    waits = [(each.meter, each.readings) for each in store.quarantine.meters(ME)]
    return messages(store), waits, len(store.audit.records(ME)), store.outlooks.several(ME, "forgetting")


def test_the_preview_tells_what_goes_and_when_and_changes_nothing(town: Store) -> None:
    at = NOON + 95 * DAY
    for hours in range(0, 24 * 16, 20):
        now = at + timedelta(hours=hours)
        before, announced = state(town), dict[str, int]()
        going = preview_tidying(town, ME, now=now, keep=KEEP)
        assert state(town) == before
        for one in going:
            assert one.goes >= now
            announced[one.table] = announced.get(one.table, 0) + one.rows
        if hours == 0:
            assert announced == {"finding": 1, "quarantined_reading": 6}, "what is old, due or not"
            assert {one.goes for one in going} == {now + NOTICE}, "it is announced with the next tidying"
        gone = tidy_store(town, ME, now=now, keep=KEEP)
        told = [of_rows(going, table, now) for table in ("stored_answer", "outlook", "finding", "quarantined_reading")]
        assert told == [gone.answers, gone.outlooks, gone.findings, gone.quarantine]


def test_the_preview_tells_days_and_what_is_never_old(town: Store) -> None:
    town.outlooks.save(ME, "forecast", "UP-1", {"a": 1}, issued=NOON)
    town.outlooks.save(ME, "forecast", "UP-1", {"a": 2}, issued=NOON + DAY)
    now = NOON + 100 * DAY
    going = preview_tidying(town, ME, now=now, keep=Keep(outlooks=35 * DAY))
    assert going == [Going("outlook", NOON.date(), 1, now)]
    tidy_store(town, ME, now=now, keep=KEEP)
    later = now + 3 * DAY
    told = {(one.table, one.day): (one.rows, one.goes) for one in preview_tidying(town, ME, now=later, keep=KEEP)}
    assert told["finding", (NOON + DAY).date()] == (1, now + NOTICE)
    assert told["quarantined_reading", NOON.date()] == (6, now + NOTICE)
    longer = Keep(outlooks=35 * DAY, findings=200 * DAY, quarantine=200 * DAY)
    waiting = [one for one in preview_tidying(town, ME, now=later, keep=longer) if one.table == "finding"]
    assert waiting == []


def test_a_clock_that_jumps_a_year_ahead_makes_nothing_old_at_once(town: Store) -> None:
    now, year = NOON + 95 * DAY, 365 * DAY
    tidy_store(town, ME, now=now, keep=KEEP)
    for jumped in (now + year, now + year + HOUR, now + year + 6 * DAY):
        tidy_store(town, ME, now=jumped, keep=KEEP)
        assert [waiting.meter for waiting in town.quarantine.meters(ME)] == ["new"], "only what was announced is gone"
    for day in range(1, 14):  # the clock is right again
        tidy_store(town, ME, now=now + day * DAY, keep=KEEP)
    assert [waiting.meter for waiting in town.quarantine.meters(ME)] == ["new"]
    for jumped in (now + year + 8 * DAY, now + year + 14 * DAY):  # and jumps once more
        tidy_store(town, ME, now=jumped, keep=KEEP)
    assert [waiting.meter for waiting in town.quarantine.meters(ME)] == ["new"], "it was not announced a week before"
    for day in range(14, 30):
        tidy_store(town, ME, now=now + day * DAY, keep=KEEP)
    assert town.quarantine.meters(ME) == [], "received on day 50, old on day 110"


def test_who_keeps_longer_meanwhile_keeps_what_was_announced(town: Store) -> None:
    now = NOON + 95 * DAY
    tidy_store(town, ME, now=now, keep=KEEP)
    longer = Keep(outlooks=35 * DAY, findings=200 * DAY, quarantine=200 * DAY)
    assert tidy_store(town, ME, now=now + 8 * DAY, keep=longer) == Tidied(0, 0, 0, 0)


def test_only_who_looks_after_the_store_may_forget(town: Store) -> None:
    for access in (Access("op", Role.OPERATOR), Access("device", Role.DEVICE)):
        with pytest.raises(AccessDenied):
            town.retention.forget_findings(access, before=NOON)
        with pytest.raises(AccessDenied):
            town.retention.forget_quarantine(access, before=NOON)


def test_events_that_wait_go_as_readings_do_and_what_has_a_place_stays(store: Store) -> None:
    store.registry.save_points(ME, [UsagePoint("UP-1")])

    def told(device: str, day: int, point: str = "") -> EndDeviceEvent:
        return EndDeviceEvent(device, POWER_OFF, NOON, NOON + day * DAY, point)

    store.devices.save_events(ME, [told("old", 0), told("let go", 1), told("claimed", 0), told("new", 50)])
    store.devices.save_events(ME, [told("placed", 0, "UP-1")])
    store.waiting_events.drop(ME, "let go", reason="a test bench")
    store.waiting_events.claim(ME, "claimed", "UP-1")
    store.quarantine.save(ME, [QuarantinedReading("old", NOON, 5.0, 900)], received=NOON)
    now, room = NOON + 95 * DAY, store.waiting_events.room(ME)
    tidy_store(store, ME, now=now, keep=KEEP)
    going = preview_tidying(store, ME, now=now + 5 * DAY, keep=KEEP)
    assert {(one.table, one.day, one.rows, one.goes) for one in going} == {
        ("quarantined_reading", NOON.date(), 1, now + NOTICE),
        ("device_event", NOON.date(), 1, now + NOTICE),
        ("device_event", (NOON + DAY).date(), 1, now + NOTICE),
    }
    assert len(store.devices.events(ME)) == 5, "it was announced alone"
    assert tidy_store(store, ME, now=now + 7 * DAY, keep=KEEP).quarantine == 3
    assert {each.end_device for each in store.devices.events(ME)} == {"claimed", "placed", "new"}
    assert store.waiting_events.room(ME) == room + 2
    assert tidy_store(store, ME, now=now + 7 * DAY, keep=KEEP).quarantine == 0
    (told_of,) = [one for one in store.audit.records(ME) if one.subject == "quarantined events"]
    assert told_of.detail["forgotten"] == 2
    assert {check.name: check.first for check in verify_store(store, ME).checks if not check.ok} == {}
