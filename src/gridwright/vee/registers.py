"""Register reads laid on a panel's grid, and the two rules about them: V30 (sum check) and V32 (plausible steps)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np

from gridwright.domain.errors import InputError
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.hung import counting, counts, factor_between
from gridwright.domain.interval import Interval, epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import Quantity, ReadingType
from gridwright.domain.register import RegisterReading, RegisterStep, Step, register_steps
from gridwright.domain.rollover import as_shown, remedy
from gridwright.domain.usage_point import Installation, Meter, installed_at
from gridwright.vee.chunk import amount
from gridwright.vee.runs import Floats, Index, Mask, Runs, running_sum

LEAST_DIALS = 5
COARSEST_LSB = 1000
OFF_GRID = 0.001
CODES = {
    Step.ROLLOVER: Severity.INFO,
    Step.RESET: Severity.INFO,
    Step.EXCHANGE: Severity.INFO,
    Step.DECREASE: Severity.FAIL,
}
ROWS = 1024


@lru_cache(maxsize=64)
def counted(kind: ReadingType) -> ReadingType:
    """Return the register of a type in base units: reads of one register may come in several resolutions."""
    return kind.register().finer(0)


@lru_cache(maxsize=256)
def counts_up(read: ReadingType, wanted: ReadingType) -> bool:
    """Tell whether a read's type is `wanted`, whatever its resolution."""
    return read.finer(0) == wanted


@dataclass(frozen=True, slots=True)
class Registers:
    """Register reads of usage points, with what is installed there.

    `meters`: serial → Meter (dials, resolution). Where a read's meter is unknown, the resolution is read from its
    values (at most 1 kWh) and the dials from their length (at least 5). So it is for one that is registered without a
    word about its dials. Where `installations` are known at a usage point, a read counts with the factor of its own
    meter's, and only while that hung there; else by 1.
    """

    reads: Mapping[str, Sequence[RegisterReading]] = field(default_factory=dict)
    meters: Mapping[str, Meter] = field(default_factory=dict)
    installations: Sequence[Installation] = ()
    _history: dict[str, list[Installation]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for each in self.installations:
            self._history.setdefault(each.usage_point, []).append(each)

    def meters_of(self, reads: Sequence[RegisterReading]) -> dict[str, Meter]:
        """Return the meters that gave `reads`, by serial; known, or inferred from all its values."""
        by_serial: dict[str, list[RegisterReading]] = {}
        for read in reads:
            by_serial.setdefault(read.end_device, []).append(read)
        return {serial: self._meter(serial, several) for serial, several in by_serial.items()}

    def _meter(self, serial: str, reads: Sequence[RegisterReading]) -> Meter:
        known = self.meters.get(serial)
        if known is not None and known.dials is not None:
            return known
        if known is not None and known.lsb_wh > 1:
            shown = as_shown(known, reads)
            return replace(shown, dials=max(LEAST_DIALS, shown.dials or 0))
        inferred = self._inferred(reads)
        return inferred if known is None else replace(known, dials=inferred.dials, lsb_wh=inferred.lsb_wh)

    def _inferred(self, reads: Sequence[RegisterReading]) -> Meter:
        wh = [read.value * read.reading_type.resolution for read in reads]
        steps = (step for step in (COARSEST_LSB, 100, 10) if not any(value % step for value in wh))
        lsb = next(steps, 1)
        digits = len(str(int(max(map(abs, wh)) // lsb)))
        return Meter(reads[0].end_device, dials=max(LEAST_DIALS, digits), lsb_wh=lsb)

    def hung(self, read: RegisterReading) -> Meter:
        """Return the meter that gave a read, as it is registered; one that does not name it hung there then."""
        here = installed_at(self._history.get(read.usage_point, ()), read.usage_point, read.at)
        serial = read.end_device or (here.end_device if here else "")
        return self.meters.get(serial) or Meter(serial)

    def history(self, point: str) -> Sequence[Installation]:
        """Return what hung at a usage point."""
        return self._history.get(point, ())

    def factor(self, before: RegisterReading, after: RegisterReading) -> float | None:
        """Return what the difference of two reads counts times; None where no one factor holds for all of it."""
        return factor_between(self.history(before.usage_point), before, after)

    def counts(self, read: RegisterReading) -> bool:
        """Tell whether a read is of a meter that hung there then, as far as anybody knows."""
        return counts(self.history(read.usage_point), read)

    def of(self, point: str, panel: Panel) -> list[RegisterReading]:
        """Return the reads of `point` that count up the panel's reading type, in order of time.

        Those of meters that did not hang there then are left out: they say nothing of this usage point.
        """
        wanted = counted(panel.reading_type)
        known = self.reads.get(point, ())
        # Reads share few types: each is compared once, not once a read.
        kinds = {id(read.reading_type): read.reading_type for read in known}
        fits = {key: counts_up(kind, wanted) for key, kind in kinds.items()}
        reads = list(known) if all(fits.values()) else [read for read in known if fits[id(read.reading_type)]]
        for read in reads:
            if read.at.tzinfo is None:
                raise InputError(
                    f"register read {read.value} of {point} at {read.at.isoformat()} has no time zone",
                    remedy="give the instant with an offset, such as +00:00",
                )
        ordered = sorted(reads, key=lambda read: (read.at, read.epoch))
        history = self.history(point)
        return ordered if all(counts(history, read) for read in ordered) else counting(history, ordered)


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """k periods between two register reads: row, slots `first`..`last` - 1 and the register's `energy` in counts.

    `tolerance`: of the sum check in counts. `aligned`: both reads fall on the grid, within 0.1 of an interval.
    `counter`: one number for what one meter counted at one usage point with one factor.
    """

    row: Index
    first: Index
    last: Index
    energy: Floats
    tolerance: Floats
    aligned: Mask
    counter: Index

    @property
    def size(self) -> int:
        """Number of segments."""
        return int(self.row.size)

    @property
    def runs(self) -> Runs:
        """The segments as runs of slots."""
        return Runs(self.row, self.first, self.last)

    def where(self, keep: Mask) -> Segments:
        """Return the segments for which `keep` holds."""
        return Segments(
            self.row[keep],
            self.first[keep],
            self.last[keep],
            self.energy[keep],
            self.tolerance[keep],
            self.aligned[keep],
            self.counter[keep],
        )


def steps_of(
    panel: Panel, registers: Registers, capacity_kw: Mapping[str, float]
) -> list[tuple[int, Meter, float, RegisterStep]]:
    """Return (row, meter, multiplier, step) of each pair of consecutive reads of the panel's usage points."""
    if panel.reading_type.quantity is not Quantity.ENERGY or not panel.reading_type.sums:
        return []
    found = []
    for row, point in enumerate(panel.points):
        reads = registers.of(point, panel)
        if len(reads) < 2:  # noqa: PLR2004 - a step takes two
            continue
        meters = registers.meters_of(reads)
        for before, after in pairwise(reads):
            meter = meters[before.end_device]
            factor = registers.factor(before, after)
            limit = capacity_kw[point]
            steps = register_steps([before, after], meter=meter, capacity_kw=limit, multiplier=factor or 1.0)
            if factor is None:
                steps = [RegisterStep(before.at, after.at, None, Step.EXCHANGE)]
            scale = before.reading_type.resolution / panel.reading_type.resolution
            found.append((row, meter, factor or 1.0, _scaled(steps[0], scale)))
    return found


def _scaled(step: RegisterStep, scale: float) -> RegisterStep:
    if scale == 1 or step.energy is None:
        return step
    energy = step.energy * scale
    return RegisterStep(step.since, step.until, energy, step.step)


def segments_of(panel: Panel, steps: Sequence[tuple[int, Meter, float, RegisterStep]]) -> Segments:
    """Lay the steps of known energy that lie within the panel on its grid; reads off the grid move to the nearest slot.

    Tolerance (V30): M·lsb + n·lsb_i/2, where lsb_i is one count; 0.1 % more where a read is off the grid.
    """
    known = [(row, meter, factor, step) for row, meter, factor, step in steps if step.energy is not None]
    start, length = epoch_s(panel.start), panel.interval_s
    since = np.array([epoch_s(step.since) for *_, step in known], np.float64)
    until = np.array([epoch_s(step.until) for *_, step in known], np.float64)
    first, last = (since - start) / length, (until - start) / length
    energy = np.array([step.energy for *_, step in known], np.float64)
    lsb = np.array([meter.lsb_wh * factor for _, meter, factor, _ in known], np.float64)
    first_slot, last_slot = np.rint(first).astype(np.intp), np.rint(last).astype(np.intp)
    off = np.maximum(np.abs(first - first_slot), np.abs(last - last_slot))
    slots = np.maximum(last_slot - first_slot, 0)
    tolerance = lsb / panel.reading_type.resolution + slots / 2 + np.where(off > 0, OFF_GRID * np.abs(energy), 0.0)
    row = np.array([row for row, *_ in known], np.intp)
    aligned = off <= 0.1  # noqa: PLR2004 - a tenth of an interval: clocks of meters drift by seconds to minutes
    numbers: dict[tuple[int, str, float], int] = {}
    counter = np.array([numbers.setdefault((r, meter.serial, m), len(numbers)) for r, meter, m, _ in known], np.intp)
    segments = Segments(row, first_slot, last_slot, energy, tolerance, aligned, counter)
    return segments.where((first_slot >= 0) & (last_slot <= panel.slots) & (slots > 0))


def segment_sums(panel: Panel, segments: Segments, usable: Mask) -> tuple[Floats, Index]:
    """Return the sum of the usable values and the number of slots without one in each segment."""
    total = np.zeros(segments.size)
    lacking = np.zeros(segments.size, np.intp)
    rows = np.unique(segments.row)
    for begin in range(0, rows.size, ROWS):
        some = rows[begin : begin + ROWS]
        mine = np.flatnonzero((segments.row >= some[0]) & (segments.row <= some[-1]))
        at = np.searchsorted(some, segments.row[mine])
        ok = usable[some] & ~np.isnan(panel.values[some])
        sums = running_sum(np.where(ok, panel.values[some], 0.0))
        gaps = running_sum((~ok).astype(np.float64))
        first, last = segments.first[mine], segments.last[mine]
        total[mine] = sums[at, last] - sums[at, first]
        lacking[mine] = (gaps[at, last] - gaps[at, first]).astype(np.intp)
    return total, lacking


def edge_energy(panel: Panel, segments: Segments) -> Floats:
    """Return what the slots beside both reads hold: how far a read off the grid may shift the sum."""
    filled = np.nan_to_num(panel.values)
    near = [np.clip(edge + shift, 0, panel.slots - 1) for edge in (segments.first, segments.last) for shift in (-1, 0)]
    sizes = [np.abs(filled[segments.row, slot]) for slot in near]
    return np.where(segments.aligned, 0.0, np.maximum(sizes[0], sizes[1]) + np.maximum(sizes[2], sizes[3]))


def step_findings(
    panel: Panel, steps: Sequence[tuple[int, Meter, float, RegisterStep]], registers: Registers
) -> list[Finding]:
    """Return a V32 finding for each step that is not plain counting up; with a remedy where dials would help."""
    return [
        Finding(
            "V32_register",
            panel.points[row],
            Interval(step.since, step.until),
            CODES[step.step],
            _step_message(panel, meter, step) + _untold(panel, row, step, registers),
            panel.reading_type,
        )
        for row, meter, _, step in steps
        if step.step is not Step.NORMAL
    ]


def _step_message(panel: Panel, meter: Meter, step: RegisterStep) -> str:
    if step.step is Step.ROLLOVER and step.energy is not None:
        return f"register rolled over after {meter.dials} digits; {amount(step.energy, panel.reading_type)} counted"
    return {
        Step.RESET: "register began anew, or counted more than the connection carries; no energy is taken from it",
        Step.EXCHANGE: "another meter was installed; no energy is taken across the exchange",
        Step.DECREASE: "register decreased; a rollover would be more than its connection carries, or half its range",
    }[step.step]


def _untold(panel: Panel, row: int, step: RegisterStep, registers: Registers) -> str:
    """Return what to say of a meter that fell and whose dials nobody has told."""
    if step.step is Step.EXCHANGE:
        return ""
    reads = registers.of(panel.points[row], panel)
    pair = next((pair for pair in pairwise(reads) if (pair[0].at, pair[1].at) == (step.since, step.until)), None)
    if pair is None:
        return ""
    meter = registers.hung(pair[0])
    if step.step is Step.ROLLOVER:
        return "; nobody has told its dials, and with more it would not have" if meter.dials is None else ""
    told = remedy(meter, *pair)
    return f"; {told}" if told else ""
