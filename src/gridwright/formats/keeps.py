"""What of readings comes back when a file of a format is read again, as a table of each writer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.interval import DAY_S
from gridwright.domain.reading_type import ReadingType

HOUR_S = 3600
Instants = npt.NDArray[np.int64]


def same_kind(kind: ReadingType) -> ReadingType:
    """Return a reading type as it is."""
    return kind


def same_quality(quality: int) -> int:
    """Return a quality as it is."""
    return quality


def no_gaps(quality: int) -> int:
    """Return a quality of a format that has no word for a value that was refused."""
    return q.MISSING if q.Status(quality & 0x0F) in q.GAPS else quality


def same_zone(zone: str, span: tuple[int, int]) -> str:
    """Return a zone as it is."""
    del span
    return zone


def always(zone: str) -> Callable[[str, tuple[int, int]], str]:
    """Return what a format makes of any zone that tells none: whoever reads it takes this one."""
    return lambda _zone, _span: zone


def hours_of(span: tuple[int, int]) -> Instants:
    """Return the hours of a time in epoch seconds, a year of them at most: a clock does the same every year."""
    first, last = span
    return np.arange(first, min(last, first + 366 * DAY_S) + 1, HOUR_S, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeps:
    """What comes back of a reading type, of the quality of an interval and of a register read, and of a zone.

    `zone` is given the first and the last instant, too. `meters`: register reads name theirs; `seconds`: they keep
    those of their instants. `zone_given`: what brings a zone back that the file does not tell.
    """

    kind: Callable[[ReadingType], ReadingType] = same_kind
    quality: Callable[[int], int] = same_quality
    read_quality: Callable[[int], int] | None = None
    zone: Callable[[str, tuple[int, int]], str] = same_zone
    zone_given: str = "read it with --zone {zone}"
    meters: bool = False
    seconds: bool = True
