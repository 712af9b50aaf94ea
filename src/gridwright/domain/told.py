"""What a source says of the meter that measured: whether it is the one that is installed, validation asks (V02)."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from gridwright.domain.interval import Interval, from_epoch_s


class ToldConfiguration(NamedTuple):
    """A source says that values from one epoch second to another are of a meter, or how it counts; None = not told."""

    usage_point: str
    since_s: int
    until_s: int
    end_device: str | None = None
    multiplier: Decimal | None = None
    dials: int | None = None

    @property
    def period(self) -> Interval:
        """The time of these values."""
        return Interval(from_epoch_s(self.since_s), from_epoch_s(self.until_s))
