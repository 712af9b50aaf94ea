"""Laws of billing: nothing is lost or invented, and a slow oracle in fractions agrees on random cards."""

from __future__ import annotations

import os
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import holidays
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright import billing
from gridwright.domain.bill import Bill
from gridwright.domain.panel import Panel
from gridwright.domain.rate import (
    Allocate,
    Block,
    Charge,
    DateRange,
    Determinant,
    Ladder,
    Per,
    Price,
    RateCard,
    Scope,
    Tax,
    TierMode,
    TouCalendar,
)
from tests.unit.billing.builders import BERLIN, a_bill, a_panel, a_period

ZONE = ZoneInfo(BERLIN)
NAMES = ("off", "mid", "peak")
PERIODS = ("2025-10-20/2025-11-10", "2025-03-28/2025-04-02", "2026-02", "2026-06-30/2026-07-02")
rates = st.integers(-50_000, 90_000).map(lambda n: Decimal(n).scaleb(-5))
rows = st.lists(st.integers(0, 2), min_size=24, max_size=24).map(tuple)


@st.composite
def panels(draw: st.DrawFn) -> Panel:
    period = a_period(draw(st.sampled_from(PERIODS)))
    seed = draw(st.integers(0, 2**32 - 1))
    generator = np.random.default_rng(seed)
    values = generator.integers(0, draw(st.sampled_from([1, 50, 4000])) + 1, period.slots(timedelta(minutes=30)))
    panel = a_panel(values, period.start, minutes=30)
    panel.values[0, generator.random(panel.slots) < draw(st.sampled_from([0.0, 0.05]))] = np.nan
    return Panel(panel.points, panel.start, panel.interval, panel.values)


@st.composite
def ladders(draw: st.DrawFn, label: str, limits: list[int], per: Per) -> Ladder:
    uptos = [Decimal(limit) for limit in limits]
    blocks = [Block(draw(rates), upto, per) for upto in uptos]
    return Ladder((*blocks, Block(draw(rates))), label)


@st.composite
def prices(draw: st.DrawFn) -> Price:
    limits = sorted(draw(st.sets(st.integers(1, 400), max_size=3)))
    per = draw(st.sampled_from([Per.BILL, Per.DAY, Per.MONTH]))
    by_label = draw(st.booleans())
    names = NAMES if by_label else ("",)
    return Price(
        tuple(draw(ladders(name, limits, per)) for name in names),
        scope=draw(st.sampled_from(Scope)),
        allocate=draw(st.sampled_from(Allocate)),
        mode=draw(st.sampled_from(TierMode)),
    )


@st.composite
def cards(draw: st.DrawFn) -> RateCard:
    calendar = TouCalendar("c", NAMES, (draw(rows),), (draw(rows),), holidays=draw(st.sampled_from(["", "DE-BE"])))
    change = DateRange(date(2025, 10, 27)), DateRange(None, date(2025, 10, 27))
    price, other = draw(prices()), draw(prices())
    counted = Determinant(calendar="c", labels=NAMES)
    charges = [Charge("a", "A", price, counted, valid=draw(st.sampled_from([DateRange(), change[0]])))]
    charges.append(Charge("b", "B", other, counted, valid=draw(st.sampled_from([DateRange(), change[1]]))))
    taxes = (Tax("vat", draw(st.sampled_from([Decimal("0.19"), Decimal(0)])), ("a", "b")),)
    return RateCard("random", 1, "Random", "EUR", tuple(charges), (calendar,), taxes)


# --- the oracle -------------------------------------------------------------------------------------------------------


@cache
def oracle_holidays(year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays("DE", subdiv="BE", years=year))


def oracle_label(card: RateCard, moment: datetime) -> str:
    calendar = card.calendars[0]
    free = calendar.holidays and moment.date() in oracle_holidays(moment.year)
    row = calendar.weekend[0] if moment.weekday() >= 5 or free else calendar.weekday[0]
    return calendar.labels[row[moment.hour]]


def oracle_scale(per: Per, days: list[date], whole: int) -> Fraction:
    if per is Per.BILL:
        return Fraction(len(days), whole)
    if per is Per.DAY:
        return Fraction(len(days))
    months = {(day.year, day.month) for day in days}
    lengths = {at: (date(at[0] + at[1] // 12, at[1] % 12 + 1, 1) - date(*at, 1)).days for at in months}
    return sum((Fraction(1, lengths[day.year, day.month]) for day in days), Fraction(0))


def oracle_amount(price: Price, readings: list[tuple[str, Fraction]], scale: dict[Per, Fraction]) -> Fraction:
    """Price every interval by itself: walk through them, each knows where on the ladder it stands."""
    pools: dict[str, list[tuple[str, Fraction]]] = {}
    several = len(price.ladders) > 1
    for label, kwh in readings:
        pools.setdefault(label if several and price.scope is Scope.LABEL else "", []).append((label, kwh))
    amount = Fraction(0)
    for members in pools.values():
        total = sum((kwh for _, kwh in members), Fraction(0))
        reached = Fraction(0)
        for label, kwh in members:
            ladder = next(one for one in price.ladders if one.label in (label, ""))
            if price.mode is TierMode.VOLUME:
                pieces = [(total, total, kwh)]
            elif several and price.scope is Scope.POOLED and price.allocate is Allocate.PROPORTIONAL:
                pieces = [(Fraction(0), total, kwh)]
            else:
                pieces = [(reached, reached + kwh, kwh)]
            for low, high, part in pieces:
                amount += part * oracle_rate(ladder, low, high, scale)
            reached += kwh
    return amount


def oracle_rate(ladder: Ladder, low: Fraction, high: Fraction, scale: dict[Per, Fraction]) -> Fraction:
    """Return the mean rate between two levels of the ladder; at one level, the rate there."""
    exact = [Fraction(block.upto) * scale[block.per] for block in ladder.blocks if block.upto is not None]
    # Limits, like quantities, are whole watt-hours.
    edges = [Fraction(int(edge * 1000 + Fraction(1, 2)), 1000) for edge in exact]
    if low == high:
        return Fraction(ladder.blocks[sum(low > edge for edge in edges)].rate)
    sums, before = Fraction(0), Fraction(0)
    for block, edge in zip(ladder.blocks, [*edges, high], strict=True):
        overlap = min(high, max(edge, before)) - max(low, before)
        sums += max(overlap, Fraction(0)) * Fraction(block.rate)
        before = edge
    return sums / (high - low)


def oracle(card: RateCard, panel: Panel) -> dict[str, Fraction]:
    moments = [(panel.start + panel.interval * n).astimezone(ZONE) for n in range(panel.slots)]
    all_days = {moment.date() for moment in moments}
    found: dict[str, Fraction] = {}
    for charge in card.charges:
        inside = [(m, v) for m, v in zip(moments, panel.values[0], strict=True) if m.date() in charge.valid]
        readings = [(oracle_label(card, m), Fraction(int(v), 1000)) for m, v in inside if not np.isnan(v)]
        days = sorted(day for day in all_days if day in charge.valid)
        assert isinstance(charge.price, Price)
        scale = {per: oracle_scale(per, days, len(all_days)) for per in list(Per)[:3]}
        found[charge.id] = oracle_amount(charge.price, readings, scale)
    return found


@settings(max_examples=300 if os.environ.get("GRIDWRIGHT_TEST_LONG") else 20)
@given(cards(), panels())
def test_random_cards_agree_with_the_oracle(card: RateCard, panel: Panel) -> None:
    bill = a_bill(panel, card)
    for name, exact in oracle(card, panel).items():
        lines = [line for line in bill.lines if line.charge == name]
        billed = sum((line.amount for line in lines), Decimal(0))
        # Half a cent a line, and half a watt-hour a label and limit, each at most 1.40 per kWh apart.
        allowed = Decimal("0.005") * len(lines) + Decimal("0.0015") * 6
        assert abs(Fraction(billed) - exact) <= Fraction(allowed)


# --- laws -------------------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(cards(), panels())
def test_lines_add_up_and_carry_all_the_energy(card: RateCard, panel: Panel) -> None:
    bill = a_bill(panel, card)
    assert bill.total == sum(line.amount for line in bill.lines)
    assert sum(line.amount for line in billing.postings(bill)) == 0
    assert bill.energy_kwh == Decimal(int(np.nansum(panel.values))).scaleb(-3)
    for charge in card.charges:
        if charge.valid == DateRange():
            assert sum(line.quantity for line in bill.lines if line.charge == charge.id) == bill.energy_kwh
    assert sum(bill.daily_kwh) == bill.energy_kwh
    assert all(line.quantity >= 0 for line in bill.lines if line.unit == "kWh")


@settings(max_examples=25)
@given(cards(), panels())
def test_labels_partition_the_energy(card: RateCard, panel: Panel) -> None:
    sums = billing.determinants(panel, card, BERLIN)
    assert int(sums.energy.sum()) == int(np.nansum(panel.values))
    assert int(sums.slots.sum()) == panel.slots
    assert int(sums.missing.sum()) == int(np.isnan(panel.values).sum())


@settings(max_examples=20)
@given(cards(), panels())
def test_billing_twice_is_billing_once(card: RateCard, panel: Panel) -> None:
    assert a_bill(panel, card) == a_bill(panel, card)


def exact_energy(bill: Bill) -> Decimal:
    return sum((line.quantity * line.price for line in bill.lines if line.unit == "kWh"), Decimal(0))


@settings(max_examples=20)
@given(panels(), st.lists(rates, min_size=3, max_size=3), rows, st.integers(1, 4))
def test_splitting_at_a_midnight_conserves_energy_charges(
    panel: Panel, by_label: list[Decimal], row: tuple[int, ...], days: int
) -> None:
    calendar = TouCalendar("c", NAMES, (row,), (row,))
    price = Price(tuple(Ladder((Block(rate),), name) for name, rate in zip(NAMES, by_label, strict=True)))
    charge = Charge("a", "A", price, Determinant(calendar="c", labels=NAMES))
    card = RateCard("t", 1, "T", "EUR", (charge,), (calendar,))
    whole = a_bill(panel, card)
    first = whole.period.start.astimezone(ZONE).date()
    last = whole.period.end.astimezone(ZONE).date()
    middle = min(first + timedelta(days=days), last - timedelta(days=1))
    parts = [a_bill(panel, card, period=a_period(text)) for text in (f"{first}/{middle}", f"{middle}/{last}")]
    assert sum(exact_energy(part) for part in parts) == exact_energy(whole)
    assert sum(part.energy_kwh for part in parts) == whole.energy_kwh


@settings(max_examples=20)
@given(cards(), panels(), st.randoms(use_true_random=False))
def test_the_order_within_a_label_does_not_matter(card: RateCard, panel: Panel, random: Any) -> None:  # noqa: ANN401
    order = list(range(panel.slots))
    random.shuffle(order)
    sums = billing.determinants(panel, card, BERLIN)
    flat_card = RateCard("t", 1, "T", "EUR", (Charge("a", "A", Price((Ladder((Block(Decimal(1)),)),))),))
    shuffled = panel.with_values(panel.values[:, order], panel.quality[:, order])
    assert a_bill(shuffled, flat_card).total == a_bill(panel, flat_card).total
    assert int(sums.energy.sum()) == int(np.nansum(shuffled.values))
