"""E08 over seams, where the interval length changes: what reads on both sides tell is closed as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.finding import Finding
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import ReadingType
from gridwright.vee.chains import Chain, Line, chains_of, line_of
from gridwright.vee.cuts import Cuts, cuts_of
from gridwright.vee.margins import Register, in_agreement
from gridwright.vee.registers import Registers
from gridwright.vee.runs import Floats, Mask
from gridwright.vee.scale import close, is_signed
from gridwright.vee.spans import Cells, Spans, spans_of
from gridwright.vee.steps import Steps, steps_of, unread
from gridwright.vee.sum_check import CODE, apart, not_scaled

Found = list[tuple[int, Finding]]
Capacities = Callable[[Panel], Mapping[str, float]]
# One row → bool[slots]: when each time-of-use register of its usage point counts, by the channel of its reads.
Counting = Callable[[Panel], Mapping[str, Mask]]


def always(part: Panel) -> Mapping[str, Mask]:
    """Tell that a usage point has no registers but the total ones."""
    del part
    return {}


def close_over_seams(
    panels: Sequence[Panel], registers: Registers, capacities: Capacities, counting: Counting = always
) -> tuple[list[Panel], Found]:
    """Close estimated panels over their seams; returns them all, and doubts with the number of a panel.

    What lies between two reads within a panel is closed already (`estimate`). All that was estimated between the reads
    nearest to a seam is scaled to what these tell, in whole counts on whatever grid, each time-of-use register by
    itself; where they tell less than is known, or deny what was measured, it is a V30 doubt. A panel of which nothing
    changes is returned as it is. `capacities`: tells what the connections of a panel's usage points carry, in kW.
    """
    made, found = list(panels), Found()
    for kind, chains in chains_of(panels).items():
        told = _Told([panels[chain[0][0]].points[chain[0][1]] for chain in chains], kind, registers, capacities)
        for row, chain in enumerate(chains):
            line = line_of(panels, chain)
            found += [(chain[0][0], doubt) for doubt in _close(line, told, row, counting)]
            _lay(made, panels, chain, line)
    return made, found


class _Told:
    """What the registers of some usage points tell, each asked once."""

    def __init__(self, points: Sequence[str], kind: ReadingType, registers: Registers, capacities: Capacities) -> None:
        self._nothing, self._registers, self._capacities = unread(points, kind), registers, capacities
        self._steps: dict[str, Steps] = {}

    def cuts(self, line: Line, row: int, channel: str) -> Cuts:
        """Return where the reads of a register cut the line of a usage point."""
        if channel not in self._steps:
            named = replace(self._nothing, reading_type=replace(self._nothing.reading_type, channel=channel))
            self._steps[channel] = steps_of(named, self._registers, self._capacities(named))
        return cuts_of(self._steps[channel].of(row), line.grid, line.kind.resolution)


def _close(line: Line, told: _Told, row: int, counting: Counting) -> Iterator[Finding]:
    """Close the registers by time of use, then the total one; what one closed is known to the next."""
    values, quality = line.values, line.quality
    open_ = (q.status_of(quality) == q.Status.ESTIMATED) & (q.method_of(quality) != q.Method.ZERO) & ~np.isnan(values)
    asked, seed, parts = open_.copy(), values.copy(), list[Register]()
    every = np.ones(values.shape, np.bool_)
    for channel, counts in [*_counting(line, counting), (line.kind.channel, every)]:
        cuts = told.cuts(line, row, channel)
        if channel != line.kind.channel:
            parts.append(_register(line, cuts, np.where(counts, seed, 0.0), asked & counts))
        elif parts:
            _agree(line, parts, _register(line, cuts, seed, asked), seed, open_)
        cells, spans = _register(line, cuts, np.where(counts, values, 0.0), open_ & counts)
        over = _over_seams(line, spans)
        at = close(cells, spans.where(over), values, line.kind)
        quality[at] = q.pack(q.Status.ESTIMATED, q.Method.SCALED)
        yield from _doubts(line, spans.where(over & ((spans.open > 0) | (channel == line.kind.channel))))
        # Within a panel it was closed before: what is known of a register's own time stays.
        closed = close(cells, spans.where(~over), values.copy(), line.kind)
        open_[at] = open_[closed] = False


def _register(line: Line, cuts: Cuts, values: Floats, open_: Mask) -> Register:
    """Return the cells of a register, and between which cuts they are closed."""
    cells = Cells(np.where(open_, 0.0, values), open_)
    return cells, spans_of(cuts, cells, line.kind)


def _agree(line: Line, parts: Sequence[Register], whole: Register, seed: Floats, open_: Mask) -> None:
    """Close a line anew in which what time-of-use registers closed is not what the total one tells."""
    if is_signed(line.kind):
        return
    made = in_agreement(parts, whole, seed[0], line.values[0], whole[0].open[0] & ~open_[0])
    if made is not None:
        at, values = made
        line.values[0, at], open_[0, at] = values, False
        line.quality[0, at] = q.pack(q.Status.ESTIMATED, q.Method.SCALED)


def _over_seams(line: Line, spans: Spans) -> Mask:
    """Tell which spans reach over a seam, and which are told with one that does by an exchange off the grid."""
    over = np.searchsorted(line.seams, spans.first, "right") < np.searchsorted(line.seams, spans.last)
    together = np.cumsum(~spans.drawn)
    return np.isin(together, together[over])


def _counting(line: Line, counting: Counting) -> list[tuple[str, Mask]]:
    """Return when each time-of-use register counts, of all cells of a line."""
    if line.kind.channel:
        return []
    parts = [counting(part) for part in line.parts]
    return [(channel, np.concatenate([part[channel] for part in parts])[None]) for channel in parts[0]]


def _doubts(line: Line, spans: Spans) -> Iterator[Finding]:
    """Yield a doubt about each span that has nothing left for what is open, or whose cells the registers deny."""
    signed, kind = is_signed(line.kind), line.kind
    for at in range(spans.size):
        left, tolerance = float(spans.left[at]), float(spans.tolerance[at])
        lacks = bool(spans.open[at])
        if (signed or left >= 0) if lacks else abs(left) <= tolerance:
            continue
        energy = float(spans.energy[at])
        tell = not_scaled if lacks else apart
        told = tell(energy - left, energy, tolerance, kind)
        first, last = int(spans.first[at]), int(spans.last[at])
        period = Interval(line.time(first), line.time(last))
        yield Finding(CODE, line.point, period, *told, kind, last - first)


def _lay(made: list[Panel], panels: Sequence[Panel], chain: Chain, line: Line) -> None:
    """Write the cells of a line into the panels that they come from, where any of them changed."""
    for (at, row), (values, quality) in zip(chain, line.cut(), strict=True):
        old = made[at]
        if np.array_equal(old.values[row], values, equal_nan=True) and np.array_equal(old.quality[row], quality):
            continue
        if old is panels[at]:
            made[at] = old = old.with_values(old.values.copy(), old.quality.copy())
        old.values[row], old.quality[row] = values, quality
