"""Whether a register that fell has turned over: what it would have counted must be possible, and near at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from gridwright.domain.reading_type import ReadingType
from gridwright.domain.register import MOST_OVER, RegisterReading
from gridwright.domain.usage_point import Meter

# Given two reads of one register, the later one below, and what it counted a day before, or None: by how many counts
# it has turned over between them, 0 where it was reset or nobody can tell.
TurnedOver = Callable[[RegisterReading, RegisterReading, float | None], float]

DAY = timedelta(days=1)
UNKNOWN_PACE = 0.01  # of the range: what may be counted over a rollover where no earlier read tells how fast it counts
ALWAYS = 0.001  # of the range: so close to its end a register turns over far more often than it is reset
NEAR_ITS_END = 0.1  # of the range: a fall from there may be a rollover that nothing else bears out
KWH_DIGITS = 3  # of a count of 1 Wh that are behind the point of a register in kWh
FASTER = 3.0  # times as fast as before is too much (V33)
NARROWEST_WH = 1e7  # no register of energy has less room than 10,000 kWh: what fell from less was reset


@dataclass(frozen=True, slots=True)
class Counter:
    """A register where it hangs: its meter, as registered, the factor of its differences, and its connection."""

    meter: Meter
    capacity_kw: float
    multiplier: float = 1.0

    def wrap(self, kind: ReadingType) -> float:
        """Return how many counts of a type its dials have room for; infinite where nobody has told them."""
        return self.meter.range_wh / kind.resolution


def never(before: RegisterReading, after: RegisterReading, a_day: float | None) -> float:
    """Tell that nothing is known of a register's dials: a fall is a reset."""
    del before, after, a_day
    return 0.0


def turned_over(before: RegisterReading, after: RegisterReading, counter: Counter, a_day: float | None = None) -> float:
    """Return the counts by which a register turned over between two reads, 0 where a reset is as likely.

    A rollover must be possible (V32: what it counted times the factor is at most P·hours), and near: a register that is
    reset stood anywhere in its range, one that turns over as far from its end as it counts in that time. `a_day`: the
    counts of a day before, where they are known. Dials that nobody has told are as many as the register has shown, the
    one width on which its end can be near; then the counts of a day must be known, and only they tell what near is.
    """
    meter = as_shown(counter.meter, [before])
    wrap = meter.range_wh / before.reading_type.resolution
    lasted = after.at - before.at
    if not 0 <= after.value < before.value < wrap or lasted <= timedelta():
        return 0.0
    told = counter.meter.dials is not None
    if not told and (a_day is None or meter.range_wh < NARROWEST_WH):
        return 0.0
    counted = after.value - before.value + wrap
    energy_kwh = counted * before.reading_type.resolution * counter.multiplier / 1000
    if energy_kwh > counter.capacity_kw * (lasted / timedelta(hours=1)):
        return 0.0
    near = UNKNOWN_PACE * wrap
    if a_day is not None:
        near = max(ALWAYS * wrap * told, min(FASTER * a_day * max(lasted / DAY, 1.0), MOST_OVER * wrap))
    return wrap if counted <= near else 0.0


def as_shown(meter: Meter, reads: Iterable[RegisterReading]) -> Meter:
    """Return a meter whose dials somebody has told; else with as few as its reads need: one more never turned over."""
    if meter.dials is not None:
        return meter
    highest = max((abs(read.value) * read.reading_type.resolution for read in reads), default=0.0)
    return replace(meter, dials=len(str(int(highest // meter.lsb_wh))))


def remedy(meter: Meter, before: RegisterReading, after: RegisterReading) -> str:
    """Return what to do about a register that fell near its end, of a meter whose dials nobody has told; else empty."""
    shown = as_shown(meter, [before])
    over = (after.value - before.value) * before.reading_type.resolution + shown.range_wh
    near = 0 <= over <= NEAR_ITS_END * shown.range_wh and shown.range_wh >= NARROWEST_WH
    if meter.dials is not None or not near or before.end_device != after.end_device:
        return ""
    digits = (shown.dials or 0) - KWH_DIGITS if shown.lsb_wh == 1 else shown.dials
    lsb = shown.lsb_wh if shown.lsb_wh > 1 else 10**KWH_DIGITS
    return (
        "if it turned over, tell how many dials it has: "
        f"gridwright usage-point dials {before.usage_point} --dials {digits} --lsb-wh {lsb}"
    )
