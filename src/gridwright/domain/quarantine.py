"""Readings of a meter nobody knows: kept as they came, until someone claims them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gridwright.domain import quality as q
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
    quality: int = q.RAW


@dataclass(frozen=True, slots=True)
class QuarantinedMeter:
    """An unknown meter: how many of its readings wait, from when to when, and when the last of them came in.

    `events`: how many of its events wait; of a meter without readings the times are theirs.
    """

    meter: str
    readings: int
    first: datetime
    last: datetime
    received: datetime
    events: int = 0


@dataclass(frozen=True, slots=True)
class ClaimedBefore:
    """How many readings of a meter were claimed, and when the last of them were."""

    readings: int
    claimed: datetime

    def __str__(self) -> str:
        return f"{self.readings} readings had moved in before, the last of them at {self.claimed:%Y-%m-%dT%H:%M:%SZ}"


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of readings of unknown meters, by their places: `new` ones wait anew.

    Of `let_go` somebody let the same go before; `no_room`: they are new, and no more may wait.
    """

    new: int
    let_go: tuple[int, ...] = ()
    no_room: tuple[int, ...] = ()
