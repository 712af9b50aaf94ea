"""Several versions of a day in one piece of a file: the one that the provider updated last counts.

AEMO MDFF, record 300: UpdateDateTime tells when the day's values or quality methods were last updated.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gridwright.formats.nem12.layout import BLANK, Index, Layout
from gridwright.formats.nem12.numbers import WORD, words

CHANNEL, DAY, EVENT = 200, 300, 400
UPDATED = 5  # fields behind the last value: quality method, reason code and text are between
SECONDS = 14  # digits of yyyymmddhhmmss; a stamp may end with the day or the minute


def leave_out_older(whole: Layout, days: Index, series: Index, slots: Index) -> Index:
    """Blank the day records, with their 400 records, of which a later version is there; return their lines.

    `series`: number of the series of each day, -1 where it has none; `slots`: how many values it has. Where a stamp is
    lacking, or two are equal, nothing tells, and all stay.
    """
    older = _older(whole, days, series, slots)
    if older.size:
        at = np.arange(whole.kind.size)
        above = np.maximum.accumulate(np.where((whole.kind == DAY) | (whole.kind == CHANNEL), at, -1))
        whole.kind[np.isin(above, older) & np.isin(whole.kind, (DAY, EVENT))] = BLANK
    return older


def _older(whole: Layout, days: Index, series: Index, slots: Index) -> Index:
    start, end = whole.field_bounds(days, 1)
    dated = np.flatnonzero((end - start == WORD) & (series >= 0))
    date = words(whole.text)[start[dated]]
    order = np.lexsort((date, series[dated]))
    chosen, date = dated[order], date[order]
    again = (series[chosen][1:] == series[chosen][:-1]) & (date[1:] == date[:-1])
    if not again.any():
        return np.zeros(0, np.int64)
    group = np.r_[0, np.cumsum(~again)]
    several = np.isin(group, group[1:][again])
    rows, group = chosen[several], group[several]
    stamp = _stamps(whole, days[rows], slots[rows])
    _, which = np.unique(group, return_inverse=True)
    last, first = np.zeros(which.max() + 1, np.int64), np.full(which.max() + 1, np.iinfo(np.int64).max)
    np.maximum.at(last, which, stamp)
    np.minimum.at(first, which, stamp)
    return np.sort(days[rows[(first[which] > 0) & (stamp < last[which])]])


def _stamps(whole: Layout, lines: Index, slots: Index) -> npt.NDArray[np.int64]:
    """Return the UpdateDateTime of each day as a number of fourteen digits, 0 where there is none."""
    start, end = whole.field_bounds(lines, slots + UPDATED)
    texts = (whole.text[one:other].tobytes() for one, other in zip(start.tolist(), end.tolist(), strict=True))
    digits = (text if text.isdigit() and len(text) in {8, 12, SECONDS} else b"" for text in texts)
    return np.array([int(text.ljust(SECONDS, b"0")) for text in digits], np.int64)
