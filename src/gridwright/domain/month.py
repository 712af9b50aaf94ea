"""Months of UTC days as numbers: year * 12 + month - 1, so that they can be counted and compared."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from gridwright.domain.errors import UsageError
from gridwright.domain.interval import Interval


def parse_month(text: str) -> int:
    """Read `2025-03`; anything else is a UsageError."""
    found = re.fullmatch(r"(\d{4})-(0[1-9]|1[0-2])", text, re.ASCII)
    if found is None or found[1] == "0000":
        raise UsageError(f"{text!r} is not a month", remedy="write for example 2025-03")
    return int(found[1]) * 12 + int(found[2]) - 1


def month_name(month: int) -> str:
    """Return the month as `2025-03`."""
    return f"{month // 12:04d}-{month % 12 + 1:02d}"


def month_of(moment: datetime) -> int:
    """Return the month that an instant falls in, by UTC."""
    utc = moment.astimezone(UTC)
    return utc.year * 12 + utc.month - 1


def month_start(month: int) -> datetime:
    """Return the instant at which a month begins, by UTC."""
    return datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)


def months_of(period: Interval) -> range:
    """Return the months that a period lies in, by UTC."""
    return range(month_of(period.start), month_of(period.end - timedelta(microseconds=1)) + 1)


def month_of_day(day: date) -> int:
    """Return the month of a day."""
    return day.year * 12 + day.month - 1


def month_days(month: int) -> range:
    """Return its UTC days, as day numbers."""
    from gridwright.domain.calendar import day_number  # brings numpy, which parsing does without

    return range(day_number(_first(month)), day_number(_first(month + 1)))


def _first(month: int) -> date:
    return date(month // 12, month % 12 + 1, 1)
