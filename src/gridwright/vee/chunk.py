"""Chunk: the rows of a panel that share a zone and a customer class, as the rules see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.calendar import LocalCalendar
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import Quantity, ReadingType
from gridwright.domain.usage_point import UsagePoint
from gridwright.vee.days import Days
from gridwright.vee.runs import Floats, Mask, Runs

# Values that a rule may judge: what a meter measured. Estimates, edits and derived values are someone's decision.
JUDGED = (*q.MEASURED, q.Status.REJECTED)
ENERGIES = (Quantity.ENERGY, Quantity.REACTIVE_ENERGY, Quantity.APPARENT_ENERGY)
POWERS = (Quantity.POWER, Quantity.REACTIVE_POWER)


class Group(Enum):
    """Which rules fit: values of a flow (energy, its power, volume) or of a state (voltage, temperature)."""

    FLOW = "flow"
    STATE = "state"


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """`values`: as they are; `usable`: the same with NaN where no rule may judge; `missing`: a gap already.

    `capacity`: float64[rows], the largest physically possible counts of one interval, NaN = unknown.
    `per_kw`: counts of one interval at 1 kW, None where the quantity has no power. `future`: first slot after now.
    `exports`: bool[rows], where energy is fed in.
    """

    panel: Panel
    usable: Floats
    missing: Mask
    calendar: LocalCalendar
    days: Days
    capacity: Floats
    per_kw: float | None
    future: int
    exports: npt.NDArray[np.bool_]

    @property
    def values(self) -> Floats:
        """Values as they arrived."""
        return self.panel.values

    @property
    def reading_type(self) -> ReadingType:
        """What the values mean."""
        return self.panel.reading_type

    @property
    def signed(self) -> bool:
        """Tell whether a value below zero has a meaning."""
        return self.reading_type.flow not in {"delivered", "received"}

    @property
    def per_hour(self) -> float:
        """Intervals in an hour."""
        return 3600 / self.panel.interval_s

    def slots(self, hours: float) -> int:
        """Return how many intervals `hours` span, at least one."""
        return max(1, round(hours * self.per_hour))

    def counts(self, kilowatts: float) -> float:
        """Return the counts of one interval at `kilowatts`; one count where the quantity has no power."""
        return 1.0 if self.per_kw is None else kilowatts * self.per_kw

    def without(self, runs: Runs) -> Chunk:
        """Return the chunk with the slots of `runs` no longer usable."""
        usable = self.usable.copy()
        usable[runs.cells()] = np.nan
        return replace(self, usable=usable)

    def clock(self, slot: int) -> str:
        """Return the local date and time at which `slot` begins."""
        minute = int(self.calendar.minute[slot])
        return f"{self.days.date(int(self.days.at(np.array([slot]))[0]))} {minute // 60:02d}:{minute % 60:02d}"

    def amount(self, counts: float) -> str:
        """Write a value for people: 15.0 kWh, 230.1 V."""
        return amount(counts, self.reading_type)


def amount(counts: float, kind: ReadingType) -> str:
    """Write counts of a reading type for people, energy and power in kilo."""
    base = counts * kind.resolution
    if kind.quantity in ENERGIES + POWERS:
        return f"{base / 1000:,.3f}".rstrip("0").rstrip(".") + f" k{kind.unit}"
    return f"{base:,.3f}".rstrip("0").rstrip(".") + f" {kind.unit}"


def group_of(kind: ReadingType) -> Group:
    """Return the rules' group of a reading type."""
    return Group.FLOW if kind.sums or kind.quantity in POWERS else Group.STATE


def counts_per_kw(panel: Panel) -> float | None:
    """Return the counts of one interval at 1 kW (kvar, kVA), None for quantities without power."""
    kind = panel.reading_type
    if kind.quantity in ENERGIES:
        return 1000 / kind.resolution * panel.interval_s / 3600
    return 1000 / kind.resolution if kind.quantity in POWERS else None


def chunk_of(
    panel: Panel, members: Sequence[UsagePoint | None], *, calendar: LocalCalendar, days: Days, now: datetime | None
) -> Chunk:
    """Prepare the rows of `panel`, which share `calendar`, for the rules; `members` are their usage points."""
    per_kw = counts_per_kw(panel)
    known = [member.capacity_kw if member else None for member in members]
    capacity = np.array([np.nan if kw is None or per_kw is None else kw * per_kw for kw in known], np.float64)
    future = panel.slots if now is None else _first_after(panel, now)
    exports = np.array([member is not None and member.exports for member in members], np.bool_)
    judged = q.has_status(panel.quality, JUDGED)
    present = ~np.isnan(panel.values)
    missing = ~present | (q.status_of(panel.quality) == q.MISSING)
    missing[:, panel.slots if now is None else max((now - panel.start) // panel.interval, 0) :] = False
    usable = panel.values if judged[present].all() else np.where(judged, panel.values, np.nan)
    return Chunk(panel, usable, missing, calendar, days, capacity, per_kw, future, exports)


def _first_after(panel: Panel, now: datetime) -> int:
    """Return the first slot that begins more than one interval after `now` (V06)."""
    return int(np.clip((now - panel.start) // panel.interval + 2, 0, panel.slots))
