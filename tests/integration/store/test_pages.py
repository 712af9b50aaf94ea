"""Lists in pages, and what pages show at a glance: they stay put while others write."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.bill import Bill, BillLine, BillState
from gridwright.domain.errors import AccessDenied, InputError, NotFound
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import RECEIVED_ENERGY
from gridwright.domain.usage_point import EndDevice, Meter, UsagePoint, install
from gridwright.store import FindingFilter, Store
from gridwright.store.readings import Freshness, FreshnessCounts

pytestmark = pytest.mark.servers_in_turn

START = datetime(2025, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
HER = Access("her", Role.CUSTOMER, frozenset({"b"}))


@pytest.fixture(autouse=True)
def points(store: Store) -> None:
    store.registry.save_points(
        ME, [UsagePoint("a"), UsagePoint("b", attributes={"street": "Main 5%"}), UsagePoint("c")]
    )


# --- findings ---------------------------------------------------------------------------------------------------------


def a_finding(at: int, point: str = "a", severity: Severity = Severity.WARN, code: str = "V17_stuck") -> Finding:
    return Finding(code, point, Interval(START + at * DAY, START + (at + 1) * DAY), severity, f"doubt {at}", slots=at)


def test_findings_in_pages(store: Store) -> None:
    these = [a_finding(at, "abc"[at % 3], list(Severity)[at % 2], f"V{at % 4:02d}_x") for at in range(12)]
    store.findings.save(ME, these, known_at=START)
    first = store.findings.page(ME, limit=5)
    assert [each.finding for each in first] == these[:5]
    assert {each.known_at for each in first} == {START}
    store.findings.save(ME, [a_finding(99)], known_at=START)
    rest = store.findings.page(ME, after=first[-1].id)
    assert [each.finding for each in rest] == [*these[5:], a_finding(99)]
    assert [each.finding for each in store.findings.page(ME, FindingFilter("b", Severity.FAIL))] == these[4::6]
    assert [each.finding for each in store.findings.page(ME, FindingFilter(code="V03_x"))] == these[3::4]
    assert [each.finding for each in store.findings.page(HER)] == these[1::3]
    with pytest.raises(AccessDenied):
        store.findings.page(HER, FindingFilter("a"))


def test_an_accepted_doubt_does_not_come_up_again(store: Store) -> None:
    both = [a_finding(0), a_finding(1)]
    period = Interval(START, START + 9 * DAY)
    store.findings.save(ME, both, known_at=START, points=["a"], period=period)
    ids = [each.id for each in store.findings.page(ME)]
    bob = Access("bob", Role.OPERATOR)
    assert store.findings.resolve(bob, ids[:1], reason=" the meter was tested ", now=START + DAY) == 1
    assert store.findings.resolve(ME, ids[:1], reason="again", now=START + 2 * DAY) == 0
    assert store.findings.save(ME, both, known_at=START + 3 * DAY, points=["a"], period=period) == 0
    assert store.findings.load(ME) == [both[1]]
    accepted = store.findings.page(ME, FindingFilter(resolved=True))[0]
    assert (accepted.resolved_by, accepted.resolution, accepted.resolved_at) == (
        "bob",
        "the meter was tested",
        START + DAY,
    )
    store.findings.save(ME, [], known_at=START + 4 * DAY, points=["a"], period=period)
    assert store.findings.save(ME, both, known_at=START + 5 * DAY, points=["a"], period=period) == 1
    gone = store.findings.page(ME, FindingFilter(resolved=True))[1]
    assert (gone.resolved_by, gone.resolution, gone.resolved_at) == ("", "", START + 4 * DAY)
    assert store.audit.records(ME)[2].detail["reason"] == " the meter was tested "


def test_doubts_that_cannot_be_accepted(store: Store) -> None:
    store.findings.save(ME, [a_finding(0)], known_at=START)
    number = store.findings.page(ME)[0].id
    with pytest.raises(InputError, match="reason"):
        store.findings.resolve(ME, [number], reason="  ", now=START)
    with pytest.raises(NotFound, match=str(number + 1)):
        store.findings.resolve(ME, [number, number + 1], reason="fine", now=START)
    for access in (Access("v", Role.VIEWER), Access("d", Role.DEVICE), Access("o", Role.OPERATOR, frozenset({"b"}))):
        with pytest.raises(AccessDenied):
            store.findings.resolve(access, [number], reason="fine", now=START)
    assert len(store.findings.page(ME)) == 1


# --- bills ------------------------------------------------------------------------------------------------------------


def a_bill(number: int, point: str) -> Bill:
    lines = tuple(
        BillLine("energy", f"tier {at}", Decimal(at), "kWh", Decimal("0.30"), "EUR") for at in range(number % 3)
    )
    period = Interval(START + number * DAY, START + (number + 1) * DAY)
    return Bill(f"B-{number}", f"k{number}", point, period, "UTC", "flat", "EUR", lines, "h", START)


def test_bills_in_pages(store: Store) -> None:
    these = [a_bill(at, "abc"[at % 3]) for at in range(9)]
    for bill in these:
        store.ledger.save_bill(ME, bill)
    first = store.ledger.page(ME, limit=4)
    assert [each.bill for each in first] == these[:4]
    store.ledger.issue(ME, "B-5")
    rest = store.ledger.page(ME, after=first[-1].key)
    assert [each.bill.id for each in rest] == [bill.id for bill in these[4:]]
    assert [(each.bill.id, each.number) for each in store.ledger.page(ME, state=BillState.ISSUED)] == [("B-5", 1)]
    assert [each.bill.id for each in store.ledger.page(ME, point="c")] == ["B-2", "B-5", "B-8"]
    assert store.ledger.page(HER) == [], "a customer sees no draft"
    for name in ("B-1", "B-7"):
        store.ledger.issue(ME, name)
    assert [each.bill.id for each in store.ledger.page(HER)] == ["B-1", "B-7"]
    assert store.ledger.bills(ME, "a") == store.ledger.page(ME, point="a")
    with pytest.raises(AccessDenied):
        store.ledger.page(HER, point="a")


# --- registry ---------------------------------------------------------------------------------------------------------


def test_usage_points_in_pages(store: Store) -> None:
    store.registry.save_points(ME, [UsagePoint(f"UP-{at:02d}") for at in range(10)])
    first = store.registry.page(ME, search="up-", limit=4)
    assert [each.id for each in first] == ["UP-00", "UP-01", "UP-02", "UP-03"]
    store.registry.save_points(ME, [UsagePoint("UP-000")])
    assert [each.id for each in store.registry.page(ME, search="up-", limit=2, after="UP-03")] == ["UP-04", "UP-05"]
    assert [each.id for each in store.registry.page(HER)] == ["b"]


@pytest.mark.parametrize(
    ("search", "found"), [("main 5%", ["b"]), ("n-77", ["c"]), ("%", ["b"]), ("_", []), ("'", []), ("zzz", [])]
)
def test_searching_usage_points(store: Store, search: str, found: list[str]) -> None:
    store.registry.save_meter(ME, Meter("SN-77"))
    store.registry.save_installation(ME, install("c", "SN-77", START))
    assert [each.id for each in store.registry.page(ME, search=search)] == found


def test_meters_and_where_they_measure(store: Store) -> None:
    for device in (Meter("M1", "brand"), Meter("M2"), EndDevice("BOX")):
        store.registry.save_meter(ME, device)
    store.registry.save_installation(ME, install("a", "M1", START))
    store.registry.save_installation(ME, install("b", "BOX", START))
    store.registry.exchange_meter(ME, install("a", "M2", START + DAY))
    assert store.registry.meters(ME) == (EndDevice("BOX"), Meter("M1", "brand"), Meter("M2"))
    assert store.registry.meters(HER) == (EndDevice("BOX"),)
    assert store.registry.meter_points(ME, START) == {"BOX": "b", "M1": "a"}
    assert store.registry.meter_points(ME, START + DAY) == {"BOX": "b", "M2": "a"}
    assert store.registry.meter_points(Access("gate", Role.DEVICE), START) == {"BOX": "b", "M1": "a"}
    assert store.registry.meter_points(HER, START) == {"BOX": "b"}
    assert store.registry.meter_points(ME, START - DAY) == {}


# --- readings ---------------------------------------------------------------------------------------------------------


def test_how_far_readings_reach(store: Store) -> None:
    panel = Panel(("a", "b"), START, timedelta(minutes=15), np.ones((2, 2 * 96 + 48)))
    store.readings.save(ME, panel, known_at=START + 100 * DAY)
    other = replace(panel.rows([1]), reading_type=RECEIVED_ENERGY, start=START + 2 * DAY)
    now = START + 4 * DAY + timedelta(hours=12)
    store.readings.save(ME, other, known_at=now)
    assert store.readings.freshness(ME) == [("a", START + 3 * DAY, 240), ("b", now, 480)]
    assert [each.usage_point for each in store.readings.freshness(HER)] == ["b"]
    count = store.readings.freshness_counts
    both = (720, now)
    assert count(ME, late=START, silent=START) == FreshnessCounts(2, 0, 0, (), *both)
    ends = (Freshness("a", START + 3 * DAY, 240), Freshness("b", now, 480))
    assert count(ME, late=now, silent=START) == FreshnessCounts(2, 1, 0, ends[:1], *both)
    assert count(ME, late=START + 5 * DAY, silent=now) == FreshnessCounts(2, 1, 1, ends, *both)
    assert count(ME, late=START + 5 * DAY, silent=START + 5 * DAY, listed=1) == FreshnessCounts(
        2, 0, 2, ends[:1], *both
    )
    assert count(HER, late=now, silent=now) == FreshnessCounts(1, 0, 0, (), 480, now)
