"""How many readings of a usage point were taken back: kept as they are, and known to nobody."""

from __future__ import annotations

from collections import Counter

from gridwright.domain import quality as q
from gridwright.domain.interval import DAY_S
from gridwright.store.days.blocks import read_point, shape_of
from gridwright.store.session import Unit


def count_taken_back(unit: Unit, kind: int, point: int, days: range) -> Counter[int]:
    """Return how many readings of days in the database were taken back, by interval length in seconds."""
    counts: Counter[int] = Counter()
    rows = read_point(unit, kind, point, days)
    for number, quality in () if rows is None else zip(rows.shape, rows.quality, strict=True):
        shape = shape_of(number)
        shared = shape.slots if shape.quality_all == q.TAKEN_BACK else 0
        counts[DAY_S // shape.slots] += shared if quality is None else bytes(quality).count(q.TAKEN_BACK)
    return counts
