"""What a source says of the meter that measured: whether it is the one that is installed, validation asks (V02)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from gridwright.domain.interval import Interval


@dataclass(frozen=True, slots=True)
class ToldConfiguration:
    """A source says that values of a usage point in `period` are of a meter, or how it counts; None = not told."""

    usage_point: str
    period: Interval
    end_device: str | None = None
    multiplier: Decimal | None = None
    dials: int | None = None
