"""How long the intervals are that are stored of what a file names, for one whose few rows do not tell it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gridwright.domain.access import Access
from gridwright.domain.reading_type import Accumulation, Quantity
from gridwright.jobs.files.hung_meters import hung_meters
from gridwright.jobs.store_port import StorePort


@dataclass(frozen=True, slots=True)
class StoredLengths:
    """Asks the store; usage points and meters that it does not know have none."""

    store: StorePort
    access: Access

    def __call__(
        self, names: Sequence[str], measured: frozenset[Quantity], days: tuple[int, int]
    ) -> Mapping[str, frozenset[int]]:
        """Return by name the seconds of the intervals stored on some days since 1970 [from, to), or else on any."""
        known = self.store.registry.keys(self.access)
        places: dict[str, tuple[str, ...]] = {name: (name,) for name in names if name in known}
        if len(places) < len(names):
            hung = hung_meters(self.store.registry.installed(self.access), known).places
            places |= {
                name: tuple({point for point, _, _ in hung[name] if point in known}) for name in names if name in hung
            }
        stored = self._stored(sorted({point for points in places.values() for point in points}), measured, days)
        return {
            name: frozenset().union(*(stored.get(point, frozenset()) for point in points))
            for name, points in places.items()
        }

    def _stored(
        self, points: Sequence[str], measured: frozenset[Quantity], days: tuple[int, int]
    ) -> Mapping[str, frozenset[int]]:
        at_all: dict[str, set[int]] = defaultdict(set)
        on_days: dict[str, set[int]] = defaultdict(set)
        for one in self.store.readings.extents(self.access, points) if points else ():
            kind = one.reading_type
            if kind.quantity not in measured or kind.accumulation is Accumulation.CUMULATIVE:
                continue
            at_all[one.usage_point].add(one.interval_s)
            if one.first_day < days[1] and days[0] < one.last_day:
                on_days[one.usage_point].add(one.interval_s)
        return {point: frozenset(on_days.get(point) or lengths) for point, lengths in at_all.items()}
