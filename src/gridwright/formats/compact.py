"""Stamps written as bare digits, yyyymmddhhmm, read by the million from the bytes of a text."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gridwright.domain.interval import DAY_S
from gridwright.formats.stamps import FIRST_YEAR, LAST_YEAR, MONTH_STARTS

Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
STAMP = 12
FIELDS = ((0, 4), (4, 6), (6, 8), (8, 10), (10, 12))


def read_stamps(text: npt.NDArray[np.uint8], start: Index) -> tuple[Index, Mask]:
    """Read the twelve digits at each start: seconds since 1970 on their own clock, and which are times.

    24:00 is the midnight that ends its day.
    """
    safe = np.clip(start, 0, max(text.size - STAMP, 0))
    good = safe == start
    if text.size < STAMP:
        return np.zeros(start.size, np.int64), np.zeros(start.size, np.bool_)
    parts: list[Index] = []
    for first, last in FIELDS:
        number = np.zeros(start.size, np.int32)
        for at in range(first, last):
            digit = text[safe + at] - np.uint8(48)
            good &= digit <= 9  # noqa: PLR2004 - a digit
            number = number * 10 + digit
        parts.append(number.astype(np.int64))
    year, month, day, hour, minute = parts
    good &= (year >= FIRST_YEAR) & (year <= LAST_YEAR) & (month >= 1) & (month <= 12)  # noqa: PLR2004 - months
    index = np.where(good, (year - FIRST_YEAR) * 12 + month - 1, 0)
    good &= (day >= 1) & (day <= MONTH_STARTS[index + 1] - MONTH_STARTS[index]) & (minute < 60)  # noqa: PLR2004
    good &= (hour < 24) | ((hour == 24) & (minute == 0))  # noqa: PLR2004 - 24:00 ends a day
    return (MONTH_STARTS[index] + day - 1) * DAY_S + hour * 3600 + minute * 60, good


def compact_stamps(seconds: Index) -> list[str]:
    """Write epoch seconds as yyyymmddhhmm in UTC."""
    texts = np.datetime_as_string(seconds.astype("datetime64[s]"), unit="m")
    return [text[:4] + text[5:7] + text[8:10] + text[11:13] + text[14:16] for text in texts.tolist()]
