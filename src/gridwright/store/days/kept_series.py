"""Series of one meaning, in whichever resolutions they are kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gridwright.store.days.blocks import marks
from gridwright.store.names import FEW
from gridwright.store.session import Unit

STORED = (
    "SELECT usage_point, reading_type, interval_s, first_day, last_day, readings FROM series "
    "WHERE usage_point IN ({points}) AND reading_type IN ({kinds})"
)


class Kept(NamedTuple):
    """A series as it is kept: its exponent and interval length, UTC days [first, last), and how many readings."""

    exponent: int
    interval_s: int
    first: int
    last: int
    readings: int


def stored_series(unit: Unit, family: Mapping[int, int], keys: Sequence[int]) -> dict[int, list[Kept]]:
    """Return the series of usage points that mean the same, whatever their resolution; `family`: keys by exponent."""
    exponents, found = {key: exponent for exponent, key in family.items()}, defaultdict(list)
    for at in range(0, len(keys), FEW):
        part = keys[at : at + FEW]
        sql = STORED.format(points=marks(len(part)), kinds=marks(len(family)))
        for point, kind, *rest in unit.fetch(sql, (*part, *exponents)):
            found[point].append(Kept(exponents[kind], *rest))
    return dict(found)
