"""Readings of names that nobody knows, on their way into quarantine: in columns, for they may be very many."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from msgspec import structs

from gridwright.api.ingest.few import Few
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.readings import Readings
from gridwright.ingest.order import take


@dataclass(slots=True, eq=False)
class Strays:
    """Single readings and series, in the order in which they go into quarantine."""

    few: list[Few] = field(default_factory=list)
    series: list[Readings] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many readings they are."""
        return len(self.few) + sum(part.size for part in self.series)

    def join(self, others: Strays) -> None:
        """Take in those of another request, behind these."""
        self.few += others.few
        self.series += others.series

    def moved(self, offset: int) -> Strays:
        """Return them with the places of their records counted on from `offset`."""
        few = [structs.replace(one, index=one.index + offset) for one in self.few]
        return Strays(few, [replace(part, line=part.line + offset) for part in self.series])

    def between(self, first: int, last: int) -> list[Readings]:
        """Return those from the place `first` to before `last`."""
        return list(self._parts(first, last)) if first < last else []

    def _parts(self, first: int, last: int) -> Iterator[Readings]:
        yield from _in_columns(self.few[first:last])
        begun = len(self.few)
        for part in self.series:
            low, high = max(first - begun, 0), min(last - begun, part.size)
            if low < high:
                yield part if high - low == part.size else take(part, np.arange(low, high))
            begun += part.size


def _in_columns(few: Sequence[Few]) -> Iterator[Readings]:
    alike: dict[tuple[ReadingType, int], list[Few]] = defaultdict(list)
    for one in few:
        alike[one.meaning.reading_type, one.meaning.interval_s].append(one)
    for (kind, interval_s), some in alike.items():
        numbers: dict[str, int] = {}
        point = [numbers.setdefault(one.name, len(numbers)) for one in some]
        yield Readings(
            points=tuple(numbers),
            point=np.array(point, np.int32),
            at=np.array([one.at_s for one in some], np.int64),
            value=np.array([one.counts for one in some], np.float64),
            quality=np.array([one.meaning.quality for one in some], np.uint8),
            line=np.array([one.index for one in some], np.int64),
            interval_s=interval_s,
            reading_type=kind,
        )
