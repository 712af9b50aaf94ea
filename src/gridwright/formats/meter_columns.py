"""Columns of a table that say how the meter counts: its multiplier and its dials, over the rows that say so."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gridwright.domain.told import ToldConfiguration
from gridwright.formats.spans import spans_of
from gridwright.formats.text import shortened

if TYPE_CHECKING:
    from gridwright.formats.layout import Batch, Layout
    from gridwright.formats.row_verdicts import Verdicts
    from gridwright.formats.table import Labels, Placed

MOST_DIALS = 15


def told_by_columns(
    layout: Layout, batch: Batch, placed: Placed, columns: dict[str, Labels], verdicts: Verdicts
) -> Iterator[ToldConfiguration]:
    """Yield what the columns `multiplier` and `dials` say of each usage point; what is no number tells nothing."""
    rows = np.flatnonzero(placed.usable[: batch.rows])
    length = np.broadcast_to(np.asarray(placed.length, np.int64), placed.at.shape)
    lasting = np.full(placed.at.shape, 86_400, np.int64) if layout.slots else length
    for role, labels in columns.items():
        known = {code: _number(role, word) for code, word in enumerate(labels.words)}
        strange = [word for code, word in enumerate(labels.words) if word and known[code] is None]
        if strange:
            shown = ", ".join(repr(shortened(word, 40)) for word in strange[:5])
            verdicts.note(f"{role} not read: {shown}; write a number above 0")
        for point, code, first, last in _spans(placed.point[rows], labels.code[rows], placed.at[rows], lasting[rows]):
            number = known[code]
            if number is None or first == last:
                continue
            if role == "multiplier":
                yield ToldConfiguration(placed.points[point], first, last, multiplier=number)
            else:
                yield ToldConfiguration(placed.points[point], first, last, dials=int(number))


def _spans(
    point: npt.NDArray[np.int32], code: npt.NDArray[np.int32], at: npt.NDArray[np.int64], length: npt.NDArray[np.int64]
) -> Iterator[tuple[int, int, int, int]]:
    """Yield (usage point, word, from, to) of each pair that occurs."""
    if not point.size:
        return
    words = int(code.max()) + 1
    for key, begin, end in spans_of(point.astype(np.int64) * words + code, at, at + length):
        yield key // words, key % words, begin, end


def _number(role: str, word: str) -> Decimal | None:
    try:
        number = Decimal(word.strip().replace(",", "."))
    except InvalidOperation:
        return None
    if not number.is_finite() or number <= 0:
        return None
    whole = role == "multiplier" or (number == int(number) and number <= MOST_DIALS)
    return number if whole else None
