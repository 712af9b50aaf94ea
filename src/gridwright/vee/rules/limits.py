"""Whether single values are possible: V11, V12, V13."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gridwright.domain.errors import UsageError
from gridwright.domain.finding import Severity
from gridwright.vee.chunk import Chunk
from gridwright.vee.rules.doubt import Doubt
from gridwright.vee.runs import Floats, runs_of


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


@dataclass(frozen=True, slots=True)
class LowLimit:
    """Below the base load that the site is known to have: its attribute `base_load_kw`, else `floor_kw`; 0 = off."""

    floor_kw: float = 0.0
    code: ClassVar[str] = "V13_low_limit"

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Find values below the floor, where one is known."""
        floor = self._floor(chunk)
        return [Doubt(Severity.WARN, runs_of(chunk.usable < floor[:, None]))] if np.isfinite(floor).any() else []

    def _floor(self, chunk: Chunk) -> Floats:
        return self._counts(chunk, chunk.attribute("base_load_kw"))

    def _counts(self, chunk: Chunk, own: Floats) -> Floats:
        kilowatts = np.where(np.isnan(own), self.floor_kw or np.nan, own)
        return kilowatts * (np.nan if chunk.per_kw is None else chunk.per_kw)

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Name the lowest value and the base load."""
        lowest = float(np.fmin.reduce(chunk.values[row, first:last]))
        floor = float(self._counts(chunk, chunk.attribute("base_load_kw")[row]))
        return (
            f"{chunk.amount(lowest)} at {chunk.clock(first)}, while the base load is {chunk.amount(floor)} an interval"
        )


@dataclass(frozen=True, slots=True)
class Limit:
    """Outside `low` .. `high` in base units (°C, V, A, W, Hz), which is physically impossible for what is measured.

    A voltage also where it is above `of_nominal` times the attribute `nominal_v` of the usage point; 0 = off.
    """

    low: float = -math.inf
    high: float = math.inf
    of_nominal: float = 0.0
    code: ClassVar[str] = "V13_limit"

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise UsageError(
                f"low {self.low:g} must lie below high {self.high:g}", remedy="write the lower limit as low"
            )
        if self.of_nominal and self.of_nominal <= 1:
            raise UsageError(
                f"of_nominal {self.of_nominal:g} would doubt the nominal voltage itself",
                remedy="set it above 1, or to 0 for none",
            )

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Find values outside the limits."""
        scale = chunk.reading_type.resolution
        low, high = self.low / scale, self._high(chunk)[:, None] / scale
        return [Doubt(Severity.FAIL, runs_of((chunk.usable < low) | (chunk.usable > high)))]

    def _high(self, chunk: Chunk) -> Floats:
        """Return the upper limit of each usage point, in base units."""
        own = chunk.attribute("nominal_v") * self.of_nominal if self.of_nominal else np.nan
        return np.asarray(np.fmin(np.full(chunk.values.shape[0], self.high), own), np.float64)

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Name the values and the limits: of several the lowest and the highest, where both sides are passed."""
        values, unit = chunk.values[row, first:last], chunk.reading_type.unit
        scale, limit = chunk.reading_type.resolution, float(self._high(chunk)[row])
        ends = {int(values.argmin()), int(values.argmax())} if values.size else {0}
        below, above = (values.min() < self.low / scale, values.max() > limit / scale)
        chosen = sorted(ends) if below and above else [int(values.argmin() if below else values.argmax())]
        told = " and ".join(f"{chunk.amount(float(values[at]))} at {chunk.clock(first + at)}" for at in chosen)
        lie = "lie" if len(chosen) > 1 else "lies"
        return f"{told} {lie} outside {self.low:g} to {limit:g} {unit}"
