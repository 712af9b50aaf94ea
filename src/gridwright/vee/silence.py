"""A silence: time between two readings that is longer than any that is estimated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import DAY_S, Interval
from gridwright.domain.panel import Panel, slot_time
from gridwright.domain.reading_type import ReadingType
from gridwright.vee.runs import Mask, Runs, runs_of
from gridwright.vee.work import Outages, outage_mask

CODE = "V10_silence"
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Silences:
    """The silences in the rows of a panel, before the first and behind the last reading of a row included.

    `longest`: how many days are estimated, of each row.
    """

    panel: Panel
    longest: Numbers
    runs: Runs

    @property
    def mask(self) -> Mask:
        """Tell which slots lie in a silence."""
        silent = np.zeros(self.panel.values.shape, np.bool_)
        silent[self.runs.cells()] = True
        return silent

    def findings(self) -> list[Finding]:
        """Return a finding for each silence between two readings."""
        inner = self.runs.where((self.runs.first > 0) & (self.runs.last < self.panel.slots))
        places = zip(inner.row.tolist(), inner.first.tolist(), inner.last.tolist(), strict=True)
        return [
            silence_finding(
                self.panel.points[row],
                Interval(slot_time(self.panel, first), slot_time(self.panel, last)),
                int(self.longest[row]),
                self.panel.reading_type,
            )
            for row, first, last in places
        ]


def silences_of(panel: Panel, longest_days: Numbers, outages: Outages | None = None) -> Silences | None:
    """Return the silences of a panel, whose rows are estimated over `longest_days`; None: mostly there are none.

    Values that were rejected were read all the same, and what is zero by an outage is known. A row without any value
    is no silence: nothing lies around it.
    """
    most = longest_days * DAY_S // panel.interval_s
    if panel.slots <= int(most.min(initial=panel.slots)):
        return None
    silent = panel.missing
    if outages:
        silent = silent & ~outage_mask(panel, outages)
    runs = runs_of(silent & ~silent.all(axis=1, keepdims=True))
    runs = runs.where(runs.length > most[runs.row])
    return Silences(panel, longest_days, runs) if runs.size else None


def silence_finding(point: str, period: Interval, longest_days: int, kind: ReadingType) -> Finding:
    """Return the finding that a silence is not estimated."""
    days = (period.end - period.start).total_seconds() / DAY_S
    text = f"nothing was read for {days:,.0f} days: a silence of more than {longest_days} days is not estimated"
    return Finding(CODE, point, period, Severity.FAIL, text, kind.finer(0))
