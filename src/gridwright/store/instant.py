"""Instants and decimals as columns hold them, and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from gridwright.domain.errors import InputError
from gridwright.domain.interval import EPOCH, Interval, epoch_s, from_epoch_s
from gridwright.domain.money import minor_unit

MICROSECOND = timedelta(microseconds=1)


def to_us(moment: datetime) -> int:
    """Return epoch microseconds; an instant without a zone is an InputError."""
    if moment.tzinfo is None:
        raise InputError(f"{moment.isoformat()} has no time zone", remedy="give an offset, such as +00:00")
    return (moment - EPOCH) // MICROSECOND


def from_us(microseconds: int) -> datetime:
    """Return the UTC instant."""
    return EPOCH + timedelta(microseconds=microseconds)


def to_period(start_s: int, end_s: int) -> Interval:
    """Return the period between two columns of epoch seconds."""
    return Interval(from_epoch_s(start_s), from_epoch_s(end_s))


def to_seconds(moment: datetime) -> int:
    """Return epoch seconds; a fraction of a second is an InputError, because it would be lost."""
    if moment.microsecond:
        raise InputError(f"{moment.isoformat()} is not on a whole second", remedy="round it before saving")
    return epoch_s(moment)


def to_minor(amount: Decimal, currency: str) -> int:
    """Return `amount` in minor units; more decimals than the currency has are an InputError."""
    scaled = amount / minor_unit(currency)
    if scaled != scaled.to_integral_value():
        raise InputError(f"{amount} {currency} has more decimals than the currency", remedy="round it first")
    return int(scaled)


def from_minor(amount: int, currency: str) -> Decimal:
    """Return the amount of money."""
    return amount * minor_unit(currency)


def now() -> datetime:
    """Return the current instant in UTC."""
    return datetime.now(UTC)


def to_us_if(moment: datetime | None) -> int | None:
    """Return epoch microseconds of an instant that may be absent."""
    return None if moment is None else to_us(moment)


def from_us_if(microseconds: int | None) -> datetime | None:
    """Return the UTC instant of a column that may be empty."""
    return None if microseconds is None else from_us(microseconds)
