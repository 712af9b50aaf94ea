"""Registers by time of use beside intervals of all energy: what reads of them tell is a part of it, and no more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.interval import DAY_S, epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import ReadingType
from gridwright.jobs.load.counted_once import energy_of
from gridwright.vee import Ladder

# On that day or so many before it: a day is judged with these, and after them, so that no order matters.
SINCE_DAYS = 42
# And between two such days no farther apart: what lies between is a gap of all energy, and estimated as one.
BETWEEN_DAYS = Ladder().longest_days
Days = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def without_told_parts(panels: Sequence[Panel]) -> list[Panel]:
    """Return panels without what registers alone told of a channel on days before which all energy was measured.

    Two reads of each tariff within a gap would else take an hour out of it, on a grid of its own.
    """
    told = dict(_told(panels))
    return [part for at, panel in enumerate(panels) for part in (_without(panel, told[at]) if at in told else [panel])]


def told_parts(panels: Sequence[Panel]) -> list[Panel]:
    """Return when final images of channels hold nothing, as what was told is a part: a row each, without a value."""
    return [
        panel.rows([row]).slice(first, last).with_values(np.full((1, last - first), np.nan))
        for at, gone in _told(panels)
        for panel in (panels[at],)
        for row in np.flatnonzero(gone.any(axis=1)).tolist()
        for first, last in _around(panel, ~panel.missing[row], gone[row])
    ]


def _told(panels: Sequence[Panel]) -> Iterator[tuple[int, Mask]]:
    """Yield the places of panels that hold parts, and of which values they are."""
    if len({bool(panel.reading_type.channel) for panel in panels}) < 2:  # noqa: PLR2004 - with a channel, and without
        return
    measured = _measured(panels)
    for at, panel in enumerate(panels):
        kind = panel.reading_type
        whole = measured.get(energy_of(kind), {}) if kind.channel else {}
        rows = [row for row, point in enumerate(panel.points) if point in whole]
        gone = ~panel.missing & q.of_register(panel.quality)
        gone[np.setdiff1d(np.arange(len(panel.points)), rows)] = False
        days = _days(panel)
        for row in np.flatnonzero(gone.any(axis=1)).tolist():
            point = panel.points[row]
            own = measured.get(kind.finer(0), {}).get(point, np.zeros(0, np.int64))
            gone[row] &= _follows(days, whole[point]) & ~_follows(days, own)
        if gone.any():
            yield at, gone


def _measured(panels: Sequence[Panel]) -> dict[ReadingType, dict[str, Days]]:
    """Return on which days each channel of usage points was measured, and energy without one, by what it is."""
    found: dict[ReadingType, dict[str, Days]] = defaultdict(dict)
    for panel in panels:
        kind, known = panel.reading_type, ~panel.missing & ~q.of_register(panel.quality)
        mine = found[kind.finer(0) if kind.channel else energy_of(kind)]
        every = _days(panel)
        for row in np.flatnonzero(known.any(axis=1)).tolist():
            days, point = np.unique(every[known[row]]), panel.points[row]
            mine[point] = np.union1d(mine[point], days) if point in mine else days
    return found


def _days(panel: Panel) -> Days:
    return np.asarray((epoch_s(panel.start) + np.arange(panel.slots) * panel.interval_s) // DAY_S, np.int64)


def _follows(days: Days, measured: Days) -> Mask:
    """Tell which days are among some, or a few behind one of them, or in a gap between two."""
    if not measured.size:
        return np.zeros(days.size, np.bool_)
    at = np.searchsorted(measured, days, side="right") - 1
    next_ = measured[np.minimum(at + 1, measured.size - 1)]
    between = (next_ > days) & (next_ - measured[at] - 1 <= BETWEEN_DAYS)
    return np.asarray((at >= 0) & ((days - measured[at] <= SINCE_DAYS) | between))


def _without(panel: Panel, gone: Mask) -> list[Panel]:
    """Return a panel without some values, and without the rows of which none is left."""
    left = (~panel.missing & ~gone).any(axis=1) | ~gone.any(axis=1)
    if not left.any():
        return []
    quality = np.where(gone, np.uint8(q.MISSING), panel.quality)
    rest = panel.with_values(np.where(gone, np.nan, panel.values), quality)
    return [rest if left.all() else rest.rows(np.flatnonzero(left))]


def _around(panel: Panel, known: Mask, gone: Mask) -> Iterator[tuple[int, int]]:
    """Yield from which to which slot nothing is left around values that are parts: up to others, else their days."""
    kept = np.flatnonzero(known & ~gone)
    days = _days(panel)
    for some in np.split(at := np.flatnonzero(gone), np.flatnonzero(np.diff(np.searchsorted(kept, at))) + 1):
        place = int(np.searchsorted(kept, some[0]))
        first, last = np.searchsorted(days, [days[some[0]], days[some[-1]] + 1]).tolist()
        yield (
            int(kept[place - 1]) + 1 if place else first,
            int(kept[place]) if place < kept.size else last,
        )
