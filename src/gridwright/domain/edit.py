"""Edit: what a person put in place of readings, why, and who else agreed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from math import isnan

from gridwright.domain.errors import Conflict, InputError
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import DELIVERED_ENERGY, Quantity, ReadingType

HOUR = timedelta(hours=1)


class EditState(StrEnum):
    """Where an edit stands: only an applied one changes what is billed."""

    PROPOSED = "proposed"
    APPLIED = "applied"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


NEXT: dict[EditState, frozenset[EditState]] = {
    EditState.PROPOSED: frozenset({EditState.APPLIED, EditState.REJECTED, EditState.WITHDRAWN}),
    EditState.APPLIED: frozenset({EditState.WITHDRAWN}),
    EditState.REJECTED: frozenset(),
    EditState.WITHDRAWN: frozenset(),
}
REMEDY: dict[EditState, str] = {
    EditState.PROPOSED: "approve, reject or withdraw it",
    EditState.APPLIED: "it counts already: withdraw it to take it back",
    EditState.REJECTED: "that is final: propose another edit",
    EditState.WITHDRAWN: "that is final: propose another edit",
}


@dataclass(frozen=True, slots=True, repr=False)
class Edit:
    """Values agreed for consecutive intervals of one series (E10), in whole counts; the raw readings stay as they came.

    `before`: what stood there when the edit was made, None where nothing did. `evidence`: a letter, a photograph, a
    ticket. `decided_by`, `decided`, `note`: who let it go, stopped it or took it back, when and why. `approved_by` and
    `approved`: who let it go, and when, also when somebody took it back since.
    """

    id: str
    usage_point: str
    period: Interval
    interval: timedelta
    values: tuple[float, ...]
    before: tuple[float | None, ...]
    author: str
    reason: str
    created: datetime
    evidence: str = ""
    reading_type: ReadingType = DELIVERED_ENERGY
    state: EditState = EditState.PROPOSED
    decided_by: str = ""
    decided: datetime | None = None
    note: str = ""
    approved_by: str = ""
    approved: datetime | None = None

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise InputError("an edit needs a reason", remedy="say what was agreed, and why it is right")
        slots = self.period.slots(self.interval)
        if len(self.values) != slots or len(self.before) != slots:
            raise InputError(
                f"edit {self.id}: {len(self.values)} values for {slots} intervals of {self.period}",
                remedy="give one value for each interval",
            )
        bad = next((value for value in self.values if isnan(value) or value != round(value)), None)
        if bad is not None:
            unit = f"{self.reading_type.resolution:g} {self.reading_type.unit}"
            raise InputError(f"edit {self.id}: {bad} is no whole number of {unit}", remedy="round the values")

    @property
    def withdrawn_by(self) -> str:
        """Who took it back; empty where nobody did."""
        return self.decided_by if self.state is EditState.WITHDRAWN else ""

    @property
    def withdrawn(self) -> datetime | None:
        """When it was taken back."""
        return self.decided if self.state is EditState.WITHDRAWN else None

    @property
    def difference(self) -> float:
        """What the edit adds, in counts; an interval that held nothing counts as zero."""
        return sum(self.values) - sum(value or 0.0 for value in self.before)

    @property
    def moved(self) -> float:
        """How much the edit changes, in counts: two errors that cancel out are still two changes."""
        pairs = zip(self.values, self.before, strict=True)
        return sum(abs(value - (old or 0.0)) for value, old in pairs)

    @property
    def count_wh(self) -> float | None:
        """How much energy one count stands for: power is energy over its interval; None: for none at all."""
        if self.reading_type.quantity is Quantity.POWER:
            return self.reading_type.resolution * (self.interval / HOUR)
        return self.reading_type.resolution if self.reading_type.quantity is Quantity.ENERGY else None

    @property
    def unknown(self) -> int:
        """Of how many intervals nothing was known when it was made: neither a reading nor an estimate."""
        return self.before.count(None)

    def may_take_back(self, actor: str) -> bool:
        """Tell whether somebody may take it back once applied: its author not what a second person let go."""
        return self.author != actor or self.decided_by == actor

    def to(self, state: EditState, *, by: str, now: datetime, note: str = "") -> Edit:
        """Return the edit in its next state; a step out of order is refused."""
        if state not in NEXT[self.state]:
            raise Conflict(f"edit {self.id} is {self.state} and cannot become {state}", remedy=REMEDY[self.state])
        after = replace(self, state=state, decided_by=by, decided=now, note=note.strip())
        return replace(after, approved_by=by, approved=now) if state is EditState.APPLIED else after

    def __repr__(self) -> str:
        return f"<Edit {self.id} of {self.usage_point}: {len(self.values)} intervals from {self.period}, {self.state}>"
