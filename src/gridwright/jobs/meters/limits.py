"""What the connections of usage points carry: a register that counted more between two reads gives no energy (V32)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gridwright.domain.access import Access
from gridwright.domain.errors import NotFound
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.domain.readings import Readings
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.store_port import StorePort
from gridwright.vee import packaged

HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Limits:
    """Looks up the power of connections in kW, each usage point once; `known` may be kept for the next time."""

    store: StorePort
    access: Access
    known: dict[str, float] = field(default_factory=dict)

    def __call__(self, point: str) -> float:
        """Return what a usage point's connection carries."""
        if point not in self.known:
            self.learn([point])
        return self.known[point]

    def learn(self, points: Collection[str]) -> None:
        """Look up together what is not known yet; one that is not registered carries what its like does."""
        new = [point for point in dict.fromkeys(points) if point not in self.known]
        if not new:
            return
        try:
            found = self.store.registry.points(self.access, new)
        except NotFound:  # a file may bring it
            found = () if len(new) == 1 else self._each(new)
        there = {point.id for point in found}
        unknown = [UsagePoint(point) for point in new if point not in there and point not in self.known]
        every = [*found, *unknown]
        self.known.update(zip((point.id for point in every), limits_of(every), strict=True))

    def _each(self, points: Collection[str]) -> tuple[UsagePoint, ...]:
        for point in points:
            self.learn([point])
        return ()


def limit_of(point: UsagePoint) -> float:
    """Return what `limits_of` does of one usage point."""
    return limits_of([point])[0]


def limits_of(points: Sequence[UsagePoint]) -> list[float]:
    """Return their capacities; an unknown one is what the rules that come with Gridwright take for the most (V32)."""
    rules = packaged().rules_of(points, DELIVERED_ENERGY, HOUR_S)  # of many together they cost next to nothing
    return [point.capacity_kw or mine.capacity_kw for point, mine in zip(points, rules, strict=True)]


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """The same for many register reads at once; `points`: the usage points that are registered."""

    limits: Limits
    points: Collection[str]

    def __call__(self, reads: Readings) -> npt.NDArray[np.float64]:
        """Return what the connection of each read carries in kW, float64[n]."""
        self.limits.learn([point for point in reads.points if point in self.points])
        usual = limits_of([UsagePoint(point) for point in reads.points])
        carried = [self.limits.known.get(point) or most for point, most in zip(reads.points, usual, strict=True)]
        return np.array(carried, np.float64)[reads.point]
