"""Through changes of a usage point's zone every hour is billed once, and each bill is rated in its own zone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright.billing import parse_rate_card
from gridwright.billing.spans import billing_span
from gridwright.domain.bill import Bill, BillState
from gridwright.domain.errors import RateError
from gridwright.domain.interval import Interval, local_month, zone_of
from gridwright.domain.panel import Panel
from gridwright.domain.rate import RateCard
from gridwright.domain.seams import Seams, seams_of
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.billing.bill_months import bill_months, civil_days

QUARTER = timedelta(minutes=15)
ZONES = (
    "UTC",
    "Europe/Berlin",
    "Europe/Helsinki",
    "Europe/London",
    "America/Los_Angeles",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
)
FAR = ("Pacific/Kiritimati", "Pacific/Pago_Pago")
CARD = parse_rate_card(
    """
[tariff]
id = "days"
version = 1
currency = "EUR"

[calendars.c]
labels = ["off", "peak"]
weekday = [[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0]]

[[charges]]
id = "energy"
quantity = { when = { calendar = "c" } }
price = { by_label = { off = 0.20, peak = 0.40 } }

[[charges]]
id = "power"
quantity = { reduce = "max" }
price = { rate = 3 }

[[charges]]
id = "meter"
quantity = { reduce = "count_days" }
price = { rate = 0.10 }
""",
    where="a test",
)
LADDER = parse_rate_card(
    """
[tariff]
id = "ladder"
version = 1
currency = "EUR"

[[charges]]
id = "ladder"
price = { reset = "year", blocks = [{ upto = 1000, per = "bill", rate = 0.10 }, { rate = 0.20 }] }
""",
    where="a test",
)
START, END = datetime(2026, 11, 29, tzinfo=UTC), datetime(2027, 6, 4, tzinfo=UTC)
SLOTS = int((END - START) / QUARTER)
PANEL = Panel(("UP-1",), START, QUARTER, np.random.default_rng(7).integers(1, 900, (1, SLOTS)).astype(float))
MONTHS = ((2026, 12), (2027, 1), (2027, 2), (2027, 3), (2027, 4), (2027, 5))


def billed(zone: str, period: Interval, seams: Seams, card: RateCard = CARD) -> Bill:
    """Return the one bill of a period, issued."""
    done = bill_months(PANEL, card, UsagePoint("UP-1", zone), known_at=END, period=period, seams=seams)
    assert not done.notes
    (bill,) = done.bills
    return replace(bill, state=BillState.ISSUED)


def through(zones: list[str], card: RateCard = CARD, months: tuple[tuple[int, int], ...] = MONTHS) -> list[Bill]:
    """Bill a month after the other, each in the zone that the usage point has by then, and issue each."""
    issued: list[Bill] = []
    for (year, month), zone in zip(months, zones, strict=False):
        issued.append(billed(zone, local_month(year, month, zone_of(zone)), seams_of(issued), card))
    return issued


def assert_each_hour_once(bills: list[Bill]) -> None:
    assert all(one.period.end == two.period.start for one, two in pairwise(bills))
    whole = Interval(bills[0].period.start, bills[-1].period.end)
    assert sum(bill.intervals for bill in bills) == whole.slots(QUARTER)
    assert sum(bill.energy_kwh for bill in bills) * 1000 == int(PANEL.regrid(whole).values.sum())
    assert all(sum(bill.daily_kwh) == bill.energy_kwh for bill in bills)


def days_of(bill: Bill) -> Decimal:
    return sum((line.quantity for line in bill.lines if line.charge == "meter"), Decimal(0))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(ZONES), min_size=2, max_size=6))
def test_every_hour_and_day_is_billed_once_through_changes_of_zone(zones: list[str]) -> None:
    bills = through(zones)
    assert_each_hour_once(bills)
    days = [(date(y + m // 12, m % 12 + 1, 1) - date(y, m, 1)).days for y, m in MONTHS[: len(zones)]]
    assert [days_of(bill) for bill in bills] == days == [len(bill.daily_kwh) for bill in bills]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(ZONES + FAR), min_size=3, max_size=5), st.data())
def test_a_bill_that_is_taken_back_is_billed_anew_between_those_beside_it(
    zones: list[str], data: st.DataObject
) -> None:
    bills = through(zones)
    assert_each_hour_once(bills)
    at, zone = data.draw(st.integers(0, len(bills) - 1)), data.draw(st.sampled_from(ZONES))
    kept = [replace(bill, state=BillState.CANCELLED) if place == at else bill for place, bill in enumerate(bills)]
    year, month = MONTHS[at]
    kept[at] = billed(zone, local_month(year, month, zone_of(zone)), seams_of(kept))
    assert_each_hour_once(kept)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(ZONES), min_size=2, max_size=4), st.sampled_from(ZONES))
def test_an_issued_bill_is_the_same_again_whatever_zone_the_point_has_by_now(zones: list[str], now: str) -> None:
    """By its own period, as a correction asks, and by the civil month of today's zone, as a billing run does."""
    bills = through(zones)
    for bill, (year, month) in zip(bills, MONTHS, strict=False):
        for period in (bill.period, local_month(year, month, zone_of(now))):
            point = UsagePoint("UP-1", bill.zone if period == bill.period else now)
            done = bill_months(PANEL, CARD, point, known_at=END, period=period, seams=seams_of(bills))
            assert [(one.key, one.lines, one.zone) for one in done.bills] == [(bill.key, bill.lines, bill.zone)]


@pytest.mark.parametrize(
    ("zone", "begins"),
    [
        ("Europe/Helsinki", "2027-01-01 01:00"),
        ("Europe/London", "2026-12-31 23:00"),
        ("Pacific/Auckland", "2027-01-01 12:00"),
    ],
)
def test_the_bill_behind_a_change_of_zone_tells_where_it_begins(zone: str, begins: str) -> None:
    _, january = through(["Europe/Berlin", zone])
    assert january.period.start == datetime(2026, 12, 31, 23, tzinfo=UTC)
    assert days_of(january) == 31
    assert [note for note in january.notes if note.startswith(f"The bill begins at {begins} in {zone}")]
    assert january.id.startswith("UP-1-2027-01-01-")


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(ZONES), min_size=2, max_size=5))
def test_a_ladder_of_a_year_counts_every_hour_once_through_changes_of_zone(zones: list[str]) -> None:
    bills = through(zones, LADDER, MONTHS[1:])
    assert_each_hour_once(bills)
    lines = [line for bill in bills for line in bill.lines]
    used = sum(bill.energy_kwh for bill in bills)
    assert sum(line.quantity for line in lines) == used
    assert sum(line.quantity for line in lines if line.price == Decimal("0.10")) == min(used, 1000)


def test_hours_that_an_issued_bill_has_touch_no_other_day() -> None:
    """Berlin's 1 December begins on 30 November in London: nobody is told that November lacks its readings."""
    issued = through(["Europe/Berlin"])
    part = PANEL.between(issued[0].period)
    london = UsagePoint("UP-1", "Europe/London")
    assert civil_days(part, london, seams_of(issued)) == local_month(2026, 12, london.tz)
    assert civil_days(part, london) != local_month(2026, 12, london.tz)


def test_parts_of_days_without_a_seam_are_refused() -> None:
    period = Interval(datetime(2026, 9, 30, 22, tzinfo=UTC), datetime(2026, 10, 31, tzinfo=UTC))
    with pytest.raises(RateError, match="midnight in Europe/London"):
        billing_span(period, period, "Europe/London")
