"""E08 over seams, where the interval length changes: what reads on both sides tell is closed as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.finding import Finding
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.vee.chains import Chain, Line, chains_of, line_of
from gridwright.vee.closure import close_to, shift_to
from gridwright.vee.exchanges import BEGUN_ANEW
from gridwright.vee.registers import Registers
from gridwright.vee.runs import Floats, Index, Mask
from gridwright.vee.segments import NEAR, OFF_GRID
from gridwright.vee.steps import Steps, steps_of, unread
from gridwright.vee.strays import MOST
from gridwright.vee.sum_check import CODE, apart, not_scaled

Found = list[tuple[int, Finding]]


@dataclass(frozen=True, slots=True)
class Span:
    """Cells `first`..`last` - 1 of a line, and what reads tell of them, in counts.

    `off`: how far both reads are off the grid, in cells. `tolerance`: of the sum, without what that adds.
    """

    first: int
    last: int
    energy: float
    off: tuple[float, float]
    tolerance: float


def close_over_seams(
    panels: Sequence[Panel], registers: Registers, capacities: Callable[[Panel], Mapping[str, float]]
) -> tuple[list[Panel], Found]:
    """Close estimated panels over their seams; returns them all, and doubts with the number of a panel.

    What lies between two reads within a panel is closed already (`estimate`). All that was estimated between the reads
    nearest to a seam is scaled to what these tell, in whole counts on whatever grid; where they tell less than is
    known, or deny what was measured, it is a V30 doubt. A panel of which nothing changes is returned as it is.
    `capacities`: tells what the connections of a panel's usage points carry, in kW.
    """
    made, found = list(panels), Found()
    for kind, chains in chains_of(panels).items():
        nothing = unread([panels[chain[0][0]].points[chain[0][1]] for chain in chains], kind)
        steps = steps_of(nothing, registers, capacities(nothing))
        for row, chain in enumerate(chains):
            line = line_of(panels, chain)
            for span in spans_of(line, steps, row):
                found += [(chain[0][0], doubt) for doubt in _close(line, span)]
            _lay(made, panels, chain, line)
    return made, found


def spans_of(line: Line, steps: Steps, row: int) -> Iterator[Span]:
    """Yield what the reads nearest to each seam tell of the cells between them; nothing where one lies on the seam."""
    mine = np.flatnonzero(steps.columns.row == row)
    if not mine.size:
        return
    edge, off = line.lay(steps.columns.at[mine])
    cuts = _nearest(edge, off)
    seams = line.edges[1:-1]
    behind = np.searchsorted(edge[cuts], seams)
    inside = (behind > 0) & (behind < cuts.size)
    inside[inside] = edge[cuts[behind[inside]]] > seams[inside]
    for at in np.unique(behind[inside]).tolist():
        ends = cuts[at - 1 : at + 1]
        if np.unique(edge[ends[0] : ends[1]]).size <= MOST:
            told = _told(steps, mine[ends[0]], mine[ends[1]])
            if told is not None:
                (first, last), (before, after) = edge[ends].tolist(), off[ends].tolist()
                tolerance = told[1] / line.kind.resolution + (last - first) / 2
                tolerance += OFF_GRID * abs(told[0]) if before or after else 0.0
                yield Span(first, last, told[0], (before, after), tolerance)


def _nearest(edge: Index, off: Floats) -> Index:
    """Return the places of reads on the grid, of several at one edge the nearest to it."""
    order = np.lexsort((off, edge))
    order = order[off[order] <= NEAR]
    return np.asarray(order[np.r_[True, np.diff(edge[order]) != 0]] if order.size else order, np.intp)


def _told(steps: Steps, first: int, last: int) -> tuple[float, float] | None:
    """Return the energy between two reads in counts, and the Wh of one digit; None where a step between is not known.

    An exchange, or a register that begins anew, is passed where both of its reads were taken at one instant.
    """
    begin, end = np.searchsorted(steps.before, (first, last))
    known = steps.known[begin:end]
    moment = np.isin(steps.kind[begin:end], BEGUN_ANEW) & (steps.since[begin:end] == steps.until[begin:end])
    if not (known | moment).all() or not known.any():
        return None
    lsb = max(
        steps.meters[counter].lsb_wh * factor
        for counter, factor in zip(steps.counter[begin:end].tolist(), steps.factor[begin:end].tolist(), strict=True)
    )
    return float(steps.energy[begin:end][known].sum()), lsb


def _close(line: Line, span: Span) -> Iterator[Finding]:
    """Scale what was estimated within a span to what is left for it; yields a doubt where that cannot be."""
    cells = slice(span.first, span.last)
    values, quality = line.values[cells], line.quality[cells]
    if np.isnan(values).any():  # a silence, of which nothing is said
        return
    open_: Mask = (q.status_of(quality) == q.Status.ESTIMATED) & (q.method_of(quality) != q.Method.ZERO)
    left = float(np.rint(span.energy - values[~open_].sum()))
    signed = line.kind.flow not in {"delivered", "received"}
    if open_.any() and (signed or left >= 0):
        fit = shift_to if signed else close_to
        values[open_] = fit(values[open_], np.zeros(int(open_.sum()), np.intp), np.array([left]))
        quality[open_] = q.pack(q.Status.ESTIMATED, q.Method.SCALED)
    elif open_.any() or abs(left) > _tolerance(line, span):
        yield _doubt(line, span, left, lacks=bool(open_.any()))


def _tolerance(line: Line, span: Span) -> float:
    """Return how far a sum may be off, with what reads off the grid shift it by (as `edge_energy`)."""
    found = span.tolerance
    for edge, off in zip((span.first, span.last), span.off, strict=True):
        found += 2 * off * float(np.abs(np.nan_to_num(line.values[max(edge - 1, 0) : edge + 1])).max(initial=0.0))
    return found


def _doubt(line: Line, span: Span, left: float, *, lacks: bool) -> Finding:
    tolerance, kind = _tolerance(line, span), line.kind
    told = not_scaled(-left, tolerance, kind) if lacks else apart(span.energy - left, span.energy, tolerance, kind)
    period = Interval(line.time(span.first), line.time(span.last))
    return Finding(CODE, line.point, period, *told, kind, span.last - span.first)


def _lay(made: list[Panel], panels: Sequence[Panel], chain: Chain, line: Line) -> None:
    """Write the cells of a line into the panels that they come from, where any of them changed."""
    for (at, row), (values, quality) in zip(chain, line.cut(), strict=True):
        old = made[at]
        if np.array_equal(old.values[row], values, equal_nan=True) and np.array_equal(old.quality[row], quality):
            continue
        if old is panels[at]:
            made[at] = old = old.with_values(old.values.copy(), old.quality.copy())
        old.values[row], old.quality[row] = values, quality
