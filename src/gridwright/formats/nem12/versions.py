"""Several versions of a day in one piece of a file: the one that the provider updated last counts.

AEMO MDFF, record 300: UpdateDateTime tells when the day's values or quality methods were last updated. What cannot be
read of the last version is taken from the one before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.formats.nem12.days import Days
from gridwright.formats.nem12.layout import BLANK, Index, Layout
from gridwright.formats.nem12.numbers import WORD, words

CHANNEL, DAY, EVENT = 200, 300, 400
UPDATED = 5  # fields behind the last value: quality method, reason code and text are between
SECONDS = 14  # digits of yyyymmddhhmmss; a stamp may end with the day or the minute


Trial = Callable[[Index, int], Days]  # decodes days, by their numbers, that have so many values


@dataclass(frozen=True, slots=True, eq=False)
class Fill:
    """Values of earlier versions for some slots of a day whose own cannot be read."""

    slots: Index
    values: npt.NDArray[np.float64]
    quality: q.Qualities


@dataclass(slots=True)
class Chosen:
    """Lines of day records: `replaced` by a later version; `unread` later ones, whose earlier version is taken.

    `fills`: by the line of the version that counts, what is taken from earlier ones.
    """

    replaced: list[int] = field(default_factory=list)
    unread: list[int] = field(default_factory=list)
    fills: dict[int, Fill] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class _Several:
    """Days of which there are several versions, each stamped: number of the day, which versions are one's, stamp."""

    row: Index
    group: Index
    stamp: Index

    def of(self, which: npt.NDArray[np.bool_]) -> _Several:
        return _Several(self.row[which], self.group[which], self.stamp[which])


def leave_out_older(whole: Layout, days: Index, series: Index, slots: Index, trial: Trial) -> Chosen:
    """Blank the day records, with their 400 records, of which a later version can be read; tell what was chosen.

    `series`: number of the series of each day, -1 where it has none; `slots`: how many values it has. Where a stamp is
    lacking, or two are equal, nothing tells, and all stay.
    """
    several, chosen = _told_apart(_several(whole, days, series, slots), days, slots, trial), Chosen()
    if several.row.size:
        last = np.zeros(several.group.max() + 1, np.int64)
        np.maximum.at(last, several.group, several.stamp)
        newest = several.stamp == last[several.group]
        settled = np.zeros(last.size, np.bool_)
        settled[several.group[newest][_clean(several.row[newest], days, slots, trial)]] = True
        chosen.replaced += days[several.row[settled[several.group] & ~newest]].tolist()
        blanked = chosen.replaced + _by_values(several.of(~settled[several.group]), days, slots, trial, chosen)
        blank(whole, np.array(sorted(blanked), np.int64))
        chosen.replaced.sort()
    return chosen


def blank(whole: Layout, lines: Index) -> None:
    """Take day records out of a layout, with the 400 records below them."""
    at = np.arange(whole.kind.size)
    above = np.maximum.accumulate(np.where((whole.kind == DAY) | (whole.kind == CHANNEL), at, -1))
    whole.kind[np.isin(above, lines) & np.isin(whole.kind, (DAY, EVENT))] = BLANK


def _clean(rows: Index, days: Index, slots: Index, trial: Trial) -> npt.NDArray[np.bool_]:
    """Tell which days can be read without a reject."""
    clean = [read.line[~read.wrong.any(axis=1)] for read in _read(rows, slots, trial)]
    return np.isin(days[rows], np.concatenate(clean))


def _read(rows: Index, slots: Index, trial: Trial) -> Iterator[Days]:
    for count in np.unique(slots[rows]).tolist():
        yield trial(rows[slots[rows] == count], count)


def _by_values(several: _Several, days: Index, slots: Index, trial: Trial, chosen: Chosen) -> list[int]:
    """Choose where the newest version has rejects: the newest that is a day counts, and earlier ones fill it.

    Returns the lines of those earlier ones.
    """
    if not several.row.size:
        return []
    read = {line: (part, at) for part in _read(several.row, slots, trial) for at, line in enumerate(part.line.tolist())}
    versions: dict[int, list[tuple[int, int]]] = {}
    for row, group, stamp in zip(several.row, several.group.tolist(), several.stamp.tolist(), strict=True):
        versions.setdefault(group, []).append((stamp, int(days[row])))
    blanked: list[int] = []
    for each in versions.values():
        level = max((stamp for stamp, line in each if line in read), default=0)
        earlier = [line for stamp, line in sorted(each, reverse=True) if stamp < level]
        counting = [line for stamp, line in each if stamp == level and line in read]
        fills = {line: fill for line in counting if (fill := _fill(line, earlier, read)) is not None}
        chosen.fills |= fills
        chosen.unread += [line for stamp, line in each if level and stamp > level]
        chosen.replaced += [] if fills else earlier
        blanked += earlier
    return blanked


def _fill(line: int, earlier: list[int], read: dict[int, tuple[Days, int]]) -> Fill | None:
    """Return what earlier versions, the newest first, have where a day's own values cannot be read."""
    day, at = read[line]
    left, values, quality = day.wrong[at].copy(), day.values[at].copy(), day.quality[at].copy()
    for other in earlier:
        part, place = read.get(other, (day, at))
        if part.values.shape[1] == left.size:
            take = left & ~np.isnan(part.values[place])
            values[take], quality[take] = part.values[place][take], part.quality[place][take]
            left &= ~take
    taken = np.flatnonzero(day.wrong[at] & ~left)
    return Fill(taken, values[taken], quality[taken]) if taken.size else None


def _several(whole: Layout, days: Index, series: Index, slots: Index) -> _Several:
    start, end = whole.field_bounds(days, 1)
    dated = np.flatnonzero((end - start == WORD) & (series >= 0))
    date = words(whole.text)[start[dated]]
    order = np.lexsort((date, series[dated]))
    chosen, date = dated[order], date[order]
    again = (series[chosen][1:] == series[chosen][:-1]) & (date[1:] == date[:-1])
    if not again.any():
        return _Several(*[np.zeros(0, np.int64)] * 3)
    group = np.r_[0, np.cumsum(~again)]
    several = np.isin(group, group[1:][again])
    rows, group = chosen[several], group[several]
    stamp = _stamps(whole, days[rows], slots[rows])
    _, which = np.unique(group, return_inverse=True)
    return _Several(rows, which, stamp)


def _told_apart(several: _Several, days: Index, slots: Index, trial: Trial) -> _Several:
    """Return those whose stamps tell which is later; one that is no day, its fields out of place, has no say in it."""
    blank = several.stamp == 0
    if blank.any():
        read = [part.line for part in _read(several.row[blank], slots, trial)]
        several = several.of(~blank | np.isin(days[several.row], np.concatenate(read)))
    if not several.row.size:
        return several
    _, which = np.unique(several.group, return_inverse=True)
    last, first = np.zeros(which.max() + 1, np.int64), np.full(which.max() + 1, np.iinfo(np.int64).max)
    np.maximum.at(last, which, several.stamp)
    np.minimum.at(first, which, several.stamp)
    return several.of((first[which] > 0) & (first[which] < last[which]))


def _stamps(whole: Layout, lines: Index, slots: Index) -> npt.NDArray[np.int64]:
    """Return the UpdateDateTime of each day as a number of fourteen digits, 0 where there is none."""
    start, end = whole.field_bounds(lines, slots + UPDATED)
    texts = (whole.text[one:other].tobytes() for one, other in zip(start.tolist(), end.tolist(), strict=True))
    digits = (text if text.isdigit() and len(text) in {8, 12, SECONDS} else b"" for text in texts)
    return np.array([int(text.ljust(SECONDS, b"0")) for text in digits], np.int64)
