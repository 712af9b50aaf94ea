"""Bills worked by hand: each folder of tests/golden/billing cites where its figures come from."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridwright import billing
from gridwright.domain.bill import Bill
from gridwright.domain.interval import parse_period, zone_of
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import UsagePoint

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "billing"
CASES = sorted(path.parent for path in GOLDEN.glob("*/card.toml"))


def bill_of(case: Path) -> Bill:
    given: dict[str, Any] = json.loads((case / "input.json").read_text(encoding="utf-8"))
    point = UsagePoint(**given["usage_point"])
    period = parse_period(given["period"], zone_of(point.zone))
    values = [value for repeat, pattern in given["delivered_wh"] for value in pattern * repeat]
    panel = Panel((point.id,), period.start, timedelta(minutes=given["interval_minutes"]), np.array([values], float))
    assert panel.period == period
    card = billing.parse_rate_card((case / "card.toml").read_text(encoding="utf-8"), where=str(case.name))
    carried = {name: Decimal(kwh) for name, kwh in given.get("carried", {}).items()}
    known_at = datetime(2026, 12, 1, tzinfo=UTC)
    return billing.rate(panel, card, usage_point=point, period=period, known_at=known_at, carried=carried)


def test_the_cases_are_found() -> None:
    assert len(CASES) >= 13


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_hand_case(case: Path) -> None:
    expected = json.loads((case / "expected.json").read_text(encoding="utf-8"))
    bill = bill_of(case)
    lines = [
        {"charge": line.charge, "label": line.label, "quantity": f"{line.quantity:f}", "amount": f"{line.amount:f}"}
        for line in bill.lines
    ]
    assert lines == expected["lines"]
    assert f"{bill.total:f}" == expected["total"]
    assert (case / "SOURCE.md").read_text(encoding="utf-8").strip()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_line_explains_its_multiplication(case: Path) -> None:
    bill = bill_of(case)
    paragraphs = billing.explain(bill)
    assert len(paragraphs) == len(bill.lines) + 1 + len(bill.notes)
    for line, paragraph in zip(bill.lines, paragraphs, strict=False):
        assert line.basis
        assert f"{line.quantity:f}" in paragraph
        assert f"{line.amount:f}" in paragraph


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_postings_balance(case: Path) -> None:
    bill = bill_of(case)
    assert sum(line.amount for line in billing.postings(bill)) == 0
    both = [*billing.postings(bill), *billing.postings(billing.credit_note(bill))]
    accounts = {line.account for line in both}
    assert all(sum(line.amount for line in both if line.account == account) == 0 for account in accounts)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_json_keeps_every_digit(case: Path) -> None:
    bill = bill_of(case)
    assert Bill.from_dict(json.loads(json.dumps(bill.to_dict()))) == bill
