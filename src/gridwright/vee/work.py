"""Work: the rows of a panel that have gaps, what is known beside them, and what the methods fill in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.vee.cuts import Cuts
from gridwright.vee.runs import Floats, Index, Mask, Runs, runs_at
from gridwright.vee.spans import Cells, Spans, spans_of

Methods = npt.NDArray[np.uint8]
Outages = Mapping[str, Sequence[Interval]]


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """The rows of a part that have gaps: `known` values (NaN elsewhere), `open` gaps, `outage`, and what is estimated.

    `asked`: where the gaps are, `at`: where those are that are open (row · slots + slot, rising; few of many cells).
    `cuts`: what its registers tell, `within`: the span of them that is closed as one in which each open slot lies, -1
    where it lies in none. `shape` and `method` are filled in place, one method after the other.
    """

    panel: Panel
    known: Floats
    open: Mask
    outage: Mask
    shape: Floats
    method: Methods
    cuts: Cuts
    within: npt.NDArray[np.int32]
    asked: Index
    at: Index

    def cells(self, counts: Mask | None, done: Mask) -> Cells:
        """Return what is known, and open but not `done`; of a register that `counts` in some slots of these alone."""
        known = np.where(self.open | ~np.isnan(self.shape), 0.0, self.panel.values)
        known, open_ = np.where(done, self.shape, known), self.open & ~done
        return Cells(known, open_) if counts is None else Cells(np.where(counts, known, 0.0), open_ & counts)

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
        return np.divmod(self._unfilled(), self.shape.shape[1])

    def run_of(self, row: Index, slot: Index) -> Index:
        """Return in which of the `open_runs` each open cell lies."""
        runs, slots = self.open_runs(), self.shape.shape[1]
        return np.asarray(np.searchsorted(runs.row * slots + runs.first, row * slots + slot, side="right") - 1, np.intp)

    def unfilled_runs(self) -> Runs:
        """Return the runs of open cells without an estimate."""
        return runs_at(self._unfilled(), self.shape.shape[1])

    def open_runs(self) -> Runs:
        """Return the runs of open cells, with an estimate or without."""
        return runs_at(self.at, self.shape.shape[1])

    def filled(self) -> tuple[Index, Index]:
        """Return the cells that have an estimate."""
        return np.divmod(self.asked[~np.isnan(self.shape.ravel()[self.asked])], self.shape.shape[1])

    def _unfilled(self) -> Index:
        return self.at[np.isnan(self.shape.ravel()[self.at])]


def gaps_of(panel: Panel, rows: Index, *, again: bool) -> Mask:
    """Return which slots are to be estimated."""
    asked = (*q.GAPS, q.Status.ESTIMATED) if again else q.GAPS
    return np.asarray(np.isnan(panel.values[rows]) | q.has_status(panel.quality[rows], asked))


def work_of(some: Panel, gaps: Mask, cuts: Cuts, outages: Outages) -> Work:
    """Prepare the rows of `some`, with the cuts of their registers; gaps in an outage are zero from the start (E07)."""
    out = outage_mask(some, outages)
    asked, dark = np.flatnonzero(gaps), out.any()
    open_ = gaps & ~out if dark else gaps
    known = some.values.copy()
    known[~q.has_status(some.quality, q.TRUSTED) | gaps | out] = np.nan
    shape = np.full(gaps.shape, np.nan)
    method = np.full(gaps.shape, np.uint8(q.Method.NONE))
    at = asked
    if dark:
        zero = out.ravel()[asked]
        shape.ravel()[asked[zero]], method.ravel()[asked[zero]] = 0.0, np.uint8(q.Method.ZERO)
        at = asked[~zero]
    held = np.where(gaps, 0.0, some.values)
    within = _within(open_, spans_of(cuts, Cells(held, open_), some.reading_type))
    return Work(some, known, open_, out, shape, method, cuts, within, asked, at)


def outage_mask(panel: Panel, outages: Outages, measured: tuple[q.Status, ...] = q.MEASURED) -> Mask:
    """Tell which slots lie wholly in a known outage.

    Where energy was measured there was power: a report of its return was lost, and the outage ended before the first
    such slot, or it is another one, which began behind the last. `measured`: what counts as that.
    """
    mask = np.zeros(panel.values.shape, np.bool_)
    for row, point in enumerate(panel.points):
        for period in outages.get(point, ()):
            first = max(0, -((panel.start - period.start) // panel.interval))
            last = max(first, (period.end - panel.start) // panel.interval)
            mask[row, first:last] = True
            flowing = first + np.flatnonzero(_flows(panel, row, slice(first, last), measured))
            if flowing.size:
                mask[row, flowing[0] : flowing[-1] + 1] = False
    return mask


def dim(work: Work, outages: Outages) -> None:
    """Take from the estimates of slots that outages cut the share in which there was no power.

    What the check meter tells is left as it is: it was without power too.
    """
    start, step, slots = work.panel.start, work.panel.interval, work.open.shape[1]
    dark: dict[tuple[int, int], float] = {}
    for row, point in enumerate(work.panel.points):
        for period in outages.get(point, ()):
            for slot in {(edge - start) // step for edge in (period.start, period.end)}:
                if not 0 <= slot < slots:
                    continue
                begin = start + slot * step
                share = (min(period.end, begin + step) - max(period.start, begin)) / step
                dark[row, slot] = dark.get((row, slot), 0.0) + share
    for cell, share in dark.items():
        if work.open[cell] and work.method[cell] != q.Method.CHECK_METER:
            work.shape[cell] *= max(1 - share, 0.0)


def _flows(panel: Panel, row: int, at: slice, measured: tuple[q.Status, ...]) -> Mask:
    """Tell where a row's energy was measured, and is not zero."""
    some = np.nan_to_num(panel.values[row, at]) != 0
    return np.asarray(some & q.has_status(panel.quality[row, at], measured))


def _within(open_: Mask, spans: Spans) -> npt.NDArray[np.int32]:
    """Return the span of each slot, -1 where it lies in none; only spans with open gaps are laid."""
    within = np.full(open_.shape, -1, np.int32)
    wanted = spans.open > 0
    chosen = spans.where(wanted)
    within[chosen.runs.cells()] = np.repeat(np.flatnonzero(wanted), chosen.runs.length)
    return within
