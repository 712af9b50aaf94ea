"""One channel next to another of the same usage point: V21 power factor, V36 main and check meter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gridwright.domain.errors import UsageError
from gridwright.domain.finding import Severity
from gridwright.domain.reading_type import Quantity
from gridwright.vee.chunk import Chunk
from gridwright.vee.rules.doubt import Doubt
from gridwright.vee.rules.presence import day_runs
from gridwright.vee.runs import Floats, runs_of

# A factor of exactly the least one is not below it.
ROUNDING = 1e-9
REACTIVE = {Quantity.ENERGY: Quantity.REACTIVE_ENERGY, Quantity.POWER: Quantity.REACTIVE_POWER}


@dataclass(frozen=True, slots=True)
class PowerFactor:
    """Reactive without active energy, or kWh / √(kWh² + kvarh²) below `least`; above `floor_kvarh` only."""

    least: float = 0.3
    floor_kvarh: float = 0.0
    code: ClassVar[str] = "V21_power_factor"

    def __post_init__(self) -> None:
        if not 0 < self.least < 1:
            raise UsageError(f"least power factor {self.least:g} must lie between 0 and 1", remedy="write it like 0.3")

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Find intervals with more reactive energy than the power factor allows."""
        quantity = REACTIVE.get(chunk.reading_type.quantity)
        sibling = chunk.sibling(quantity) if quantity else None
        if sibling is None or chunk.per_kw is None:
            return []
        reactive = np.abs(self._reactive(chunk, sibling.values, sibling.reading_type.resolution))
        # PF < least, solved for the reactive part: no root and no division for each interval.
        most = math.sqrt(1 / self.least**2 - 1) * (1 + ROUNDING)
        low = (reactive > np.abs(chunk.usable) * most) & (reactive > self.floor_kvarh * chunk.counts(chunk.per_hour))
        return [Doubt(Severity.WARN, runs_of(low))]

    @staticmethod
    def _reactive(chunk: Chunk, values: Floats, resolution: float) -> Floats:
        scale = resolution / chunk.reading_type.resolution
        return values if scale == 1 else values * scale

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Name both energies and the power factor."""
        sibling = chunk.sibling(REACTIVE[chunk.reading_type.quantity])
        active = float(np.abs(chunk.values[row, first:last]).sum()) * chunk.reading_type.resolution
        values = np.zeros(1) if sibling is None else sibling.values[row, first:last] * sibling.reading_type.resolution
        reactive = float(np.abs(values).sum())
        factor = active / math.hypot(active, reactive)
        units = f"{active / 1000:g} k{chunk.reading_type.unit} with {reactive / 1000:g} kvar"
        hour = "h" if chunk.reading_type.sums else ""
        return f"{units}{hour} from {chunk.clock(first)}: power factor {factor:.2f}, at least {self.least:g} expected"


@dataclass(frozen=True, slots=True)
class MainCheck:
    """A day's main and check meter differ by more than `tolerance` of the main one: their classes of accuracy added."""

    tolerance: float = 0.015
    code: ClassVar[str] = "V36_main_check"

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Find days on which both are complete and differ; which of them is wrong, they cannot tell."""
        checked = self._checked(chunk)
        if checked is None:
            return []
        far = np.abs(chunk.totals - checked) > self.tolerance * np.abs(chunk.totals)
        return [Doubt(Severity.FAIL, day_runs(chunk, far), touches=False)]

    @staticmethod
    def _checked(chunk: Chunk) -> Floats | None:
        check = chunk.around.check
        if check is None:
            return None
        scale = check.reading_type.resolution / chunk.reading_type.resolution
        totals = np.add.reduceat(check.values, chunk.days.first, axis=1) * scale
        return np.asarray(np.where(chunk.days.whole, totals, np.nan))

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Name both totals and how far they are apart."""
        checked = self._checked(chunk)
        inside = (chunk.days.first >= first) & (chunk.days.last <= last)
        main = float(chunk.totals[row, inside].sum())
        check = 0.0 if checked is None else float(checked[row, inside].sum())
        apart = abs(main - check) / abs(main) if main else math.inf
        return (
            f"main meter {chunk.amount(main)}, check meter {chunk.amount(check)} from {chunk.clock(first)[:10]}: "
            f"{apart:.1%} apart, at most {self.tolerance:.1%} allowed"
        )
