"""Readings of a meter nobody knows: kept as they came, until someone claims them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gridwright.domain.reading_type import DELIVERED_ENERGY, ReadingType


@dataclass(frozen=True, slots=True)
class QuarantinedReading:
    """One reading of an unknown meter or usage point; `interval_s` is 0 for a register read.

    `at`: the start of the interval, or the instant of the read; `value`: counts of the reading type's resolution.
    """

    meter: str
    at: datetime
    value: float
    interval_s: int = 0
    reading_type: ReadingType = DELIVERED_ENERGY


@dataclass(frozen=True, slots=True)
class QuarantinedMeter:
    """An unknown meter: how many of its readings wait, from when to when, and when the last of them came in."""

    meter: str
    readings: int
    first: datetime
    last: datetime
    received: datetime
