"""The corrections of a bill as they stood on any day: replaced, taken up again, put aside, issued or cancelled."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import update

from gridwright.billing import postings
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.bill import Bill, BillLine
from gridwright.domain.correction import Correction, CorrectionState, DayChange, Reason, correction_key, differences
from gridwright.domain.interval import local_month, zone_of
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import Store, open_store
from gridwright.store.schema.trust import correction as table
from tests.integration.store.conftest import empty

DAY = timedelta(days=1)
NOW = datetime(2026, 10, 1, tzinfo=UTC)
PERIOD = local_month(2026, 9, zone_of("UTC"))


class Clock:
    """The store's clock, set by the test."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def billed(store: Store) -> Bill:
    store.registry.save_points(ME, [UsagePoint("UP-1")])
    line = BillLine("energy", "Energy", Decimal(100), "kWh", Decimal("0.30"), "EUR")
    bill = Bill("B-9", "k9", "UP-1", PERIOD, "UTC", "flat@1", "EUR", (line,), "h9", NOW, energy_kwh=Decimal(100))
    store.ledger.save_bill(ME, bill, postings(bill))
    store.ledger.issue(ME, bill.id)
    return bill


def draft(bill: Bill, kwh: int, day: int, state: CorrectionState = CorrectionState.DRAFT) -> Correction:
    now = replace(bill, key=f"k{kwh}", lines=(replace(bill.lines[0], quantity=Decimal(kwh)),), energy_kwh=Decimal(kwh))
    reason = Reason((DayChange(PERIOD.start.date(), Decimal(20), Decimal(10), 96),))
    key, lines = correction_key(bill.key, now.key), differences(bill.lines, now.lines)
    return Correction(f"B-9-c{kwh}", key, bill.id, 1, bill.key, now, lines, NOW + day * DAY, reason, state=state)


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest) -> str:
    return "sqlite://" if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))


def test_each_day_shows_what_stood_then(address: str) -> None:
    clock = Clock()
    with open_store(address, clock=clock) as store:
        if address != "sqlite://":
            empty(store)
        bill = billed(store)
        held = CorrectionState.HELD
        for kwh, day, state in ((90, 2, held), (80, 4, CorrectionState.DRAFT), (90, 6, held)):
            clock.now = NOW + day * DAY
            store.corrections.save(ME, draft(bill, kwh, day, state))
        clock.now = NOW + 8 * DAY
        store.corrections.replace_open(ME, bill.id)
        clock.now = NOW + 10 * DAY
        store.corrections.save(ME, draft(bill, 70, 10))
        clock.now = NOW + 12 * DAY
        store.corrections.issue(ME, "B-9-c70")
        clock.now = NOW + 14 * DAY
        store.corrections.cancel(ME, "B-9-c70")

        def stood(day: float) -> list[tuple[str, str]]:
            found = store.corrections.of_bill(ME, bill.id, as_of=NOW + day * DAY)
            return [(each.id.removeprefix("B-9-c"), str(each.state)) for each in found]

        expected = {
            1: [],
            2: [("90", "held")],
            3: [("90", "held")],
            4: [("80", "draft")],
            5: [("80", "draft")],
            6: [("90", "held")],
            7: [("90", "held")],
            8: [],
            9: [],
            10: [("70", "draft")],
            11: [("70", "draft")],
            13: [("70", "issued")],
            15: [("70", "cancelled")],
        }
        assert {day: stood(day) for day in expected} == expected
        assert [each.id for each in store.corrections.of_bill(ME, bill.id)] == ["B-9-c70"]


def test_one_that_was_replaced_before_that_was_written_down_stood_until_the_next(address: str) -> None:
    with open_store(address, clock=lambda: NOW) as store:
        if address != "sqlite://":
            empty(store)
        bill = billed(store)
        for kwh, day in ((90, 2), (80, 4)):
            store.corrections.save(ME, draft(bill, kwh, day))
        with store._session.writing() as unit:
            unit.connection.execute(update(table).values(cancelled_at_us=None))
        seen = {day: store.corrections.of_bill(ME, bill.id, as_of=NOW + day * DAY) for day in (1, 3, 5)}
        told = {day: [each.id for each in found] for day, found in seen.items()}
        assert told == {1: [], 3: ["B-9-c90"], 5: ["B-9-c80"]}
