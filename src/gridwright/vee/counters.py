"""Counters: what is known of each meter that gave register reads, as columns: its dials, and when and how it hung."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gridwright.domain.hung import of_device
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import Installation, Meter
from gridwright.vee.reads import ReadColumns, instants, lay_reads
from gridwright.vee.registers import COARSEST_LSB, LEAST_DIALS, Registers
from gridwright.vee.runs import Floats, Index, Mask

LONG_AGO, FAR_AHEAD = np.iinfo(np.int64).min, np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, eq=False)
class Hung:
    """When each counter hung, microseconds since 1970, and the factor of its differences; always and 1 if unrecorded.

    `several`: where not one installation tells, so that each read is asked for by itself.
    """

    since: npt.NDArray[np.int64]
    until: npt.NDArray[np.int64]
    multiplier: Floats
    several: Mask
    named: Mask

    def counts(self, columns: ReadColumns, registers: Registers) -> Mask:
        """Tell which reads are of a meter that hung there then, as `Registers.counts`."""
        mine = columns.counter
        counted = (self.since[mine] <= columns.at) & (columns.at <= self.until[mine]) | ~self.named[mine]
        for at in np.flatnonzero(self.several[mine]).tolist():
            counted[at] = registers.counts(columns.reads[at])
        return np.asarray(counted)

    def factors(self, columns: ReadColumns, before: Index, registers: Registers) -> Floats:
        """Return what the difference of each read and the next counts times, as `Registers.factor`; NaN for None."""
        mine, since, until = columns.counter[before], columns.at[before], columns.at[before + 1]
        begun, named = self.since[mine] <= since, self.named[mine]
        whole = begun & np.where(named, until <= self.until[mine], since < self.until[mine])
        factors = np.where(whole, self.multiplier[mine], np.where(named, np.nan, 1.0))
        for place in np.flatnonzero(self.several[mine]).tolist():
            pair = columns.reads[int(before[place])], columns.reads[int(before[place]) + 1]
            found = registers.factor(*pair)
            factors[place] = np.nan if found is None else found
        return factors


@dataclass(frozen=True, slots=True, eq=False)
class Laid:
    """Register reads as columns, with when and how their counters hung."""

    reads: ReadColumns
    hung: Hung


def laid_of(panel: Panel, registers: Registers) -> Laid:
    """Lay the reads of a panel's usage points once, for all rules about registers."""
    reads = lay_reads(panel, registers)
    return Laid(reads, hung(panel, reads, registers))


def hung(panel: Panel, columns: ReadColumns, registers: Registers) -> Hung:
    """Return when and how the counters of `columns` hung."""
    number = len(columns.serials)
    found = Hung(
        np.full(number, LONG_AGO),
        np.full(number, FAR_AHEAD),
        np.ones(number),
        np.zeros(number, np.bool_),
        np.array([bool(serial) for serial in columns.serials], np.bool_),
    )
    single: dict[int, Installation] = {}
    if not registers.installations:
        return found
    for place, (row, serial) in enumerate(zip(columns.rows.tolist(), columns.serials, strict=True)):
        history = registers.history(panel.points[row])
        own = of_device(history, serial) if serial else history
        if len(own) == 1:
            single[place] = own[0]
        else:
            found.several[place] = bool(history)
    places = np.array([*single], np.intp)
    found.since[places] = instants([each.period.start for each in single.values()])
    found.until[places] = instants([each.period.end for each in single.values()])
    found.multiplier[places] = [float(each.multiplier) for each in single.values()]
    return found


def meters_of(columns: ReadColumns, registers: Registers) -> list[Meter]:
    """Return the meter of each counter: known, or inferred from all its values, as `Registers.meters_of`."""
    known = [registers.meters.get(serial) for serial in columns.serials]
    untold = [place for place, meter in enumerate(known) if meter is None or meter.dials is None]
    if untold:
        order = np.argsort(columns.counter, kind="stable")
        used, begins = np.unique(columns.counter[order], return_index=True)
        shown = _shown((columns.value * columns.unit)[order], begins) if used.size else ()
        inferred = dict(zip(used.tolist(), shown, strict=True))
        for place in untold:
            meter, serial = known[place], columns.serials[place]
            if place not in inferred:
                known[place] = meter or Meter(serial)
            elif meter is not None and meter.lsb_wh > 1:
                mine = np.flatnonzero(columns.counter == place).tolist()
                known[place] = registers.meters_of([columns.reads[at] for at in mine])[serial]
            else:
                lsb, dials = inferred[place]
                known[place] = replace(meter or Meter(serial), dials=dials, lsb_wh=lsb)
    return [meter for meter in known if meter is not None]


def _shown(wh: Floats, begins: Index) -> list[tuple[int, int]]:
    """Return resolution and dials of counters whose values begin at `begins`, as far as these show them."""
    lsb = np.ones(begins.size, np.intp)
    for step in (10, 100, COARSEST_LSB):
        lsb[~np.logical_or.reduceat(np.mod(wh, step) != 0, begins)] = step
    steps, most = lsb.tolist(), np.maximum.reduceat(np.abs(wh), begins).tolist()
    pairs = zip(most, steps, strict=True)
    return [(step, max(LEAST_DIALS, len(str(int(value // step))))) for value, step in pairs]
