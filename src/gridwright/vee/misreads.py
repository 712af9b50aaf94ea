"""Single wrong reads of a panel's registers are set aside before anything is counted from read to read."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import chain

import numpy as np

from gridwright.domain.misread import Misread, set_aside
from gridwright.domain.panel import Panel
from gridwright.domain.register import RegisterReading, is_possible
from gridwright.vee.counters import Laid, hung
from gridwright.vee.reads import ReadColumns, columns_of
from gridwright.vee.registers import Registers, counted
from gridwright.vee.runs import Index


def without_misreads(
    panel: Panel, laid: Laid, registers: Registers, capacity_kw: Mapping[str, float]
) -> tuple[Laid, tuple[Misread, ...]]:
    """Return the reads without those that lie outside the two around them, where these count on (V32), and them."""
    reads = laid.reads
    rows = np.unique(reads.row[_suspected(reads)]).tolist()
    kept: list[list[RegisterReading]] = []
    aside: list[Misread] = []
    for row in rows:
        mine = [reads.reads[at] for at in np.flatnonzero(reads.row == row).tolist()]
        counts_on = partial(_counts_on, registers=registers, capacity_kw=capacity_kw[panel.points[row]])
        left, wrong = set_aside(mine, counts_on)
        kept.append(left)
        aside += wrong
    if not aside:
        return laid, ()
    # Few usage points have any: these are laid anew.
    rest = reads.where(~np.isin(reads.row, rows))
    row = np.concatenate([rest.row, np.repeat(np.array(rows, np.intp), [len(several) for several in kept])])
    columns = columns_of([*rest.reads, *chain.from_iterable(kept)], row)
    return Laid(columns, hung(panel, columns, registers)), tuple(aside)


def _suspected(reads: ReadColumns) -> Index:
    """Return the places of reads outside the two around them, as `is_outside`."""
    value, later = reads.value * reads.unit, np.diff(reads.at) > 0
    before, here, after = value[:-2], value[1:-1], value[2:]
    counter = reads.counter
    same = (counter[:-2] == counter[1:-1]) & (counter[1:-1] == counter[2:])
    outside = (before <= after) & ((here < before) | (here > after))
    return np.flatnonzero(same & later[:-1] & later[1:] & outside) + 1


def _counts_on(before: RegisterReading, after: RegisterReading, *, registers: Registers, capacity_kw: float) -> bool:
    factor = registers.factor(before, after)
    if factor is None:
        return False
    rise_wh = after.value * after.reading_type.resolution - before.value * before.reading_type.resolution
    base = counted(before.reading_type)
    return is_possible(rise_wh * factor / base.resolution, base, after.at - before.at, capacity_kw)
