"""Money: decimal amounts of one currency, rounded exactly once."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from enum import StrEnum

# Minor units that differ from two decimals (ISO 4217).
MINOR_UNITS = {
    "JPY": 0,
    "KRW": 0,
    "CLP": 0,
    "VND": 0,
    "ISK": 0,
    "XAF": 0,
    "XOF": 0,
    "KWD": 3,
    "BHD": 3,
    "TND": 3,
    "OMR": 3,
    "JOD": 3,
}


class Rounding(StrEnum):
    """Rule for the half: up (away from zero) is the commercial default, even is the banker's."""

    HALF_UP = "half_up"
    HALF_EVEN = "half_even"


def round_money(amount: Decimal, currency: str, rounding: Rounding = Rounding.HALF_UP) -> Decimal:
    """Return `amount` in the currency's minor units."""
    rule = ROUND_HALF_UP if rounding is Rounding.HALF_UP else ROUND_HALF_EVEN
    return amount.quantize(minor_unit(currency), rule)


def minor_unit(currency: str) -> Decimal:
    """Return the smallest amount of `currency`, such as 0.01."""
    return Decimal(1).scaleb(-MINOR_UNITS.get(currency, 2))
