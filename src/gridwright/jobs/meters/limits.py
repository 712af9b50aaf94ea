"""What the connections of usage points carry: a register that counted more between two reads gives no energy (V32)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gridwright.domain.access import Access
from gridwright.domain.errors import NotFound
from gridwright.domain.readings import Readings
from gridwright.domain.usage_point import UsagePoint, UsualKw
from gridwright.jobs.store_port import StorePort
from gridwright.vee import packaged
from gridwright.vee.validate import usual_kw


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
        self.known.update(zip((point.id for point in every), limits_of(every, self.store.usual_kw), strict=True))

    def _each(self, points: Collection[str]) -> tuple[UsagePoint, ...]:
        for point in points:
            self.learn([point])
        return ()


def limits_of(points: Sequence[UsagePoint], usual: UsualKw | None) -> list[float]:
    """Return their capacities; an unknown one is what rules take for the most (V32): `usual`, else the packaged ones.

    Of many together they cost next to nothing.
    """
    most = usual(points) if usual is not None else usual_kw(points, packaged())
    return [point.capacity_kw or kw for point, kw in zip(points, most, strict=True)]


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """The same for many register reads at once; `points`: the usage points that are registered.

    `new_point`: what another one begins as, by its name and zone.
    """

    limits: Limits
    points: Collection[str]
    new_point: Callable[[str, str], UsagePoint] = UsagePoint

    def __call__(self, reads: Readings) -> npt.NDArray[np.float64]:
        """Return what the connection of each read carries in kW, float64[n]."""
        self.limits.learn([point for point in reads.points if point in self.points])
        usual = limits_of([self.new_point(point, "UTC") for point in reads.points], self.limits.store.usual_kw)
        carried = [self.limits.known.get(point) or most for point, most in zip(reads.points, usual, strict=True)]
        return np.array(carried, np.float64)[reads.point]
