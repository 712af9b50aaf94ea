"""What a rule is, and what it finds; codes as in the catalogue A2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gridwright.domain.finding import Severity
from gridwright.vee.chunk import Chunk
from gridwright.vee.runs import Runs


@dataclass(frozen=True, slots=True, eq=False)
class Doubt:
    """What a rule found: runs of one severity. Unless `touches`, the doubt is about the set, not about its values."""

    severity: Severity
    runs: Runs
    touches: bool = True


class Rule(Protocol):
    """A rule finds runs in a chunk, and explains one of them with its values."""

    @property
    def code(self) -> str:
        """Catalogue number and name."""
        ...

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Return what is doubtful; empty where nothing is."""
        ...

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Say in one sentence what is doubtful about slots first..last-1 of `row`."""
        ...


def duration(chunk: Chunk, slots: int) -> str:
    """Write a number of intervals with the time they span."""
    hours = slots / chunk.per_hour
    span = f"{hours:g} h" if hours < 72 else f"{hours / 24:.1f} days"  # noqa: PLR2004 - three days
    return f"{slots} interval{'' if slots == 1 else 's'} ({span})"
