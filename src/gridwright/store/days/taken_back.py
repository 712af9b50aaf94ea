"""How many readings of a usage point were taken back: kept as they are, and known to nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from gridwright.domain import quality as q
from gridwright.domain.interval import DAY_S
from gridwright.store.days.blocks import read_point, shape_of
from gridwright.store.days.states import read_image_days
from gridwright.store.session import Unit


def count_taken_back(unit: Unit, kind: int, point: int, days: range, finer: Sequence[int] = ()) -> Counter[int]:
    """Return how many readings of days in the database were taken back, by interval length in seconds.

    `finer`: types of the same meaning, by which what they have is counted.
    """
    counts: Counter[int] = Counter()
    rows = read_point(unit, kind, point, days)
    elsewhere = read_image_days(unit, finer, point, days) if finer else set()
    for day, number, quality in () if rows is None else zip(rows.key.tolist(), rows.shape, rows.quality, strict=True):
        if day in elsewhere:
            continue
        shape = shape_of(number)
        shared = shape.slots if shape.quality_all == q.TAKEN_BACK else 0
        counts[DAY_S // shape.slots] += shared if quality is None else bytes(quality).count(q.TAKEN_BACK)
    return counts
