"""What became of each record that arrived: counts, rejects with line, reason and remedy, and what was detected."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reject:
    """One record that could not be taken, with its place, its text, the reason and what would help."""

    line: int
    reason: str
    remedy: str = ""
    value: str = ""
    record: str = ""

    @property
    def conflict(self) -> bool:
        """Tell a reading that lost to another of its interval, which is listed but was not refused."""
        return self.reason.startswith("conflict")


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing detected about the input: `what` (zone, unit ...), the choice, why, and the overriding option."""

    what: str
    value: str
    because: str
    override: str = ""


@dataclass(frozen=True, slots=True)
class Intake:
    """The verdict on a whole file: records read, readings accepted, rejects, repeats, conflicts and what was detected.

    `repeated`: identical duplicates dropped; `conflicting`: the same interval with another value (the later one won);
    these stand among `rejects` with a reason that begins with "conflict:", and are not counted in `rejected`;
    `missing`: records that say themselves that they have no value.
    """

    source: str
    format: str
    records: int
    accepted: int
    rejects: tuple[Reject, ...] = ()
    rejected: int = 0
    repeated: int = 0
    conflicting: int = 0
    evidence: tuple[Evidence, ...] = ()
    notes: tuple[str, ...] = ()
    missing: int = 0

    def left_out(self) -> str:
        """Say how many records were not taken, by what became of them."""
        told = f"{self.rejected:,} rejected, {self.repeated:,} repeated, {self.conflicting:,} conflicting"
        return f"{told}, {self.missing:,} without a value" if self.missing else told
