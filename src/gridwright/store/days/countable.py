"""Values that no exact number could hold beside what is stored: they are refused, for a series has one resolution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gridwright.domain.calendar import date_of
from gridwright.domain.errors import GridMismatch
from gridwright.domain.panel import Panel, slot_time
from gridwright.domain.reading_type import LARGEST_EXACT, ReadingType
from gridwright.store.days.blocks import FEW, marks
from gridwright.store.days.kept_series import Kept, stored_series
from gridwright.store.days.pack import DTYPE, NOTHING
from gridwright.store.session import Unit

WIDE = (
    "SELECT day, width, counts FROM {table} WHERE reading_type = ? AND usage_point = ? AND width >= ? "
    "AND day IN ({days})"
)
OWN_CHANNEL = "send the series with a reading type that has its own channel"


class Stored(NamedTuple):
    """What is stored of one usage point: its key, its series, and the types' keys by exponent."""

    key: int
    there: Sequence[Kept]
    family: Mapping[int, int]

    @property
    def finest(self) -> int:
        """The finest exponent of them."""
        return min(one.exponent for one in self.there)


def require_countable(unit: Unit, panel: Panel, row: int, stored: Stored, wanted: int) -> None:
    """Raise GridMismatch unless a row, kept in `wanted`, and what is stored of its series can be counted alike.

    What is stored is looked through once in the life of a series, when it is to have more digits.
    """
    if stored.finest < wanted:
        raise _too_large(panel, row, stored.finest)
    for one in stored.there if stored.finest > wanted else ():
        found = _largest(unit, stored, one, wanted)
        if found is not None:
            raise too_fine(panel, row, one.exponent, found)


def counts_alike(
    unit: Unit, exponent: int, family: Mapping[int, int], keys: Sequence[int], counts: npt.NDArray[np.int64]
) -> bool:
    """Tell whether readings can be counted as their series are stored, whichever of them is whose, without a look."""
    there = stored_series(unit, family, keys)
    finest = {Stored(key, some, family).finest for key, some in there.items()}
    largest = int(np.abs(counts).max(initial=0))
    finer = all(largest * 10 ** (exponent - one) <= LARGEST_EXACT for one in finest if one < exponent)
    return finer and not any((counts % 10 ** (one - exponent)).any() for one in finest if one > exponent)


def _too_large(panel: Panel, row: int, finest: int) -> GridMismatch:
    """Word the error of values that have too many digits in the resolution in which the series is stored."""
    kind, values = panel.reading_type, np.nan_to_num(panel.values[row])
    at = int(np.argmax(np.abs(values)))
    return GridMismatch(
        f"{_shown(values[at], kind)} at {slot_time(panel, at).isoformat()} cannot be counted in "
        f"{kind.finer(finest).resolution:g} {kind.unit}, as the series is stored: that is more than 2^53 counts, of "
        "which no number is exact",
        where=f"usage point {panel.points[row]}, {kind}",
        remedy=f"check the value and its unit; if it is right, {OWN_CHANNEL}",
    )


def too_fine(panel: Panel, row: int, exponent: int, found: tuple[int, int]) -> GridMismatch:
    """Word the error of values with digits with which a stored one (day, counts) could not be counted."""
    kind, (day, counts) = panel.reading_type, found
    coarse = kind.finer(exponent)
    odd = np.nan_to_num(np.fmod(panel.values[row], 10.0 ** (exponent - kind.exponent))) != 0
    at = int(np.argmax(odd if odd.any() else ~panel.missing[row]))
    both = coarse.finer(exponent - int(np.log10(LARGEST_EXACT / abs(counts))))
    return GridMismatch(
        f"{_shown(panel.values[row, at], kind)} at {slot_time(panel, at).isoformat()} cannot join a series in "
        f"{coarse.resolution:g} {kind.unit} in which {_shown(counts, coarse)} is stored ({date_of(day)}): in "
        f"{kind.resolution:g} {kind.unit} that is more than 2^53 counts, of which no number is exact",
        where=f"usage point {panel.points[row]}, {kind}",
        remedy=f"round them to {both.resolution:g} {kind.unit}, in which both can be counted, or {OWN_CHANNEL}",
    )


def _shown(counts: float, kind: ReadingType) -> str:
    return f"{counts:.0f} {kind.unit}" if kind.exponent == 0 else f"{counts:.0f} times {kind.resolution:g} {kind.unit}"


def _largest(unit: Unit, stored: Stored, one: Kept, wanted: int) -> tuple[int, int] | None:
    """Return day and counts of the largest value, now or before, that a finer resolution could not hold; else None."""
    limit = int(LARGEST_EXACT) // 10 ** (one.exponent - wanted)
    width = next(width for width in sorted(DTYPE) if limit < -NOTHING[width])
    which = stored.family[one.exponent], stored.key, width
    every = _extremes(unit, which, range(one.first, one.last))
    found = [(abs(counts), day, counts) for day, counts in every if abs(counts) > limit]
    return max(found)[1:] if found else None


def _extremes(unit: Unit, which: tuple[int, int, int], days: range) -> Iterator[tuple[int, int]]:
    """Yield days with their value farthest from zero, of blocks that are at least so wide; `which`: as WIDE asks."""
    for table in ("block", "block_version"):
        for at in range(0, len(days), FEW):
            some = days[at : at + FEW]
            rows = unit.fetch(WIDE.format(table=table, days=marks(len(some))), (*which, *some))
            for day, width, counts in rows:
                integers = np.frombuffer(counts, DTYPE[width])
                known = integers[integers != NOTHING[width]]
                if known.size:
                    yield day, int(known[np.argmax(np.abs(known))])
