"""Steps: what happened between consecutive register reads of a panel's usage points, judged for all of them at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import chain
from typing import overload

import numpy as np
import numpy.typing as npt

from gridwright.domain.interval import EPOCH, Interval
from gridwright.domain.misread import Misread
from gridwright.domain.panel import Panel, empty_panel
from gridwright.domain.reading_type import Quantity, ReadingType
from gridwright.domain.register import MOST_OVER, RegisterStep, Step
from gridwright.domain.usage_point import Meter
from gridwright.vee.counters import Laid, hung, laid_of, meters_of
from gridwright.vee.misreads import without_misreads
from gridwright.vee.reads import Instants, ReadColumns, columns_of
from gridwright.vee.registers import Registers, counted, counts_up
from gridwright.vee.runs import Floats, Index, Mask

# (row, meter, multiplier, step): one step as an object.
Counted = tuple[int, Meter, float, RegisterStep]
Codes = npt.NDArray[np.int8]
KINDS = tuple(Step)
NORMAL, ROLLOVER, RESET, EXCHANGE, DECREASE = map(KINDS.index, Step)
BEGUN_ANEW = (EXCHANGE, RESET)
NO_ROWS = np.empty(0, np.intp)
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, eq=False)
class Steps(Sequence[Counted]):
    """k steps, each from the read `before` to the next one of `columns`; as a sequence, (row, meter, multiplier, step).

    `energy`: in counts of the panel, NaN where it is not known. `kind`: place in `KINDS`. `meters`: one a counter.
    `aside`: reads that are wrong, so that no step begins or ends with them.
    """

    columns: ReadColumns
    meters: Sequence[Meter]
    before: Index
    factor: Floats
    energy: Floats
    kind: Codes
    aside: Sequence[Misread] = ()

    @property
    def row(self) -> Index:
        """Row of the panel."""
        return self.columns.row[self.before]

    @property
    def counter(self) -> Index:
        """The counter of the read that each step begins with."""
        return self.columns.counter[self.before]

    @property
    def since(self) -> Instants:
        """Begin, in microseconds since 1970."""
        return self.columns.at[self.before]

    @property
    def until(self) -> Instants:
        """End, in microseconds since 1970."""
        return self.columns.at[self.before + 1]

    @property
    def known(self) -> Mask:
        """Tell of which steps the energy is known."""
        return np.asarray(self.kind <= ROLLOVER)

    def of(self, row: int) -> Steps:
        """Return the steps of one row, as of the only one."""
        reads, mine = self.columns.row == row, self.row == row
        columns = self.columns.where(reads)
        return replace(
            self,
            columns=replace(columns, row=np.zeros(columns.size, np.intp)),
            before=self.before[mine] - np.searchsorted(self.columns.row, row),
            factor=self.factor[mine],
            energy=self.energy[mine],
            kind=self.kind[mine],
        )

    def __len__(self) -> int:
        return int(self.before.size)

    @overload
    def __getitem__(self, at: int) -> Counted: ...

    @overload
    def __getitem__(self, at: slice) -> list[Counted]: ...

    def __getitem__(self, at: int | slice) -> Counted | list[Counted]:
        if isinstance(at, slice):
            return [self[one] for one in range(*at.indices(len(self)))]
        begin = int(self.before[at])
        since, until = self.columns.reads[begin], self.columns.reads[begin + 1]
        kind = int(self.kind[at])
        energy = float(self.energy[at]) if kind <= ROLLOVER else None
        meter = self.meters[int(self.columns.counter[begin])]
        step = RegisterStep(since.at, until.at, energy, KINDS[kind])
        return int(self.columns.row[begin]), meter, float(self.factor[at]), step


def unread(points: Sequence[str], kind: ReadingType) -> Panel:
    """Return a panel without a value: how usage points are counted is asked of the registers alone."""
    return empty_panel(points, Interval(EPOCH, EPOCH + HOUR), HOUR, kind)


def steps_of(panel: Panel, registers: Registers, capacity_kw: Mapping[str, float]) -> Steps:
    """Return the step between each pair of consecutive reads of the panel's usage points (catalogue V32).

    Each is what `register_steps` says of its two reads; where no one factor holds for all of it, there was an exchange.
    """
    return steps_among(panel, laid_of(panel, registers), registers, capacity_kw)


def steps_among(panel: Panel, laid: Laid, registers: Registers, capacity_kw: Mapping[str, float]) -> Steps:
    """Return the steps of reads that are laid already, by `laid_of`."""
    counting, aside = without_misreads(panel, _counting(panel, laid, registers), registers, capacity_kw)
    columns = counting.reads
    before = np.flatnonzero(columns.row[1:] == columns.row[:-1])
    meters = meters_of(columns, registers)
    factor = counting.hung.factors(columns, before, registers)
    one = np.isnan(factor)
    factor[one] = 1.0
    kind, energy = _judged(columns, meters, before, factor, _limits(panel, columns.row[before], capacity_kw))
    kind[one] = EXCHANGE
    scale = columns.unit[before] / panel.reading_type.resolution
    return Steps(columns, meters, before, factor, np.where(kind <= ROLLOVER, energy * scale, np.nan), kind, aside)


def _counting(panel: Panel, laid: Laid, registers: Registers) -> Laid:
    """Return the reads that count up the panel's reading type, of meters that hung there, as `Registers.of`."""
    if panel.reading_type.quantity is not Quantity.ENERGY or not panel.reading_type.sums:
        return Laid(columns_of([], NO_ROWS), laid.hung)
    wanted = counted(panel.reading_type)
    reads = laid.reads.where(laid.reads.of_kind(lambda kind: counts_up(kind, wanted)))
    foreign = ~laid.hung.counts(reads, registers)
    if not foreign.any():
        return Laid(reads, laid.hung)
    # What is left out may end no epoch, so that the reads around it change: these few usage points are taken anew.
    anew = np.unique(reads.row[foreign]).tolist()
    own = [registers.of(panel.points[row], panel) for row in anew]
    rest = reads.where(~np.isin(reads.row, anew))
    row = np.concatenate([rest.row, np.repeat(np.array(anew, np.intp), [len(several) for several in own])])
    columns = columns_of([*rest.reads, *chain.from_iterable(own)], row)
    return Laid(columns, hung(panel, columns, registers))


def _limits(panel: Panel, row: Index, capacity_kw: Mapping[str, float]) -> Floats:
    """Return what each step's connection carries, in kW."""
    rows, which = np.unique(row, return_inverse=True)
    return np.array([capacity_kw[panel.points[one]] for one in rows.tolist()], np.float64)[which]


def _judged(
    columns: ReadColumns, meters: Sequence[Meter], before: Index, factor: Floats, capacity_kw: Floats
) -> tuple[Codes, Floats]:
    """Return the kind of each step and its energy in counts of its register: `register_steps`, for all at once."""
    after, unit, counter = before + 1, columns.unit[before], columns.counter
    ranges = np.array([meter.range_wh for meter in meters], np.float64)
    wrap = ranges[counter[before]] / unit
    rise = columns.value[after] - columns.value[before]
    falls, difference = columns.value[after] < columns.value[before], np.mod(rise, wrap)
    hours = (columns.at[after] - columns.at[before]) / 1_000_000 / 3600
    possible = difference * unit * factor <= capacity_kw * 1000 * hours
    doubtful = ~possible | (falls & (difference > MOST_OVER * wrap))
    kind = np.where(falls, np.where(doubtful, DECREASE, ROLLOVER), np.where(doubtful, RESET, NORMAL)).astype(np.int8)
    kind[columns.epoch[before] != columns.epoch[after]] = RESET
    kind[counter[before] != counter[after]] = EXCHANGE
    return kind, difference * factor
