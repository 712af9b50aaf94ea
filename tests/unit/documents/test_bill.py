"""The bill as PDF, JSON and text."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from gridwright import billing
from gridwright.documents.bill_pdf import bill_json, bill_pdf, days_of, money, printed
from gridwright.documents.bill_text import bill_text
from gridwright.domain import quality as q
from gridwright.domain.bill import Bill, BillState
from gridwright.domain.interval import parse_period, zone_of
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import UsagePoint


def a_bill(*, period: str = "2025-10", point: str = "UP-7") -> Bill:
    span = parse_period(period, zone_of("Europe/Berlin"))
    slots = span.slots(timedelta(minutes=15))
    values = np.full((1, slots), 100.0)
    values[0, 10:13] = np.nan
    quality = np.where(np.isnan(values), np.uint8(q.MISSING), np.uint8(q.RAW))
    quality[0, 40:45] = q.pack(q.Status.ESTIMATED, q.Method.LINEAR)
    panel = Panel((point,), span.start, timedelta(minutes=15), values, quality)
    usage_point = UsagePoint(point, zone="Europe/Berlin")
    known_at = datetime(2025, 11, 2, 8, tzinfo=UTC)
    return billing.rate(panel, billing.example_card(), usage_point=usage_point, period=span, known_at=known_at)


def test_pdf_is_the_same_for_the_same_bill() -> None:
    first = bill_pdf(a_bill(), name="Ann Example")
    assert first.startswith(b"%PDF-")
    assert first == bill_pdf(a_bill(), name="Ann Example")
    assert first != bill_pdf(a_bill(), name="Bob Example")


@pytest.mark.parametrize("point", ["#panic[x]", '"quoted"', "Zürich \\ 7", "电表"])
def test_pdf_prints_any_text_as_text(point: str) -> None:
    assert bill_pdf(a_bill(point=point, period="2025-10-26")).startswith(b"%PDF-")


def test_printed_says_what_is_doubtful_and_what_is_an_example() -> None:
    shown = printed(a_bill(), "Ann")
    assert shown["example"] is True
    assert ["Estimated, missing", "5, 3"] in shown["facts"]
    assert any("3 of 2980 intervals have no value" in note for note in shown["notes"])
    assert shown["lines"][0]["note"] == "2,980 intervals, 5 of them estimated"
    assert len(shown["days_kwh"]) == 31
    assert max(shown["days_kwh"]) == 1.0


def test_days_are_civil_days_also_when_clocks_change() -> None:
    first, last = days_of(a_bill(period="2025-10-26"))
    assert first == last
    assert first.isoformat() == "2025-10-26"


def test_json_is_exact() -> None:
    bill = a_bill()
    data = bill_json(bill)
    assert data["total"] == f"{bill.total:f}"
    assert Bill.from_dict(json.loads(json.dumps(data))) == bill


def test_text_shows_the_multiplication() -> None:
    text = bill_text(a_bill())
    assert "297.700 kWh × 0.30 = 89.31" in text
    assert "5 of them estimated" in text
    assert "25 hours" in text


def test_a_cancelled_bill_says_that_nothing_is_due() -> None:
    cancelled = replace(a_bill(), state=BillState.CANCELLED)
    shown = printed(cancelled, "")
    assert (shown["heading"], shown["total_label"]) == ("Electricity bill (cancelled)", "Cancelled; was amount due")
    assert bill_pdf(cancelled) != bill_pdf(a_bill())
    assert bill_text(cancelled).splitlines()[0].endswith("for usage point UP-7, cancelled")
    assert "cancelled" not in bill_text(a_bill())


def test_a_credit_reads_as_one() -> None:
    shown = printed(billing.credit_note(a_bill()), "")
    assert shown["total_label"] == "To your credit"
    assert shown["total"] == "89.31"
    assert money(Decimal("-3.20")) == "−3.20"
    assert bill_pdf(billing.credit_note(a_bill())).startswith(b"%PDF-")
