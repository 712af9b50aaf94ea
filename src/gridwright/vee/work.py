"""Work: the rows of a panel that have gaps, what is known beside them, and what the methods fill in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.vee.runs import Floats, Index, Mask
from gridwright.vee.segments import Segments

Methods = npt.NDArray[np.uint8]
Outages = Mapping[str, Sequence[Interval]]


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """The rows of a part that have gaps: `known` values (NaN elsewhere), `open` gaps, `outage`, and what is estimated.

    `within`: the segment between two register reads in which each slot lies, -1 where it lies in none. `shape` and
    `method` are filled in place, one method after the other.
    """

    panel: Panel
    known: Floats
    open: Mask
    outage: Mask
    shape: Floats
    method: Methods
    segments: Segments
    within: npt.NDArray[np.int32]

    def set(self, cells: tuple[Index, Index], values: Floats, method: q.Method | Methods) -> None:
        """Fill those cells for which `values` is a number."""
        at = cells[0] * self.shape.shape[1] + cells[1]
        kinds = np.broadcast_to(np.asarray(method, np.uint8), values.shape)
        good = ~np.isnan(values)
        if not good.all():
            at, values, kinds = at[good], values[good], kinds[good]
        self.shape.ravel()[at] = values
        self.method.ravel()[at] = kinds

    def unfilled(self) -> tuple[Index, Index]:
        """Return the open cells without an estimate."""
        row, slot = np.nonzero(self.open & np.isnan(self.shape))
        return row, slot


def gaps_of(panel: Panel, rows: Index, *, again: bool) -> Mask:
    """Return which slots are to be estimated."""
    asked = (*q.GAPS, q.Status.ESTIMATED) if again else q.GAPS
    return np.asarray(np.isnan(panel.values[rows]) | q.has_status(panel.quality[rows], asked))


def work_of(some: Panel, gaps: Mask, local: Segments, outages: Outages) -> Work:
    """Prepare the rows of `some`; gaps in an outage are zero from the start (E07)."""
    out = _outage_mask(some, outages)
    known = np.where(q.has_status(some.quality, q.TRUSTED) & ~gaps & ~out, some.values, np.nan)
    shape = np.where(gaps & out, 0.0, np.nan)
    method = np.where(gaps & out, np.uint8(q.Method.ZERO), np.uint8(q.Method.NONE))
    open_ = gaps & ~out
    return Work(some, known, open_, out, shape, method, local, segment_of(open_, local))


def _outage_mask(panel: Panel, outages: Outages) -> Mask:
    mask = np.zeros(panel.values.shape, np.bool_)
    for row, point in enumerate(panel.points):
        for period in outages.get(point, ()):
            first = max(0, -((panel.start - period.start) // panel.interval))
            mask[row, first : max(0, (period.end - panel.start) // panel.interval)] = True
    return mask


def segment_of(open_: Mask, segments: Segments) -> npt.NDArray[np.int32]:
    """Return the segment of each slot, -1 where it lies in none; only segments with open gaps are laid."""
    within = np.full(open_.shape, -1, np.int32)
    if segments.size == 0:
        return within
    lacking = np.zeros((open_.shape[0], open_.shape[1] + 1), np.intp)
    np.cumsum(open_, axis=1, out=lacking[:, 1:])
    wanted = np.flatnonzero(lacking[segments.row, segments.last] > lacking[segments.row, segments.first])
    chosen = segments.where(np.isin(np.arange(segments.size), wanted))
    within[chosen.runs.cells()] = np.repeat(wanted, chosen.runs.length)
    return within
