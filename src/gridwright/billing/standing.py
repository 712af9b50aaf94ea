"""Standing charges by month or day, contracted power, and demand: the month's highest window."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_UP, Decimal, InvalidOperation
from fractions import Fraction

import numpy as np

from gridwright.billing.basis import days_text, wall_time
from gridwright.billing.spans import Span, days_in_month
from gridwright.billing.tiers import to_decimal
from gridwright.billing.usage import Account
from gridwright.domain.bill import BillLine
from gridwright.domain.errors import RateRefused
from gridwright.domain.rate import Channel, Charge, Price, Prorate, Reduce

PRICE_STEP = Decimal("0.00000001")


def standing_lines(charge: Charge, price: Price, span: Span, account: Account) -> list[BillLine]:
    """Price what depends on time alone; parts of a month are billed by the day."""
    rate = price.ladders[0].blocks[0].rate
    amount = _amount(charge, account)
    if charge.determinant.reduce is Reduce.COUNT_DAYS:
        days = sum(part.days for part in _months(charge, span))
        return [
            _line(
                charge,
                account,
                span,
                quantity=amount * days,
                unit="d",
                price=rate,
                basis=f"{_several(days, 'day')}, {days_text(span)}",
            )
        ]
    if charge.prorate is Prorate.NONE:
        months = sum(_begins(part, account) for part in _months(charge, span))
        return (
            [
                _line(
                    charge,
                    account,
                    span,
                    quantity=amount * months,
                    unit="month",
                    price=rate,
                    basis=f"{_several(months, 'month')} begun",
                )
            ]
            if months
            else []
        )
    return _by_month(charge, rate, amount, span, account)


def _months(charge: Charge, span: Span) -> list[Span]:
    months = charge.determinant.months
    return [part for part in span.by_month() if not months or part.first.month in months]


def _begins(part: Span, account: Account) -> bool:
    # A month cut in two by a change of price is counted where it (or the bill) begins.
    return part.first.day == 1 or part.first == account.whole.first


def _by_month(charge: Charge, rate: Decimal, amount: Decimal, span: Span, account: Account) -> list[BillLine]:
    parts = _months(charge, span)
    whole = [part for part in parts if part.days == days_in_month(part.first)]
    lines = []
    if whole:
        across = replace(whole[0], last=whole[-1].last, closes=whole[-1].closes)
        text = f"{_several(len(whole), 'whole month')}, {days_text(across)}"
        lines.append(_line(charge, account, across, quantity=amount * len(whole), unit="month", price=rate, basis=text))
    for part in parts:
        if part not in whole:
            daily = month_share(rate, part)
            text = f"{part.days} of the {days_in_month(part.first)} days of {part.first:%B %Y}; {rate:f} a month"
            lines.append(_line(charge, account, part, quantity=amount * part.days, unit="d", price=daily, basis=text))
    return lines


def _several(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def month_share(rate: Decimal, part: Span) -> Decimal:
    """Return a monthly rate by the day, rounded away from zero so that an exact half cent is never lost."""
    return (rate / days_in_month(part.first)).quantize(PRICE_STEP, ROUND_UP)


def _amount(charge: Charge, account: Account) -> Decimal:
    if charge.determinant.channel is not Channel.CONTRACT:
        return charge.determinant.multiplier
    text = account.point.attributes.get("contract_kw", "")
    try:
        power = Decimal(text)
    except InvalidOperation:
        power = Decimal("NaN")
    if not power.is_finite() or power < 0:
        raise RateRefused(
            f"charge {charge.id} needs the contracted power, but usage point {account.point.id} says {text!r}",
            remedy="give the usage point the attribute contract_kw, such as 4.6",
        )
    return power * charge.determinant.multiplier


def _line(
    charge: Charge, account: Account, span: Span, *, quantity: Decimal, unit: str, price: Decimal, basis: str
) -> BillLine:
    power = "kW·" if charge.determinant.channel is Channel.CONTRACT else ""
    return BillLine(
        charge=charge.id,
        text=charge.text,
        quantity=quantity,
        unit=f"{power}{unit}",
        price=price,
        currency=account.card.currency,
        rounding=charge.rounding,
        period=span.period,
        determinant=f"{charge.determinant.channel}/{charge.determinant.reduce}",
        basis=basis,
        ledger_account=charge.ledger_account,
    )


def demand_lines(charge: Charge, price: Price, span: Span, account: Account) -> list[BillLine]:
    """Price the highest window of each calendar month, in kW."""
    if not account.has(charge.determinant.channel):
        return []
    lines = []
    for part in _months(charge, span):
        rate = price.ladders[0].blocks[0].rate
        if charge.prorate is Prorate.DAYS:
            rate = (rate * part.days / days_in_month(part.first)).quantize(PRICE_STEP, ROUND_UP)
        kw, basis = _peak(charge, part, account)
        lines.append(_line(charge, account, part, quantity=kw, unit="kW", price=rate, basis=basis))
    return lines


def _peak(charge: Charge, part: Span, account: Account) -> tuple[Decimal, str]:
    determinant = charge.determinant
    panel = account.usage.part(determinant.channel, part)
    window_s = determinant.window_minutes * 60
    if window_s % panel.interval_s:
        raise RateRefused(
            f"charge {charge.id} bills windows of {determinant.window_minutes} min, which readings of "
            f"{panel.interval_s // 60} min cannot show",
            remedy="use readings that divide the window",
        )
    clock = panel.calendar(part.zone)
    # Windows follow the wall clock; where the clock is set back a window's number repeats, but not side by side.
    window = (clock.start_s + clock.offset_s) // window_s
    starts = np.flatnonzero(np.r_[True, window[1:] != window[:-1]])
    sums = np.add.reduceat(np.nan_to_num(panel.values[account.row]), starts)
    labels = account.labels(determinant, part)[starts]
    columns = _columns(charge, account)
    within = np.isin(labels, columns) if columns else labels >= 0
    if not within.any():
        return determinant.floor_kw, "no window carries these labels"
    at = int(np.argmax(np.where(within, sums, -np.inf)))
    return _kw(charge, float(sums[at]), panel.reading_type.exponent), _peak_text(
        charge, wall_time(clock, int(starts[at]))
    )


def _columns(charge: Charge, account: Account) -> list[int]:
    calendar = account.card.calendar(charge.determinant.calendar)
    return [calendar.labels.index(name) for name in charge.determinant.labels] if calendar else []


def _kw(charge: Charge, counts: float, exponent: int) -> Decimal:
    energy = int(counts) * Fraction(10) ** (exponent - 3) * Fraction(charge.determinant.multiplier)
    power = to_decimal(energy * 60 / charge.determinant.window_minutes, charge.quantity_places)
    return max(power, charge.determinant.floor_kw)


def _peak_text(charge: Charge, when: str) -> str:
    floor = charge.determinant.floor_kw
    least = f", at least {floor:f} kW" if floor else ""
    return f"highest mean power over {charge.determinant.window_minutes} min, on {when}{least}"
