"""Whether single values are possible: V11, V12, V13, V15."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from gridwright.domain.finding import Severity
from gridwright.domain.reading_type import Quantity
from gridwright.vee.chunk import Chunk
from gridwright.vee.rules.doubt import Doubt
from gridwright.vee.runs import NO_RUNS, runs_of


@dataclass(frozen=True, slots=True)
class Negative:
    """Below zero where energy flows one way only."""

    code: ClassVar[str] = "V11_negative"

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Find values below zero, unless the type is signed."""
        return [] if chunk.signed else [Doubt(Severity.FAIL, runs_of(chunk.usable < 0))]

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Name the lowest value."""
        lowest = chunk.amount(float(chunk.values[row, first:last].min()))
        return f"{lowest} at {chunk.clock(first)}: {chunk.reading_type.flow} values cannot be below zero"


@dataclass(frozen=True, slots=True)
class Capacity:
    """More than the connection can carry, with `tolerance`; skipped where the capacity is unknown."""

    tolerance: float = 0.10
    code: ClassVar[str] = "V12_capacity"

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Find values above the limit; a signed type is judged by its size."""
        if np.isnan(chunk.capacity).all():
            return []
        size = np.abs(chunk.usable) if chunk.signed else chunk.usable
        return [Doubt(Severity.FAIL, runs_of(size > (chunk.capacity * (1 + self.tolerance))[:, None]))]

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Name the highest value and what the connection allows."""
        highest = chunk.amount(float(np.abs(chunk.values[row, first:last]).max()))
        limit = chunk.amount(float(chunk.capacity[row]))
        return f"{highest} at {chunk.clock(first)}, while the connection carries at most {limit} an interval"


LIMITS = {
    Quantity.TEMPERATURE: (-90.0, 60.0),
    Quantity.VOLTAGE: (0.0, 500_000.0),
    Quantity.CURRENT: (-100_000.0, 100_000.0),
}


@dataclass(frozen=True, slots=True)
class Limit:
    """Outside what is physically possible: below -90 °C or above 60 °C, a voltage below zero."""

    limits: dict[Quantity, tuple[float, float]] = field(default_factory=LIMITS.copy, hash=False)
    code: ClassVar[str] = "V13_limit"

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Find values outside the limits of their quantity, where it has any."""
        low, high = self.limits.get(chunk.reading_type.quantity, (-np.inf, np.inf))
        base = chunk.usable * chunk.reading_type.resolution
        return [Doubt(Severity.FAIL, runs_of((base < low) | (base > high)) if np.isfinite(low) else NO_RUNS)]

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Name the value and the limits."""
        low, high = self.limits[chunk.reading_type.quantity]
        del last
        value, unit = chunk.amount(float(chunk.values[row, first])), chunk.reading_type.unit
        return f"{value} at {chunk.clock(first)} lies outside {low:g} to {high:g} {unit}"
