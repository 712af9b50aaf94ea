"""A channel of some usage points: what was read, what can be trusted of it, and the doubts about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from gridwright.domain.finding import Finding
from gridwright.domain.panel import Panel


@dataclass(frozen=True, slots=True, eq=False)
class Channel:
    """One channel of some usage points: validated, trusted, and the doubts about it.

    `unedited`: makes what would be trusted without edits; None where there are none.
    """

    validated: Panel
    trusted: Panel
    findings: tuple[Finding, ...]
    unedited: Callable[[], Panel] | None = None

    @property
    def under(self) -> Panel:
        """What would be trusted without edits."""
        return self.trusted if self.unedited is None else self.unedited()

    def rows(self, which: Sequence[int]) -> Channel:
        """Return some rows of it."""
        names = {self.trusted.points[row] for row in which}
        found = tuple(each for each in self.findings if each.usage_point in names)
        under = None if self.unedited is None else partial(_rows_of, self.unedited, which)
        return Channel(self.validated.rows(which), self.trusted.rows(which), found, under)


def _rows_of(make: Callable[[], Panel], which: Sequence[int]) -> Panel:
    return make().rows(which)
