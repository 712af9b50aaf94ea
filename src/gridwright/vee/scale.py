"""E08: make what lies between register reads sum to what the registers say, each time-of-use register by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.finding import Finding
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import ReadingType
from gridwright.vee.closure import close_to, shift_to
from gridwright.vee.cuts import Cuts, cuts_of
from gridwright.vee.grids import Grid
from gridwright.vee.margins import in_agreement
from gridwright.vee.registers import Registers
from gridwright.vee.runs import Floats, Index, Mask
from gridwright.vee.spans import Cells, Spans, spans_of
from gridwright.vee.steps import steps_of
from gridwright.vee.sum_check import not_scaled, sum_finding
from gridwright.vee.tou import Bucket
from gridwright.vee.wall import WallClock
from gridwright.vee.work import Work

Found = list[tuple[int, Finding]]
Buckets = Mapping[str, Sequence[Bucket]]
Counted = tuple[Cuts, Mask | None]  # what a register tells, and the cells in which it counts; None: all


def register_cuts(panel: Panel, registers: Registers, capacity_kw: Mapping[str, float]) -> Cuts:
    """Return what the registers of a panel tell on its grid."""
    steps = steps_of(panel, registers, capacity_kw)
    return cuts_of(steps, Grid.of([panel]), panel.reading_type.resolution)


def bucket_cuts(
    panel: Panel, wall: WallClock, buckets: Buckets, registers: Registers, capacity_kw: Mapping[str, float]
) -> list[Counted]:
    """Return what each time-of-use register of the rows tells, and the cells in which it counts."""
    found: list[Counted] = []
    for bucket in dict.fromkeys(one for point in panel.points for one in buckets.get(point, ())):
        mine = np.array([bucket in buckets.get(point, ()) for point in panel.points])
        named = replace(panel, reading_type=replace(panel.reading_type, channel=bucket.channel))
        found.append((register_cuts(named, registers, capacity_kw), mine[:, None] & bucket.mask(wall)[None]))
    return found


def close_all(work: Work, buckets: Sequence[Counted]) -> Found:
    """Close time-of-use registers first, then the total; what one closed is known to the next.

    Where a register by time of use is read less often than the total one both are closed together.
    """
    done = np.zeros(work.open.shape, np.bool_)
    seed = work.shape.copy() if buckets else work.shape
    findings = [found for register in buckets for found in _close_one(work, register, done)]
    if buckets and not is_signed(work.panel.reading_type):
        _agree(work, buckets, seed, done)
    return [*findings, *_close_one(work, (work.cuts, None), done)]


def _close_one(work: Work, register: Counted, done: Mask) -> Found:
    cuts, counts = register
    cells = work.cells(counts, done)
    spans = spans_of(cuts, cells, work.panel.reading_type)
    spans = spans.where(spans.open > 0)
    at = close(cells, spans, work.shape, work.panel.reading_type)
    work.method[at], done[at] = q.Method.SCALED, True
    return _not_scaled(work.panel, spans)


def _agree(work: Work, buckets: Sequence[Counted], seed: Floats, done: Mask) -> None:
    """Close the rows anew in which what time-of-use registers closed is not what the total one tells."""
    kind, nothing = work.panel.reading_type, np.zeros(done.shape, np.bool_)
    every = [(cuts, work.cells(counts, nothing)) for cuts, counts in (*buckets, (work.cuts, None))]
    for row in np.flatnonzero(done.any(axis=1)).tolist():
        own = [cells.of(row) for _, cells in every]
        *parts, whole = (
            (mine, spans_of(cuts.of(np.array([row])), mine, kind)) for mine, (cuts, _) in zip(own, every, strict=True)
        )
        made = in_agreement(parts, whole, seed[row], work.shape[row], done[row])
        if made is not None:
            at, values = made
            work.shape[row, at], work.method[row, at], done[row, at] = values, q.Method.SCALED, True


def close(cells: Cells, spans: Spans, shape: Floats, kind: ReadingType) -> tuple[Index, Index]:
    """Scale the open cells of spans to what is left for them, in place; returns which. Less than nothing is not."""
    signed = is_signed(kind)
    spans = spans.where((spans.open > 0) & (signed | (spans.left >= 0)))
    row, slot = spans.runs.cells()
    mine, span = cells.open[row, slot], np.repeat(np.arange(spans.size), spans.runs.length)
    row, slot = row[mine], slot[mine]
    if row.size:
        fit = shift_to if signed else close_to
        shape[row, slot] = fit(np.nan_to_num(shape[row, slot]), span[mine], spans.left)
    return row, slot


def is_signed(kind: ReadingType) -> bool:
    """Tell whether less than nothing may be counted."""
    return kind.flow not in {"delivered", "received"}


def _not_scaled(panel: Panel, spans: Spans) -> Found:
    """Return a finding for each span in which more is known than the registers tell."""
    if is_signed(panel.reading_type):
        return []
    found = []
    for at in np.flatnonzero(spans.left < 0).tolist():
        where = (int(spans.row[at]), int(spans.first[at]), int(spans.last[at]))
        held, energy, limit = (float(each[at]) for each in (spans.known, spans.energy, spans.tolerance))
        told = not_scaled(held, energy, limit, panel.reading_type)
        found.append((where[0], sum_finding(panel, where, told)))
    return found
