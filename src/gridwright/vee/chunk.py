"""Chunk: the rows of a panel that share a zone and a customer class, as the rules see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.calendar import LocalCalendar, date_of
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import Quantity, ReadingType
from gridwright.domain.usage_point import UsagePoint
from gridwright.vee.days import Days
from gridwright.vee.history import DayHistory, no_history
from gridwright.vee.runs import Floats, Mask, Runs
from gridwright.vee.surroundings import NO_SURROUNDINGS, Sibling, Surroundings

# Values that a rule may judge: what a meter measured. Estimates, edits and derived values are someone's decision.
JUDGED = (*q.MEASURED, q.Status.REJECTED)
ENERGIES = (Quantity.ENERGY, Quantity.REACTIVE_ENERGY, Quantity.APPARENT_ENERGY)
POWERS = (Quantity.POWER, Quantity.REACTIVE_POWER)


class Group(Enum):
    """Which rules fit: values of a flow (energy, its power, volume) or of a state (voltage, temperature)."""

    FLOW = "flow"
    STATE = "state"


@dataclass(frozen=True, eq=False)
class Chunk:
    """`values`: as they are; `usable`: the same with NaN where no rule may judge; `missing`: a gap already.

    `capacity`: float64[rows], the largest physically possible counts of one interval, NaN = unknown.
    `per_kw`: counts of one interval at 1 kW, None where the quantity has no power. `future`: first slot after now.
    `exports`: bool[rows], where energy is fed in. `past`: the days before the panel's first. `around`: what else is
    known. What days hold is computed at the first question and kept.
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
    members: tuple[UsagePoint | None, ...]
    past: DayHistory
    around: Surroundings = NO_SURROUNDINGS

    @cached_property
    def peaks(self) -> Floats:
        """Largest usable value of each day, float64[rows, days]; -inf where there is none."""
        return self.days.maxima(self.usable)

    @cached_property
    def totals(self) -> Floats:
        """Sum of each day whose values are all usable, float64[rows, days], NaN elsewhere."""
        totals = np.add.reduceat(self.usable, self.days.first, axis=1, dtype=np.float64)
        totals[:, ~self.days.whole] = np.nan
        return np.asarray(totals)

    @cached_property
    def all_peaks(self) -> Floats:
        """Peaks of the past days and of the chunk's own, float64[rows, past + days]; -inf where unknown."""
        if not self.past.days:
            return self.peaks
        peaks = np.empty((self.peaks.shape[0], self.past.days + self.days.size))
        np.fmax(self.past.peak, -np.inf, out=peaks[:, : self.past.days])
        peaks[:, self.past.days :] = self.peaks
        return peaks

    @cached_property
    def all_totals(self) -> Floats:
        """Totals of the past days and of the chunk's own, float64[rows, past + days]; NaN where unknown."""
        return np.concatenate([self.past.total, self.totals], axis=1) if self.past.days else self.totals

    @cached_property
    def all_days(self) -> npt.NDArray[np.int64]:
        """Days since 1970-01-01 of the columns of `all_peaks` and `all_totals`."""
        return np.concatenate([np.arange(self.past.days) + self.past.first_day, self.days.day])

    def sibling(self, quantity: Quantity) -> Sibling | None:
        """Return the other channel of `quantity` in the same direction, if any is known."""
        own = self.reading_type
        found = (one for one in self.around.siblings if one.reading_type.quantity is quantity)
        return next((one for one in found if one.reading_type.flow is own.flow), None)

    def attribute(self, name: str) -> Floats:
        """Return a numeric attribute of the usage points, float64[rows]; NaN where it is absent or no number."""
        if name not in self._attributes:
            found = [member.attributes if member else {} for member in self.members]
            self._attributes[name] = np.array([_number(one.get(name)) if one else np.nan for one in found])
        return self._attributes[name]

    @cached_property
    def _attributes(self) -> dict[str, Floats]:
        return {}

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
        cells = runs.cells()
        if np.isnan(self.usable[cells]).all():
            return self
        usable = self.usable.copy()
        usable[cells] = np.nan
        return replace(self, usable=usable)

    def one(self, row: int) -> Chunk:
        """Return the chunk of one row: what is said of it asks nothing of the others."""
        here = slice(row, row + 1)
        return replace(
            self,
            panel=self.panel.rows([row]),
            usable=self.usable[here],
            missing=self.missing[here],
            capacity=self.capacity[here],
            exports=self.exports[here],
            members=self.members[here],
            past=self.past.rows(np.array([row])),
            around=self.around.rows(np.array([row])),
        )

    def clock(self, slot: int) -> str:
        """Return the local date and time at which `slot` begins."""
        return _clock(int(self.days.day[self.days.of(slot)]), int(self.calendar.minute[slot]))

    def amount(self, counts: float) -> str:
        """Write a value for people: 15.0 kWh, 230.1 V."""
        return amount(counts, self.reading_type)


@lru_cache(maxsize=4096)
def _clock(day: int, minute: int) -> str:
    return f"{date_of(day)} {minute // 60:02d}:{minute % 60:02d}"


def _number(text: str | None) -> float:
    try:
        return float(text) if text else np.nan
    except ValueError:
        return np.nan


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


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """What the rows of a chunk share, and what surrounds them. `judged`: statuses of the values that are judged."""

    calendar: LocalCalendar
    days: Days
    now: datetime | None = None
    past: DayHistory | None = None
    around: Surroundings = NO_SURROUNDINGS
    judged: tuple[q.Status, ...] = JUDGED


def chunk_of(panel: Panel, members: Sequence[UsagePoint | None], setting: Setting) -> Chunk:
    """Prepare the rows of `panel` for the rules; `members` are their usage points."""
    per_kw, now = counts_per_kw(panel), setting.now
    known = [member.capacity_kw if member else None for member in members]
    capacity = np.array([np.nan if kw is None or per_kw is None else kw * per_kw for kw in known], np.float64)
    judged = q.has_status(panel.quality, setting.judged)
    absent = np.isnan(panel.values)
    missing = absent | (q.status_of(panel.quality) == q.MISSING)
    if now is not None:
        missing[:, max((now - panel.start) // panel.interval, 0) :] = False
    return Chunk(
        panel=panel,
        usable=panel.values if (judged | absent).all() else np.where(judged, panel.values, np.nan),
        missing=missing,
        calendar=setting.calendar,
        days=setting.days,
        capacity=capacity,
        per_kw=per_kw,
        future=panel.slots if now is None else _first_after(panel, now),
        exports=np.array([member is not None and member.exports for member in members], np.bool_),
        members=tuple(members),
        past=setting.past or no_history(panel.points, int(setting.days.day[0])),
        around=setting.around,
    )


def _first_after(panel: Panel, now: datetime) -> int:
    """Return the first slot that begins more than one interval after `now` (V06)."""
    return int(np.clip((now - panel.start) // panel.interval + 2, 0, panel.slots))
