"""The example cards are valid, and each bills a month."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from gridwright import billing
from gridwright.domain.reading_type import RECEIVED_ENERGY
from gridwright.domain.usage_point import UsagePoint
from tests.unit.billing.builders import a_bill, a_period, flat

ROOT = Path(__file__).resolve().parents[3]
CARDS = sorted((ROOT / "src" / "gridwright" / "billing" / "cards").glob("*.toml"))
TOTALS = {
    "shop-demand": "178.23",
    "residential-flat": "157.97",
    "residential-tiered": "55.72",
    "residential-tiered-tou": "156.00",
    "residential-tou": "150.71",
}


def test_the_cards_are_found() -> None:
    assert {path.stem for path in CARDS} == set(TOTALS)


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_each_card_bills_a_month(path: Path) -> None:
    card = billing.parse_rate_card(path.read_text(encoding="utf-8"), where=path.name)
    zone = card.zone or "America/Denver"
    month = a_period("2026-06-16/2026-07-16", zone)
    point = UsagePoint("UP-1", zone, exports=True, attributes={"contract_kw": "6"}, customer_class=card.customer_class)
    received = flat(month, 20, minutes=15, kind=RECEIVED_ENERGY)
    bill = a_bill(flat(month, 150, minutes=15), card, usage_point=point, received=received)
    assert f"{bill.total:f}" == TOTALS[path.stem]
    assert bill.example


def known_keys() -> set[str]:
    """List the keys that the reader accepts, as `only` names them."""
    calls = [
        node
        for path in (ROOT / "src" / "gridwright" / "billing").glob("card*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "only"
    ]
    return {
        argument.value
        for call in calls
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }


def test_every_key_is_in_the_reference() -> None:
    keys = known_keys()
    assert {"tariff", "holiday_as", "upto", "exempt_if"} <= keys
    page = (ROOT / "docs" / "reference" / "rate_cards.md").read_text(encoding="utf-8")
    assert [
        key for key in sorted(keys) if f"`{key}`" not in page and not re.search(rf"`[^`]*\b{key}\b[^`]*`", page)
    ] == []
