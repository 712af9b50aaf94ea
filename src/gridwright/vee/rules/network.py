"""V37: what goes into a node next to what arrives below it, by day and by night."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gridwright.domain.errors import GridMismatch
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel, slot_time
from gridwright.vee.days import Days, days_of
from gridwright.vee.runs import Floats, Mask


@dataclass(frozen=True, slots=True)
class Loss:
    """A technical loss as a share of what goes in, and its standard deviation from day to day."""

    mean: float
    deviation: float


@dataclass(frozen=True, slots=True)
class Balance:
    """(in - Σ meters) / in of a day or a night lies more than `deviations` from the technical loss.

    Night: local hours `night_from` .. `night_to`, when theft and faulty meters weigh more than sun and noise.
    """

    deviations: float = 3.0
    night_from: int = 0
    night_to: int = 6
    code: ClassVar[str] = "V37_balance"

    def __call__(
        self, node: Panel, meters: Panel, *, zone: str, day: Loss, night: Loss, named: str = ""
    ) -> list[Finding]:
        """Judge each local day of `node`, a panel of one row, whose meters' rows lie on the same grid.

        `named`: what the node is called, else as its master meter.
        An interval that any of them lacks is left out on both sides; another grid is a GridMismatch.
        """
        if (node.start, node.interval, node.slots) != (meters.start, meters.interval, meters.slots):
            raise GridMismatch(f"{meters!r} does not lie on the grid of {node!r}")
        calendar = node.calendar(zone)
        days = days_of(calendar)
        into = node.values[0] * node.reading_type.resolution
        arrived = meters.values.sum(axis=0) * meters.reading_type.resolution
        dark = (calendar.minute >= self.night_from * 60) & (calendar.minute < self.night_to * 60)
        found = []
        for name, which, loss in (("day", ~dark, day), ("night", dark, night)):
            share = _share(into, arrived, which, days)
            far = np.abs(share - loss.mean) > self.deviations * loss.deviation
            found += [
                self._finding(node, days, int(at), (name, named), (float(share[at]), loss))
                for at in np.flatnonzero(far)
            ]
        return sorted(found, key=lambda finding: (finding.period.start, finding.message))

    def _finding(self, node: Panel, days: Days, at: int, names: tuple[str, str], seen: tuple[float, Loss]) -> Finding:
        (share, loss), (name, named) = seen, names
        first, last = int(days.first[at]), int(days.last[at])
        period = Interval(slot_time(node, first), slot_time(node, last))
        usual = f"{loss.mean:.1%} ± {self.deviations * loss.deviation:.1%}"
        message = (
            f"{share:.1%} of what went into {named or node.points[0]} by {name} on {days.date(at)} did not arrive, "
            f"{usual} is technical loss"
        )
        return Finding(self.code, node.points[0], period, Severity.WARN, message, node.reading_type, last - first)


def _share(into: Floats, arrived: Floats, which: Mask, days: Days) -> Floats:
    """Return the share lost on each day over the slots of `which` that are known, NaN where nothing went in."""
    use = which & ~np.isnan(into) & ~np.isnan(arrived)
    total = np.add.reduceat(np.where(use, into, 0.0), days.first)
    lost = np.add.reduceat(np.where(use, into - arrived, 0.0), days.first)
    return np.where(total > 0, lost / np.where(total > 0, total, 1.0), np.nan)
