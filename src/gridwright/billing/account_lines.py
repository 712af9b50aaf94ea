"""Lines made of lines: percentages, the minimum, taxes."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

from gridwright.billing.applies import is_exempt
from gridwright.billing.basis import days_text
from gridwright.billing.spans import Span
from gridwright.billing.tiers import ZERO, to_decimal
from gridwright.billing.usage import Account
from gridwright.domain.bill import BillLine
from gridwright.domain.money import Rounding, minor_unit
from gridwright.domain.rate import Charge, Percent, Tax

HUNDRED = Decimal(100)
MINIMUM = "minimum"


def percent_lines(charge: Charge, percent: Percent, span: Span, above: Iterable[BillLine]) -> list[BillLine]:
    """Take the percentage of the rounded lines above that fall into the span."""
    period = span.period
    base = [line for line in above if line.charge in percent.of and line.period and line.period.start in period]
    if not base:
        return []
    line = BillLine(
        charge=charge.id,
        text=charge.text,
        quantity=total(base),
        unit=base[0].currency,
        price=percent.pct / HUNDRED,
        currency=base[0].currency,
        rounding=charge.rounding,
        period=period,
        determinant="percent",
        basis=f"{percent.pct:f} % of {_names(base)}, {days_text(span)}",
        ledger_account=charge.ledger_account,
    )
    return [line]


def total(lines: Iterable[BillLine]) -> Decimal:
    """Add up rounded amounts."""
    return sum((line.amount for line in lines), ZERO)


def _names(lines: Iterable[BillLine]) -> str:
    return ", ".join(dict.fromkeys(line.charge for line in lines))


def minimum_lines(account: Account, lines: Iterable[BillLine]) -> list[BillLine]:
    """Return the line that fills up to the minimum, which is prorated by days; none where it is reached."""
    minimum = account.card.minimum
    if minimum is None:
        return []
    whole, currency = account.whole, account.card.currency
    places = -int(minor_unit(currency).as_tuple().exponent)
    least = to_decimal(Fraction(minimum.amount) * whole.length_in(minimum.per, whole), places)
    reached = total(line for line in lines if line.charge in minimum.includes)
    if reached >= least:
        return []
    line = BillLine(
        charge=MINIMUM,
        text="Minimum charge",
        quantity=Decimal(1),
        unit="",
        price=least - reached,
        currency=currency,
        period=whole.period,
        determinant=MINIMUM,
        basis=f"{minimum.amount:f} per {minimum.per.value} is {least:f} for {days_text(whole)}; charges: {reached:f}",
    )
    return [line]


def tax_lines(account: Account, lines: list[BillLine]) -> list[BillLine]:
    """Return a line for each tax in force on some of its base; a compound tax is also taken of the taxes above."""
    taxes: list[BillLine] = []
    for tax in account.card.taxes:
        if is_exempt(account.point, tax.exempt_if):
            continue
        base = [line for line in [*lines, *taxes] if _is_base(line, tax, account)]
        if base:
            taxes.append(_tax_line(tax, base, account))
    return taxes


def _is_base(line: BillLine, tax: Tax, account: Account) -> bool:
    named = line.charge in tax.base or (tax.compound and line.determinant == "tax")
    start = account.whole.day_of((line.period or account.whole.period).start)
    return named and start in tax.valid


def _tax_line(tax: Tax, base: list[BillLine], account: Account) -> BillLine:
    return BillLine(
        charge=tax.code,
        text=f"{tax.text} {(tax.rate * HUNDRED).normalize():f} %",
        quantity=total(base),
        unit=account.card.currency,
        price=tax.rate,
        currency=account.card.currency,
        rounding=Rounding.HALF_UP,
        period=account.whole.period,
        determinant="tax",
        basis=f"of the rounded lines {_names(base)}",
        ledger_account=f"tax:{tax.code}",
    )
