"""Price terms: the marginal price of each interval, taxes and percentages included."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest

from gridwright import billing
from gridwright.domain.rate import RateCard
from gridwright.domain.usage_point import UsagePoint
from tests.unit.billing.builders import BERLIN, a_bill, a_card, a_period, flat

HOUR = timedelta(hours=1)
TOU = (
    "[calendars.c]\nlabels = ['off', 'peak']\nweekday = [[" + "0, " * 16 + "1, " * 5 + "0, 0, 0]]\n"
    "[[charges]]\nid = 'energy'\nquantity.when.calendar = 'c'\nprice.by_label = { off = 0.20, peak = 0.40 }\n"
    "[[charges]]\nid = 'levy'\nprice = { of = ['energy'], pct = 10 }\n"
    "[[charges]]\nid = 'feed-in'\nquantity.ch = 'export'\nprice.rate = -0.08\n"
    "[[charges]]\nid = 'fixed'\nquantity.reduce = 'one'\nprice.rate = 9\n"
    "[[taxes]]\ncode = 'vat'\nrate = 0.5\nbase = ['energy', 'levy', 'fixed']\nexempt_if = 'free'\n"
)


def test_buy_and_sell_follow_labels_taxes_and_percentages() -> None:
    day = a_period("2026-04-01")
    terms = billing.price_terms(a_card(TOU), day.start, HOUR, 24, BERLIN)
    assert terms.buy[:16] == pytest.approx(0.20 * 1.1 * 1.5)
    assert terms.buy[16:21] == pytest.approx(0.40 * 1.1 * 1.5)
    assert terms.sell == pytest.approx(0.08)
    assert (terms.currency, terms.notes) == ("EUR", ())
    free = UsagePoint("UP-1", BERLIN, attributes={"free": "true"})
    exempt = billing.price_terms(a_card(TOU), day.start, HOUR, 24, BERLIN, usage_point=free)
    assert exempt.buy[0] == pytest.approx(0.22)


def test_one_more_kwh_costs_what_the_terms_say() -> None:
    day = a_period("2026-04-01")
    card = a_card(TOU)
    terms = billing.price_terms(card, day.start, HOUR, 24, BERLIN)
    more = flat(day, 1_000_000)
    base = a_bill(more, card).total
    for slot in (3, 18):
        changed = flat(day, 1_000_000)
        changed.values[0, slot] += 1_000_000
        assert float(a_bill(changed, card).total - base) == pytest.approx(1000 * terms.buy[slot], abs=0.02)


def test_prices_change_on_their_dates_and_months() -> None:
    card = a_card(
        "[[charges]]\nid = 'e'\nvalid = [2026-01-01, 2026-04-02]\nprice.rate = 0.1\n"
        "[[charges]]\nid = 'e'\nvalid = [2026-04-02]\nprice.rate = 0.2\n"
        "[[charges]]\nid = 'summer'\nquantity.when.months = [6]\nprice.rate = 1\n"
    )
    terms = billing.price_terms(card, a_period("2026-04-01").start, HOUR, 48, BERLIN)
    assert terms.buy == pytest.approx(np.repeat([0.1, 0.2], 24))
    june = billing.price_terms(card, a_period("2026-06-01").start, HOUR, 1, BERLIN)
    assert june.buy == pytest.approx([1.2])


def tiered(per: str) -> RateCard:
    return a_card(
        f"[[charges]]\nid = 'e'\nprice.blocks = [{{ upto = 10, per = '{per}', rate = 0.1 }}, {{ rate = 0.3 }}]\n"
        "[[charges]]\nid = 'd'\nquantity.reduce = 'max'\nprice.rate = 5\n[minimum]\namount = 5\n"
    )


@pytest.mark.parametrize(
    ("per", "monthly", "price"), [("day", None, 0.1), ("day", 300, 0.1), ("day", 310, 0.3), ("month", 11, 0.3)]
)
def test_a_ladder_is_priced_at_the_block_reached(per: str, monthly: int | None, price: float) -> None:
    use = None if monthly is None else Decimal(monthly)
    terms = billing.price_terms(tiered(per), a_period("2026-04").start, HOUR, 3, BERLIN, monthly_kwh=use)
    assert terms.buy == pytest.approx(price)
    told = " ".join(terms.notes)
    assert "first block" in told or f"{monthly} kWh a month" in told
    assert "highest power" in told
    assert "minimum" in told


def test_the_example_card_costs_thirty_cents() -> None:
    terms = billing.price_terms(billing.example_card("GBP"), a_period("2026-04").start, HOUR, 2, BERLIN)
    assert terms.buy.tolist() == [0.3, 0.3]
    assert terms.sell.tolist() == [0.0, 0.0]
    assert terms.currency == "GBP"
    assert billing.example_card().example
