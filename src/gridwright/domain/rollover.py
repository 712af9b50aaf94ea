"""Whether a register that fell has turned over: what it would have counted must be possible, and near at hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from gridwright.domain.reading_type import ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter

# Given two reads of one register, the later one below, and what it counted a day before, or None: by how many counts
# it has turned over between them, 0 where it was reset or nobody can tell.
TurnedOver = Callable[[RegisterReading, RegisterReading, float | None], float]

DAY = timedelta(days=1)
UNKNOWN_PACE = 0.01  # of the range: what may be counted over a rollover where no earlier read tells how fast it counts
ALWAYS = 0.001  # of the range: so close to its end a register turns over far more often than it is reset
FASTER = 3.0  # times as fast as before is too much (V33)
MOST = 0.5  # of the range


@dataclass(frozen=True, slots=True)
class Counter:
    """A register where it hangs: its meter, as registered, the factor of its differences, and its connection."""

    meter: Meter
    capacity_kw: float
    multiplier: float = 1.0

    def wrap(self, kind: ReadingType) -> float:
        """Return how many counts of a type its dials have room for."""
        return 10.0**self.meter.dials * self.meter.lsb_wh / kind.resolution


def never(before: RegisterReading, after: RegisterReading, a_day: float | None) -> float:
    """Tell that nothing is known of a register's dials: a fall is a reset."""
    del before, after, a_day
    return 0.0


def turned_over(before: RegisterReading, after: RegisterReading, counter: Counter, a_day: float | None = None) -> float:
    """Return the counts by which a register turned over between two reads, 0 where a reset is as likely.

    A rollover must be possible (V32: what it counted times the factor is at most P·hours), and near: a register that is
    reset stood anywhere in its range, one that turns over as far from its end as it counts in that time. `a_day`: the
    counts of a day before, where they are known.
    """
    wrap = counter.wrap(before.reading_type)
    lasted = after.at - before.at
    if not 0 <= after.value < before.value < wrap or lasted <= timedelta():
        return 0.0
    counted = after.value - before.value + wrap
    energy_kwh = counted * before.reading_type.resolution * counter.multiplier / 1000
    if energy_kwh > counter.capacity_kw * (lasted / timedelta(hours=1)):
        return 0.0
    near = UNKNOWN_PACE * wrap
    if a_day is not None:
        near = max(ALWAYS * wrap, min(FASTER * a_day * max(lasted / DAY, 1.0), MOST * wrap))
    return wrap if counted <= near else 0.0
