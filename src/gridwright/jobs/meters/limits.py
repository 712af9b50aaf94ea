"""What the connections of usage points carry: a register that counted more between two reads gives no energy (V32)."""

from __future__ import annotations

from collections.abc import Collection
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
        self.known.update((point.id, limit_of(point)) for point in found)
        for point in new:
            self.known.setdefault(point, limit_of(UsagePoint(point)))

    def _each(self, points: Collection[str]) -> tuple[UsagePoint, ...]:
        for point in points:
            self.learn([point])
        return ()


def limit_of(point: UsagePoint) -> float:
    """Return its capacity; an unknown one carries what the rules that come with Gridwright take for the most (V32)."""
    return point.capacity_kw or packaged().rules_of([point], DELIVERED_ENERGY, HOUR_S)[0].capacity_kw


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """The same for many register reads at once; `points`: the usage points that are registered."""

    limits: Limits
    points: Collection[str]

    def __call__(self, reads: Readings) -> npt.NDArray[np.float64]:
        """Return what the connection of each read carries in kW, float64[n]."""
        self.limits.learn([point for point in reads.points if point in self.points])
        carried = [self.limits.known.get(point) or limit_of(UsagePoint(point)) for point in reads.points]
        return np.array(carried, np.float64)[reads.point]
