"""Dates that exist, and that no reading can have: told as such, and not as something that is no date."""

from __future__ import annotations

import re
from datetime import date

from gridwright.domain.readings import EARLIEST
from gridwright.formats.stamps import CYCLE_BEGINS, CYCLE_YEARS, FIRST_YEAR, LAST_YEAR

TOO_EARLY = f"lies before the year {EARLIEST.year}"
TOO_LATE = "lies in the future"
REMEDY = "check the device's clock, and what stands for 'never'"
WRITTEN = re.compile(r"(?P<y>[+-]?\d{4,6})(?P<s>[-/.])(?P<m>\d\d)(?P=s)(?P<d>\d\d)|(?P<Y>\d{4})(?P<M>\d\d)(?P<D>\d\d)")


def far_date(text: str) -> str:
    """Return what is wrong with a text that begins with a date, year first, beyond those we read; else nothing."""
    found = WRITTEN.match(text.strip())
    if found is None:
        return ""
    year, month, day = map(int, filter(None, found.group("y", "m", "d", "Y", "M", "D")))
    if FIRST_YEAR <= year <= LAST_YEAR:
        return ""
    try:
        date(CYCLE_BEGINS + year % CYCLE_YEARS, month, day)
    except ValueError:
        return ""
    return TOO_EARLY if year < FIRST_YEAR else TOO_LATE


def far_advice(text: str, otherwise: tuple[str, str]) -> tuple[str, str]:
    """Return what is wrong with a stamp that could not be read, and what helps; `otherwise`: where it is no date."""
    far = far_date(text)
    return (far, REMEDY) if far else otherwise
