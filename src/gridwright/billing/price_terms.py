"""Price terms: what one more kWh costs, or one received kWh earns, in each interval; for the planner of storage."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from gridwright.billing.applies import applies_to, is_exempt
from gridwright.billing.labels import compile_labels
from gridwright.domain.calendar import LocalCalendar, day_number, local_calendar
from gridwright.domain.rate import Channel, Charge, DateRange, Ladder, Per, Percent, Price, PriceTerms, RateCard, Reduce
from gridwright.domain.usage_point import UsagePoint

Prices = npt.NDArray[np.float64]
DAYS_PER_MONTH = Decimal("30.4375")
MONTHS_PER_YEAR = 12


def price_terms(
    card: RateCard,
    start: datetime,
    interval: timedelta,
    slots: int,
    zone: str,
    *,
    monthly_kwh: Decimal | None = None,
    usage_point: UsagePoint | None = None,
) -> PriceTerms:
    """Return the marginal buy and sell price of each interval, percentages and taxes included.

    A ladder is priced at the block that `monthly_kwh` reaches, at its first block where that is not known; the notes
    say so. Charges that depend on attributes need `usage_point`. Standing and demand charges have no price per kWh.
    """
    clock = local_calendar(start, interval, slots, zone)
    buy = _marginal(card, clock, Channel.DELIVERED, (start, interval), (monthly_kwh, usage_point))
    sell = -_marginal(card, clock, Channel.RECEIVED, (start, interval), (monthly_kwh, usage_point))
    # Minus zero would print as such.
    return PriceTerms(start, interval, buy + 0.0, sell + 0.0, card.currency, tuple(_notes(card, monthly_kwh)))


def _marginal(
    card: RateCard,
    clock: LocalCalendar,
    channel: Channel,
    grid: tuple[datetime, timedelta],
    use: tuple[Decimal | None, UsagePoint | None],
) -> Prices:
    by_charge: dict[str, Prices] = {}
    for charge in card.charges:
        if use[1] is not None and not applies_to(charge, use[1]):
            continue
        if isinstance(charge.price, Percent):
            prices = float(charge.price.pct) / 100 * _sum(by_charge, charge.price.of, clock)
        elif charge.determinant.channel is channel and charge.determinant.reduce is Reduce.SUM:
            prices = _charge_prices(card, charge, charge.price, clock, grid=grid, monthly_kwh=use[0])
        else:
            continue
        # A charge whose price changes on a date stands in the card twice, each with its own dates.
        by_charge[charge.id] = by_charge.get(charge.id, 0.0) + prices * _valid(charge.valid, clock)
    return _with_taxes(card, by_charge, clock, use[1])


def _sum(by_charge: dict[str, Prices], names: tuple[str, ...], clock: LocalCalendar) -> Prices:
    return sum((prices for name, prices in by_charge.items() if name in names), np.zeros(clock.slots))


def _with_taxes(card: RateCard, by_charge: dict[str, Prices], clock: LocalCalendar, point: UsagePoint | None) -> Prices:
    taxes = np.zeros(clock.slots)
    for tax in card.taxes:
        if point is not None and is_exempt(point, tax.exempt_if):
            continue
        base = _sum(by_charge, tax.base, clock) + (taxes if tax.compound else 0.0)
        taxes = taxes + float(tax.rate) * base * _valid(tax.valid, clock)
    return _sum(by_charge, tuple(by_charge), clock) + taxes


def _valid(valid: DateRange, clock: LocalCalendar) -> Prices:
    inside = np.ones(clock.slots, np.bool_)
    if valid.start is not None:
        inside &= clock.day >= day_number(valid.start)
    if valid.end is not None:
        inside &= clock.day < day_number(valid.end)
    return inside.astype(np.float64)


def _charge_prices(
    card: RateCard,
    charge: Charge,
    price: Price,
    clock: LocalCalendar,
    *,
    grid: tuple[datetime, timedelta],
    monthly_kwh: Decimal | None,
) -> Prices:
    determinant = charge.determinant
    calendar = card.calendar(determinant.calendar)
    rates = {ladder.label: float(_marginal_rate(ladder, monthly_kwh)) for ladder in price.ladders}
    if calendar is None:
        prices = np.full(clock.slots, rates[""])
    else:
        wanted = determinant.labels
        by_label = np.array(
            [rates.get(name, rates.get("", 0.0)) if name in wanted else 0.0 for name in calendar.labels]
        )
        prices = by_label[compile_labels(calendar, *grid, clock.slots, clock.zone)]
    if determinant.months:
        prices = np.where(np.isin(clock.month % 12 + 1, determinant.months), prices, 0.0)
    return prices * float(determinant.multiplier)


def _marginal_rate(ladder: Ladder, monthly_kwh: Decimal | None) -> Decimal:
    if monthly_kwh is None:
        return ladder.blocks[0].rate
    return next(
        block.rate for block in ladder.blocks if block.upto is None or _month_use(block.per, monthly_kwh) <= block.upto
    )


def _month_use(per: Per, monthly_kwh: Decimal) -> Decimal:
    return monthly_kwh / DAYS_PER_MONTH if per is Per.DAY else monthly_kwh


def _notes(card: RateCard, monthly_kwh: Decimal | None) -> Iterator[str]:
    for charge in card.charges:
        if isinstance(charge.price, Percent):
            continue
        if charge.price.tiered:
            which = "its first block" if monthly_kwh is None else f"the block that {monthly_kwh:f} kWh a month reach"
            yield f"{charge.text} has blocks; the price is that of {which}."
        if charge.determinant.reduce is Reduce.MAX:
            yield f"{charge.text} depends on the highest power, which a price per kWh cannot show."
    if card.minimum is not None:
        yield "Below the minimum charge, saving energy saves nothing."
