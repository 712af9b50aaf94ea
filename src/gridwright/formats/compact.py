"""Stamps written as bare digits, yyyymmddhhmm, read by the million from the bytes of a text."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gridwright.domain.interval import DAY_S
from gridwright.formats.digits import Words, read_once, two_digits, words_at
from gridwright.formats.stamps import days_of

Index = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
DATE, CLOCK = 8, 4
STAMP = DATE + CLOCK


def read_stamps(text: npt.NDArray[np.uint8], start: Index) -> tuple[Index, Mask]:
    """Read the twelve digits at each start: seconds since 1970 on their own clock, and which are times.

    24:00 is the midnight that ends its day.
    """
    if text.size < STAMP:
        return np.zeros(start.size, np.int64), np.zeros(start.size, np.bool_)
    safe = np.clip(start, 0, text.size - STAMP)
    date, clock = words_at(text, safe, DATE), words_at(text, safe + DATE, CLOCK)
    day, dated = read_once((date,), lambda rows: _days(date[rows]))
    seconds, timely = _seconds(clock)
    return day * DAY_S + seconds, dated & timely & (safe == start)


def _days(date: Words) -> tuple[Index, Mask]:
    """Read yyyymmdd: days since 1970, and which are dates."""
    (century, year, month, day), good = two_digits(date)
    year += century * 100
    days, sound = days_of(year, month, day)
    return days, good & sound


def _seconds(clock: Words) -> tuple[Index, Mask]:
    """Read hhmm: seconds since midnight, and which are times of day."""
    (hour, minute), good = two_digits(clock)
    seconds = hour * 3600 + minute * 60
    return seconds, good & (minute < 60) & (seconds <= DAY_S)  # noqa: PLR2004 - 24:00 ends a day


def compact_stamps(seconds: Index) -> list[str]:
    """Write epoch seconds as yyyymmddhhmm in UTC."""
    texts = np.datetime_as_string(seconds.astype("datetime64[s]"), unit="m")
    return [text[:4] + text[5:7] + text[8:10] + text[11:13] + text[14:16] for text in texts.tolist()]
