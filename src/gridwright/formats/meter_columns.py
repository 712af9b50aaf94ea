"""Columns of a table that say how the meter counts: its multiplier and its dials, over the rows that say so."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gridwright.domain.interval import Interval, from_epoch_s
from gridwright.domain.told import ToldConfiguration
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
            number, period = known[code], Interval(from_epoch_s(first), from_epoch_s(last))
            if number is None or first == last:
                continue
            if role == "multiplier":
                yield ToldConfiguration(placed.points[point], period, multiplier=number)
            else:
                yield ToldConfiguration(placed.points[point], period, dials=int(number))


def _spans(
    point: npt.NDArray[np.int32], code: npt.NDArray[np.int32], at: npt.NDArray[np.int64], length: npt.NDArray[np.int64]
) -> Iterator[tuple[int, int, int, int]]:
    """Yield (usage point, word, from, to) of each pair that occurs."""
    if not point.size:
        return
    key = point.astype(np.int64) * (int(code.max()) + 1) + code
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(key[order]) != 0])
    first = np.minimum.reduceat(at[order], starts)
    last = np.maximum.reduceat((at + length)[order], starts)
    for place, begin, end in zip(order[starts].tolist(), first.tolist(), last.tolist(), strict=True):
        yield int(point[place]), int(code[place]), begin, end


def _number(role: str, word: str) -> Decimal | None:
    try:
        number = Decimal(word.strip().replace(",", "."))
    except InvalidOperation:
        return None
    if not number.is_finite() or number <= 0:
        return None
    whole = role == "multiplier" or (number == int(number) and number <= MOST_DIALS)
    return number if whole else None
