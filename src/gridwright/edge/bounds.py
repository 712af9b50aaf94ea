"""How much the buffer may hold, what happens when it is full, and how full it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MIB = 1 << 20


class OnFull(StrEnum):
    """What happens to new records when there is no room: they are refused, or the oldest make room, counted."""

    REFUSE = "refuse"
    DROP_OLDEST = "drop-oldest"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much the buffer may hold, how long a file of it gets, and what happens when it is full."""

    limit: int = 1024 * MIB
    segment: int = 8 * MIB
    on_full: OnFull = OnFull.REFUSE


USUAL = Bounds()


@dataclass(frozen=True, slots=True)
class Level:
    """How full it is: records and bytes that wait, records dropped for want of room, records lost to damage.

    `plain_bytes`: of those that wait, the bytes in files that are not sealed.
    """

    waiting: int
    waiting_bytes: int
    dropped: int
    damaged: int
    quarantined_bytes: int
    plain_bytes: int
