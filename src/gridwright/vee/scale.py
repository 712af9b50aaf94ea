"""E08: make the periods between register reads sum to what the registers say, each time-of-use register by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.finding import Finding
from gridwright.domain.panel import Panel
from gridwright.vee.closure import close_to, shift_to
from gridwright.vee.exchanges import Kept, across_exchanges
from gridwright.vee.registers import Registers
from gridwright.vee.runs import Floats, Index, Mask
from gridwright.vee.segments import Segments, edge_energy, segments_of
from gridwright.vee.steps import steps_of
from gridwright.vee.strays import over_strays
from gridwright.vee.sum_check import not_scaled, sum_finding
from gridwright.vee.tou import Bucket
from gridwright.vee.wall import WallClock
from gridwright.vee.work import Work, segment_of

Found = list[tuple[int, Finding]]
Buckets = Mapping[str, Sequence[Bucket]]
Closed = tuple[Segments, Mask]


def register_segments(panel: Panel, registers: Registers, capacity_kw: Mapping[str, float], kept: Kept) -> Segments:
    """Return the periods between two reads that both lie on the panel's grid, or have an exchange between them.

    Reads that close no interval lie within them.
    """
    steps = over_strays(panel, steps_of(panel, registers, capacity_kw))
    segments = segments_of(panel, steps, [*across_exchanges(panel, registers, steps, kept)])
    return segments.where(segments.aligned)


def bucket_segments(
    work: Work, wall: WallClock, buckets: Buckets, registers: Registers, capacity_kw: Mapping[str, float]
) -> list[Closed]:
    """Return for each time-of-use register of the rows its periods, and the cells in which it counts."""
    found: list[Closed] = []
    panel = work.panel
    for bucket in dict.fromkeys(one for point in panel.points for one in buckets.get(point, ())):
        mine = np.array([bucket in buckets.get(point, ()) for point in panel.points])
        named = replace(panel, reading_type=replace(panel.reading_type, channel=bucket.channel))
        counts = mine[:, None] & bucket.mask(wall)[None]
        segments = register_segments(named, registers, capacity_kw, partial(_kept_of, work, counts))
        found.append((segments.where(mine[segments.row]), counts))
    return found


def _kept_of(work: Work, counts: Mask, row: int) -> Floats:
    """Return what a time-of-use register knows of the slots of a row, NaN where it counts and all is open."""
    known = np.where(work.open[row], np.nan, np.where(np.isnan(work.shape[row]), work.panel.values[row], 0.0))
    return np.where(counts[row], known, 0.0)


def close_all(work: Work, buckets: Sequence[Closed]) -> Found:
    """Close time-of-use registers first, then the total; what one closed is known to the next."""
    done = np.zeros(work.open.shape, np.bool_)
    findings: Found = []
    for segments, counts in buckets:
        findings += _close(work, segments, counts, done)
    return [*findings, *_close(work, work.segments, None, done)]


def _close(work: Work, segments: Segments, counts: Mask | None, done: Mask) -> Found:
    """Scale the open cells that count in each segment to its residual; a negative residual is a finding."""
    cells = work.open & ~done if counts is None else work.open & ~done & counts
    within = work.within if counts is None else segment_of(cells, segments)
    row, slot = np.nonzero(cells & (within >= 0))
    if row.size == 0:
        return []
    which, segment = np.unique(within[row, slot], return_inverse=True)
    chosen = segments.where(np.isin(np.arange(segments.size), which))
    residual = np.rint(chosen.energy - _kept(work, chosen, counts, done))
    signed = work.panel.reading_type.flow not in {"delivered", "received"}
    findings = [] if signed else _residual_findings(work.panel, chosen, residual)
    good = (residual >= 0)[segment] | signed
    row, slot = row[good], slot[good]
    if row.size:
        fit = shift_to if signed else close_to
        work.shape[row, slot] = fit(np.nan_to_num(work.shape[row, slot]), segment[good], residual)
        work.method[row, slot] = q.Method.SCALED
        done[row, slot] = True
    return findings


def _kept(work: Work, segments: Segments, counts: Mask | None, done: Mask) -> Floats:
    """Return the energy of each segment that is not to be scaled: measured, decided, zero by outage, or closed before.

    A time-of-use register knows of the cells in which it counts only.
    """
    kept = np.where(work.open | ~np.isnan(work.shape), 0.0, work.panel.values)
    kept = np.where(done, work.shape, kept)
    if counts is not None:
        kept = np.where(counts, kept, 0.0)
    total = np.zeros((kept.shape[0], kept.shape[1] + 1))
    np.cumsum(kept, axis=1, out=total[:, 1:])
    return np.asarray(total[segments.row, segments.last] - total[segments.row, segments.first])


def _residual_findings(panel: Panel, segments: Segments, residual: Floats) -> Found:
    found = []
    tolerance = segments.tolerance + edge_energy(panel, segments)
    for at in np.flatnonzero(residual < 0).tolist():
        where = (int(segments.row[at]), int(segments.first[at]), int(segments.last[at]))
        told = not_scaled(-float(residual[at]), float(tolerance[at]), panel.reading_type)
        found.append((where[0], sum_finding(panel, where, told)))
    return found


def local_segments(segments: Segments, rows: Index) -> Segments:
    """Return the segments of some rows, numbered within them."""
    chosen = segments.where(np.isin(segments.row, rows))
    return replace(chosen, row=np.searchsorted(rows, chosen.row))
