"""Circumstances laid on the rows and slots of a panel, so that rules can compare arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.errors import GridMismatch
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import ReadingType
from gridwright.vee.circumstances import NOTHING_KNOWN, Circumstances, Condition, StatusWords, Words
from gridwright.vee.runs import Floats, Index, Mask, lines
from gridwright.vee.work import outage_mask

# Of the meter, whatever was judged of it before: to judge again must find the same.
FROM_THE_METER = (*q.MEASURED, q.Status.REJECTED)


@dataclass(frozen=True, slots=True, eq=False)
class Sibling:
    """Another channel of the same usage points on the same grid: counts of its own type, NaN where it has none.

    `configured`: bool[rows], which usage points have it at all.
    """

    reading_type: ReadingType
    values: Floats
    configured: Mask

    def rows(self, which: Index) -> Sibling:
        """Return some rows."""
        at = lines(which)
        return Sibling(self.reading_type, self.values[at], self.configured[at])


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """What is known around a panel's rows; None where nothing is known of any row.

    `status`: uint32[rows, slots] of `Condition`. `outage`, `inactive`: bool[rows, slots]. `siblings`: other channels.
    `check`: the check meters' channel.
    """

    points: tuple[str, ...] = ()
    known: Circumstances = NOTHING_KNOWN
    status: Words | None = None
    outage: Mask | None = None
    inactive: Mask | None = None
    siblings: tuple[Sibling, ...] = ()
    check: Sibling | None = None

    def rows(self, which: Index) -> Surroundings:
        """Return what surrounds some rows."""
        if self.known is NOTHING_KNOWN:
            return self
        at = lines(which)
        return replace(
            self,
            points=tuple(map(self.points.__getitem__, which.tolist())),
            status=None if self.status is None else self.status[at],
            outage=None if self.outage is None else self.outage[at],
            inactive=None if self.inactive is None else self.inactive[at],
            siblings=tuple(sibling.rows(which) for sibling in self.siblings),
            check=None if self.check is None else self.check.rows(which),
        )


NO_SURROUNDINGS = Surroundings()


def lay(circumstances: Circumstances, panel: Panel) -> Surroundings:
    """Lay what is known on the rows and slots of `panel`; a channel on another grid is a GridMismatch."""
    if circumstances is NOTHING_KNOWN:
        return NO_SURROUNDINGS
    row_of = {point: row for row, point in enumerate(panel.points)}
    status = None if circumstances.status is None else _words(circumstances.status, panel, row_of)
    outage = outage_mask(panel, circumstances.outages, FROM_THE_METER) if circumstances.outages else None
    if status is not None:
        dark = (status & np.uint32(Condition.OUTAGE)) != 0
        outage = dark if outage is None else outage | dark
    own = panel.reading_type
    others = [other for other in circumstances.channels if other.reading_type != own]
    checks = [check for check in circumstances.checks if check.reading_type.finer(0) == own.finer(0)]
    return Surroundings(
        points=panel.points,
        known=circumstances,
        status=status,
        outage=outage,
        inactive=_mask(circumstances.inactive, panel, row_of),
        siblings=tuple(_sibling([other], panel, row_of) for other in others),
        check=_sibling(checks, panel, row_of) if checks else None,
    )


def _mask(periods: Mapping[str, Sequence[Interval]], panel: Panel, row_of: Mapping[str, int]) -> Mask | None:
    """Return bool[rows, slots]: which slots begin within a period of their usage point; None where none does."""
    found = [(row_of[point], period) for point, several in periods.items() if point in row_of for period in several]
    found = [(row, period) for row, period in found if period.overlaps(panel.period)]
    if not found:
        return None
    mask = np.zeros(panel.values.shape, np.bool_)
    for row, period in found:
        first, last = (max(-((panel.start - edge) // panel.interval), 0) for edge in (period.start, period.end))
        mask[row, first:last] = True
    return mask


def _words(status: StatusWords, panel: Panel, row_of: Mapping[str, int]) -> Words:
    if (status.start - panel.start) % panel.interval:
        raise GridMismatch(f"status words from {status.start.isoformat()} lie off the readings' grid")
    laid = np.zeros(panel.values.shape, np.uint32)
    begin = (status.start - panel.start) // panel.interval
    _copy(status.words, laid, _places(status.points, row_of), begin)
    return laid


def _sibling(others: Sequence[Panel], panel: Panel, row_of: Mapping[str, int]) -> Sibling:
    """Lay one channel, given in one panel or several, on the grid."""
    values = np.full(panel.values.shape, np.nan)
    configured = np.zeros(len(panel.points), np.bool_)
    for other in others:
        shift = other.start - panel.start
        if other.interval != panel.interval or shift % panel.interval:
            raise GridMismatch(f"{other!r} does not lie on the grid of {panel!r}")
        places = _places(other.points, row_of)
        _copy(other.values, values, places, shift // panel.interval)
        configured[places[places >= 0]] = True
    return Sibling(others[0].reading_type, values, configured)


def _places(points: Sequence[str], row_of: Mapping[str, int]) -> Index:
    return np.array([row_of.get(point, -1) for point in points], np.intp)


def _copy(source: npt.NDArray[np.generic], target: npt.NDArray[np.generic], places: Index, begin: int) -> None:
    """Copy rows to their places, the first column to slot `begin`; what lies outside the target is left out."""
    first, last = max(begin, 0), min(begin + source.shape[1], target.shape[1])
    here = np.flatnonzero(places >= 0)
    if first < last and here.size:
        target[places[here], first:last] = source[here, first - begin : last - begin]
