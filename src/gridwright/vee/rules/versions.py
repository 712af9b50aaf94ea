"""V38: a newer version of intervals that are billed already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gridwright.domain.errors import GridMismatch
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.vee.chunk import amount


@dataclass(frozen=True, slots=True)
class Replacement:
    """A billed period's energy changes by more than `share`, or its money by more than `money`: bill it again.

    `money` is asked for only where a price is known; 0.01 = any cent.
    """

    share: float = 0.005
    money: float = 1.0
    code: ClassVar[str] = "V38_replacement"

    def __call__(
        self,
        billed: Panel,
        newer: Panel,
        periods: Mapping[str, Sequence[Interval]],
        *,
        price_per_kwh: Mapping[str, float] | None = None,
    ) -> list[Finding]:
        """Compare two versions of the same rows and slots over each usage point's billed periods.

        A value that one version lacks counts as zero. Panels that do not match are a GridMismatch.
        """
        same = (billed.points, billed.start, billed.interval, billed.values.shape, billed.reading_type)
        if same != (newer.points, newer.start, newer.interval, newer.values.shape, newer.reading_type):
            raise GridMismatch(f"{newer!r} is no newer version of {billed!r}")
        before, after = np.nan_to_num(billed.values), np.nan_to_num(newer.values)
        rows = np.flatnonzero((before != after).any(axis=1))
        found = []
        for row in rows.tolist():
            point = billed.points[row]
            price = (price_per_kwh or {}).get(point, 0.0)
            for period in periods.get(point, ()):
                first, last = (
                    int(np.clip(-((billed.start - edge) // billed.interval), 0, billed.slots))
                    for edge in (period.start, period.end)
                )
                old, new = float(before[row, first:last].sum()), float(after[row, first:last].sum())
                if self._matters(billed, (old, new), price):
                    slots = int((before[row, first:last] != after[row, first:last]).sum())
                    found.append(self._finding(billed, point, period, (old, new, slots)))
        return found

    def of_bill(
        self, point: str, period: Interval, kwh: tuple[float, float], money: float, currency: str
    ) -> list[Finding]:
        """Judge a billed period by its energy as (billed, now) in kWh and by what its money changes, in `currency`."""
        old, new = kwh
        if abs(new - old) <= self.share * abs(old) and abs(money) <= self.money:
            return []
        change = f" ({(new - old) / old:+.1%})" if old else ""
        text = f"billed {old:,.10g} kWh, now {new:,.10g} kWh{change}: {money:+.2f} {currency}; correct the bill"
        return [Finding(self.code, point, period, Severity.WARN, text)]

    def _matters(self, panel: Panel, energy: tuple[float, float], price: float) -> bool:
        old, new = energy
        kwh = abs(new - old) * panel.reading_type.resolution / 1000
        return abs(new - old) > self.share * abs(old) or kwh * price > self.money

    def _finding(self, panel: Panel, point: str, period: Interval, seen: tuple[float, float, int]) -> Finding:
        old, new, slots = seen
        kind = panel.reading_type
        change = f" ({(new - old) / old:+.1%})" if old else ""
        both = f"billed {amount(old, kind)}, now {amount(new, kind)}{change}"
        message = f"{both}: {slots} intervals changed; rate the bill again"
        return Finding(self.code, point, period, Severity.WARN, message, kind, slots)
