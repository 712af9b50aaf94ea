"""Cumulative registers: irregular reads with epochs, and the energy between two reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from gridwright.domain import quality as q
from gridwright.domain.reading_type import DELIVERED_REGISTER, Quantity, ReadingType
from gridwright.domain.usage_point import Meter

HOUR = timedelta(hours=1)
MOST_OVER = 0.5  # of the range: what counts more over its end is as likely to have been reset


class Step(StrEnum):
    """What happened between two register reads."""

    NORMAL = "normal"
    ROLLOVER = "rollover"
    RESET = "reset"
    EXCHANGE = "exchange"
    DECREASE = "decrease"


@dataclass(frozen=True, slots=True)
class RegisterReading:
    """A cumulative register read at an instant; `value` counts the reading type's resolution.

    `epoch` grows by one whenever the counter starts anew (reset or exchange): reads of two epochs are never subtracted.
    `presumed`: its source named the usage point alone, and `end_device` is the meter that is on record there.
    """

    usage_point: str
    at: datetime
    value: float
    end_device: str = ""
    epoch: int = 0
    quality: int = q.RAW
    reading_type: ReadingType = DELIVERED_REGISTER
    presumed: bool = field(default=False, compare=False)

    @property
    def is_estimate(self) -> bool:
        """Whether nobody read it: it was estimated, and an actual read may show otherwise."""
        return self.quality & 0x0F == q.Status.ESTIMATED

    def __hash__(self) -> int:
        # Of what tells reads apart: a late read is looked up among its neighbours dozens of times.
        return hash((self.usage_point, self.at, self.value, self.epoch))


@dataclass(frozen=True, slots=True)
class RegisterStep:
    """Energy between two consecutive reads, in counts; None where it cannot be known."""

    since: datetime
    until: datetime
    energy: float | None
    step: Step


def is_possible(counted: float, kind: ReadingType, lasted: timedelta, capacity_kw: float) -> bool:
    """Tell whether a connection carries what a register counted, its factor included (V32: at most P·hours)."""
    if kind.quantity is not Quantity.ENERGY:
        return True
    return counted * kind.resolution <= capacity_kw * 1000 * (lasted / HOUR)


def register_steps(
    reads: Sequence[RegisterReading], *, meter: Meter, capacity_kw: float, multiplier: float = 1.0
) -> list[RegisterStep]:
    """Return the energy of each pair of consecutive reads (catalogue V32); rollover and reset never create energy.

    A smaller value is a rollover when the wrapped difference is physically possible (P·hours) and at most half of the
    range, else a decrease; so it is where nobody has told the dials.
    A new epoch or another meter gives no energy: the final and opening reads close the two sides.
    """
    ordered = sorted(reads, key=lambda read: (read.at, read.epoch))
    return [_step(before, after, meter, capacity_kw, multiplier) for before, after in pairwise(ordered)]


def _step(
    before: RegisterReading, after: RegisterReading, meter: Meter, capacity_kw: float, multiplier: float
) -> RegisterStep:
    if before.end_device != after.end_device:
        return RegisterStep(before.at, after.at, None, Step.EXCHANGE)
    if before.epoch != after.epoch:
        return RegisterStep(before.at, after.at, None, Step.RESET)
    unit_wh = before.reading_type.resolution
    wrap, falls = meter.range_wh / unit_wh, after.value < before.value
    difference = (after.value - before.value) % wrap
    hours = (after.at - before.at).total_seconds() / 3600
    possible = difference * unit_wh * multiplier <= capacity_kw * 1000 * hours
    if not possible or (falls and difference > MOST_OVER * wrap):
        return RegisterStep(before.at, after.at, None, Step.DECREASE if falls else Step.RESET)
    step = Step.ROLLOVER if falls else Step.NORMAL
    return RegisterStep(before.at, after.at, difference * multiplier, step)
