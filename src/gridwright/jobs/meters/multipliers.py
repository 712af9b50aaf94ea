"""The factors by which the differences of registers count, of many reads at once: what arrives in a file is asked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.domain.access import Access
from gridwright.domain.hung import of_device
from gridwright.domain.interval import epoch_s
from gridwright.domain.readings import Readings
from gridwright.domain.usage_point import Installation
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
        """Return the factor of each read, float64[n]; 1 where no meter is recorded, NaN of one that did not hang."""
        factors = np.ones(reads.size)
        devices = reads.devices or ("",) * len(reads.points)
        known = dict.fromkeys(point for point in reads.points if point in self.points)
        hung = self.store.field.installations(self.access, list(known))
        factors[self._foreign(reads, devices, hung)] = np.nan
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

    def _foreign(self, reads: Readings, devices: Sequence[str], hung: Sequence[Installation]) -> npt.NDArray[np.bool_]:
        """Tell which reads are of a meter that did not hang there then: no energy of the place comes of them."""
        foreign = np.zeros(reads.size, np.bool_)
        if not hung or not any(devices) or not reads.size:
            return foreign
        history: dict[str, list[Installation]] = defaultdict(list)
        for one in hung:
            history[one.usage_point].append(one)
        first, last = int(reads.at.min()), int(reads.at.max())
        for place, (point, device) in enumerate(zip(reads.points, devices, strict=True)):
            spans = [_span(one) for one in of_device(history.get(point, ()), device)] if device else []
            # Most meters hung there all the time, so few reads are looked at one by one.
            if device and point in history and not any(start <= first and last < end for start, end in spans):
                mine = reads.point == place
                during = [(reads.at >= start) & (reads.at < end) for start, end in spans]
                foreign |= mine & ~np.logical_or.reduce([np.zeros(reads.size, np.bool_), *during])
        return foreign


def _span(one: Installation) -> tuple[int, int]:
    return epoch_s(one.period.start), epoch_s(one.period.end)
