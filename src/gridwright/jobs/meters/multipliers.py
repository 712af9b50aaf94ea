"""The factors by which the differences of registers count, of many reads at once: what arrives in a file is asked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.domain.access import Access
from gridwright.domain.interval import epoch_s
from gridwright.domain.readings import Readings
from gridwright.jobs.store_port import StorePort


@dataclass(frozen=True, slots=True)
class Multipliers:
    """Looks up which meter hung where a read was taken; one that names no meter is of the one that hung there.

    `points`: the usage points that are registered; at others nothing hung yet.
    """

    store: StorePort
    access: Access
    points: Collection[str]

    def __call__(self, reads: Readings) -> npt.NDArray[np.float64]:
        """Return the factor of each read, float64[n]; 1 where no installation gives another."""
        factors = np.ones(reads.size)
        devices = reads.devices or ("",) * len(reads.points)
        known = dict.fromkeys(point for point in reads.points if point in self.points)
        hung = self.store.field.installations(self.access, list(known))
        # Few meters hang behind transformers, so the many reads are gone through only for these.
        for one in hung:
            if one.multiplier != 1:
                mine = [
                    place
                    for place, pair in enumerate(zip(reads.points, devices, strict=True))
                    if pair in ((one.usage_point, one.end_device), (one.usage_point, ""))
                ]
                during = (reads.at >= epoch_s(one.period.start)) & (reads.at < epoch_s(one.period.end))
                factors[during & np.isin(reads.point, mine)] = float(one.multiplier)
        return factors
