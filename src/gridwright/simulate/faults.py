"""Faults put into a clean town on purpose; the truth is kept, so that whoever looks for them can be marked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt

from gridwright.domain.calendar import LocalCalendar
from gridwright.domain.errors import InputError
from gridwright.domain.interval import Interval, from_epoch_s
from gridwright.domain.panel import default_quality, slot_time
from gridwright.domain.reading_type import Flow
from gridwright.domain.register import RegisterReading
from gridwright.simulate.town import ExtraRows, Fault, FaultKind, Floats, Town

Bools = npt.NDArray[np.bool_]
REGISTER_FAULTS = (FaultKind.RESET, FaultKind.ROLLOVER, FaultKind.EXCHANGE)
# Shortest and longest duration in hours; 0 is a single interval.
LENGTH_H: dict[FaultKind, tuple[float, float]] = {
    FaultKind.GAP_SHORT: (0.25, 2.0),
    FaultKind.GAP_DAY: (24.0, 24.0),
    FaultKind.GAP_WEEK: (168.0, 168.0),
    FaultKind.SPIKE: (0.0, 0.0),
    FaultKind.STUCK: (14.0, 40.0),
    FaultKind.ZERO_RUN: (30.0, 72.0),
    FaultKind.NEGATIVE: (0.0, 0.0),
    FaultKind.DUPLICATE: (1.0, 6.0),
    FaultKind.LATE: (2.0, 24.0),
    FaultKind.CORRECTED: (3.0, 12.0),
    FaultKind.RESET: (0.0, 0.0),
    FaultKind.ROLLOVER: (0.0, 0.0),
    FaultKind.EXCHANGE: (0.0, 0.0),
    FaultKind.DST_STAMPS: (0.0, 0.0),
}
SIZE = {FaultKind.SPIKE: 10.0, FaultKind.CORRECTED: 0.5, FaultKind.EXCHANGE: 12.0}
TRIES = 200


@dataclass(slots=True)
class Workbench:
    """A town while its faults are being put in: values and registers to change, extra rows to add."""

    town: Town
    values: Floats
    registers: list[RegisterReading]
    extra: list[ExtraRows] = field(default_factory=list)

    def slots_of(self, period: Interval) -> slice:
        """Return the slots whose intervals start within `period`."""
        panel = self.town.panel
        first = -((panel.start - period.start) // panel.interval)
        last = -((panel.start - period.end) // panel.interval)
        return slice(max(first, 0), max(min(last, panel.slots), 0))

    def add_rows(self, row: int, slots: Sequence[int], values: Floats, *, at_end: bool) -> None:
        """Add rows to the file that the panel cannot hold."""
        slot = np.asarray(slots, np.int64)
        self.extra.append(
            ExtraRows(np.full(slot.size, row), slot, values.copy(), np.full(slot.size, at_end), Flow.DELIVERED)
        )

    def energy_between(self, row: int, since: datetime, until: datetime) -> float:
        """Return the true Wh between two instants."""
        span = self.slots_of(Interval(since, until))
        return float(self.town.truth.panel.values[row, span].sum())


def inject(town: Town, seed: int, *, kinds: Sequence[FaultKind] | None = None, each: int = 1) -> Town:
    """Put `each` faults of every kind at seeded places that do not overlap; left out, all kinds that fit the period."""
    return with_faults(town, draw_faults(town, seed, kinds=kinds, each=each))


def draw_faults(town: Town, seed: int, *, kinds: Sequence[FaultKind] | None = None, each: int = 1) -> tuple[Fault, ...]:
    """Choose where faults happen; a kind that was asked for and does not fit is an InputError."""
    rng = np.random.default_rng([seed, 7])
    taken = np.zeros(town.panel.values.shape, np.bool_)
    asked = tuple(FaultKind) if kinds is None else tuple(kinds)
    # Long ones first: they find room while there is some.
    faults: list[Fault] = []
    for kind in sorted(asked, key=lambda kind: (-LENGTH_H[kind][1], kind)):
        for _ in range(each):
            fault = _draw(town, kind, taken, rng)
            if fault is not None:
                faults.append(fault)
            elif kinds is not None:
                raise InputError(f"no room for another fault {kind} in {town.panel.period}", remedy="simulate longer")
    return tuple(sorted(faults, key=lambda fault: (fault.period, fault.usage_point, fault.kind)))


def _draw(town: Town, kind: FaultKind, taken: Bools, rng: np.random.Generator) -> Fault | None:
    if kind is FaultKind.DST_STAMPS:
        return _dst_fault(town, taken, rng)
    panel = town.panel
    low, high = LENGTH_H[kind]
    length = max(1, round(rng.uniform(low, high) * 3600 / panel.interval_s))
    margin = 2 * panel.slots_per_day if panel.slots > length + 6 * panel.slots_per_day else 1
    for _ in range(TRIES):
        row = int(rng.integers(len(panel.points)))
        if panel.slots - margin - length <= margin:
            return None
        first = int(rng.integers(margin, panel.slots - margin - length))
        if _is_free(panel.values[row], taken[row], first, length, kind):
            break
    else:
        return None
    if kind not in REGISTER_FAULTS:
        taken[row, max(first - 1, 0) : first + length + 1] = True
    period = Interval(slot_time(panel, first), slot_time(panel, first + length))
    return Fault(kind, panel.points[row], period, SIZE.get(kind, 0.0))


def _is_free(values: Floats, taken: Bools, first: int, length: int, kind: FaultKind) -> bool:
    """Tell whether a fault fits here and can be seen: a tenfold zero or a minus nothing is no fault."""
    if kind in REGISTER_FAULTS:
        return True
    if taken[first : first + length].any():
        return False
    if kind in (FaultKind.SPIKE, FaultKind.NEGATIVE, FaultKind.STUCK):
        return bool(values[first] > np.nanmean(values))
    if kind is FaultKind.CORRECTED:
        return bool(values[first : first + length].mean() > 0.5 * np.nanmean(values))
    return True


def spring_changes(calendar: LocalCalendar) -> list[int]:
    """Return the slots at which the wall clock jumps forward."""
    return (np.flatnonzero(np.diff(calendar.offset_s) > 0) + 1).tolist()


def _dst_fault(town: Town, taken: Bools, rng: np.random.Generator) -> Fault | None:
    panel = town.panel
    calendar = panel.calendar(town.zone)
    for change in spring_changes(calendar):
        same_day = np.flatnonzero(calendar.day[change:] != calendar.day[change])
        last = change + (int(same_day[0]) if same_day.size else panel.slots - change)
        free = np.flatnonzero(~taken[:, change:last].any(axis=1))
        if free.size and last - change > 2 * 3600 // panel.interval_s:
            row = int(rng.choice(free))
            taken[row, change:last] = True
            return Fault(
                FaultKind.DST_STAMPS, panel.points[row], Interval(slot_time(panel, change), slot_time(panel, last))
            )
    return None


def with_faults(town: Town, faults: Iterable[Fault]) -> Town:
    """Return the town as its meters show it with `faults`, in a new value; `truth` stays what it was."""
    ordered = sorted(faults, key=lambda fault: (fault.kind is not FaultKind.ROLLOVER, fault.period))
    bench = Workbench(town, town.panel.values.copy(), list(town.registers))
    for fault in ordered:
        APPLY[fault.kind](bench, town.panel.index(fault.usage_point), fault)
    extra = [rows for rows in (town.extra, *bench.extra) if rows.size]
    return replace(
        town,
        panel=town.panel.with_values(bench.values, default_quality(bench.values)),
        registers=tuple(sorted(bench.registers, key=lambda read: (read.usage_point, read.reading_type.code, read.at))),
        faults=(*town.faults, *sorted(ordered, key=lambda fault: fault.period)),
        extra=_joined(extra) if extra else town.extra,
    )


def _joined(parts: Sequence[ExtraRows]) -> ExtraRows:
    return ExtraRows(
        np.concatenate([part.row for part in parts]),
        np.concatenate([part.slot for part in parts]),
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.at_end for part in parts]),
    )


def _gap(bench: Workbench, row: int, fault: Fault) -> None:
    bench.values[row, bench.slots_of(fault.period)] = np.nan


def _spike(bench: Workbench, row: int, fault: Fault) -> None:
    bench.values[row, bench.slots_of(fault.period)] *= fault.size


def _stuck(bench: Workbench, row: int, fault: Fault) -> None:
    span = bench.slots_of(fault.period)
    bench.values[row, span] = bench.values[row, span.start]


def _zero_run(bench: Workbench, row: int, fault: Fault) -> None:
    bench.values[row, bench.slots_of(fault.period)] = 0.0


def _negative(bench: Workbench, row: int, fault: Fault) -> None:
    bench.values[row, bench.slots_of(fault.period)] *= -1.0


def _duplicate(bench: Workbench, row: int, fault: Fault) -> None:
    span = bench.slots_of(fault.period)
    bench.add_rows(row, range(span.start, span.stop), bench.values[row, span], at_end=False)


def _late(bench: Workbench, row: int, fault: Fault) -> None:
    span = bench.slots_of(fault.period)
    bench.add_rows(row, range(span.start, span.stop), bench.values[row, span], at_end=True)
    bench.values[row, span] = np.nan


def _corrected(bench: Workbench, row: int, fault: Fault) -> None:
    span = bench.slots_of(fault.period)
    bench.add_rows(row, range(span.start, span.stop), bench.values[row, span], at_end=True)
    bench.values[row, span] = np.rint(bench.values[row, span] * fault.size)


def _dst_stamps(bench: Workbench, row: int, fault: Fault) -> None:
    """Stamp a meter that stays on winter time until midnight: an hour twice after the change, none at the end."""
    span = bench.slots_of(fault.period)
    hour = 3600 // bench.town.panel.interval_s
    true = bench.values[row, span].copy()
    bench.add_rows(row, range(span.start, span.start + hour), true[hour : 2 * hour], at_end=False)
    bench.values[row, span.start + hour : span.stop - hour] = true[2 * hour :]
    bench.values[row, span.stop - hour : span.stop] = np.nan


def _is_after(read: RegisterReading, bench: Workbench, row: int, moment: datetime) -> bool:
    flow = read.reading_type.flow
    return read.usage_point == bench.town.panel.points[row] and flow is Flow.DELIVERED and read.at > moment


def _restart(bench: Workbench, row: int, fault: Fault, serial: str | None) -> None:
    at = fault.period.start
    bench.registers = [
        replace(
            read,
            value=fault.size + bench.energy_between(row, at, read.at),
            epoch=read.epoch + 1,
            end_device=serial or read.end_device,
        )
        if _is_after(read, bench, row, at)
        else read
        for read in bench.registers
    ]


def _reset(bench: Workbench, row: int, fault: Fault) -> None:
    _restart(bench, row, fault, None)


def _exchange(bench: Workbench, row: int, fault: Fault) -> None:
    """Close the old meter with a final read and open the new one with its own first read, at the same instant."""
    point, at = bench.town.panel.points[row], fault.period.start
    earlier = [
        read
        for read in bench.registers
        if read.usage_point == point and read.reading_type.flow is Flow.DELIVERED and read.at <= at
    ]
    before = max(earlier, key=lambda read: (read.at, read.epoch))
    wrap = bench.town.meters[row].range_wh
    final = replace(before, at=at, value=(before.value + bench.energy_between(row, before.at, at)) % wrap)
    serial = f"{before.end_device}-B"
    _restart(bench, row, fault, serial)
    opening = replace(final, value=fault.size, end_device=serial, epoch=before.epoch + 1)
    # Where it falls on an ordinary read, that is the final one.
    bench.registers = [*(read for read in bench.registers if read != final), final, opening]
    _exchange_back(bench, point, fault, serial)


def _exchange_back(bench: Workbench, point: str, fault: Fault, serial: str) -> None:
    """Let the new meter count what is received from new on, too."""
    received, at = bench.town.truth.received, fault.period.start
    if received is None or point not in received.points:
        return
    fed = received.row(point)

    def counted(since: datetime, until: datetime) -> float:
        return float(fed.between(Interval(since, until)).values.sum())

    mine = [read for read in bench.registers if read.usage_point == point and read.reading_type.flow is Flow.RECEIVED]
    before = max((read for read in mine if read.at <= at), key=lambda read: (read.at, read.epoch))
    final = replace(before, at=at, value=before.value + counted(before.at, at))
    opening = replace(final, value=fault.size, end_device=serial, epoch=before.epoch + 1)
    after = [
        replace(read, value=fault.size + counted(at, read.at), epoch=read.epoch + 1, end_device=serial)
        for read in mine
        if read.at > at
    ]
    kept = [read for read in bench.registers if read != final and (read not in mine or read.at <= at)]
    bench.registers = [*kept, final, opening, *after]


def _rollover(bench: Workbench, row: int, fault: Fault) -> None:
    """Shift the register so that it passes its last digit at the fault's start."""
    panel, wrap = bench.town.panel, bench.town.meters[row].range_wh
    counted = bench.energy_between(row, panel.start, fault.period.start)
    bench.registers = [
        replace(read, value=(bench.energy_between(row, panel.start, read.at) - counted) % wrap)
        if _is_after(read, bench, row, from_epoch_s(0))
        else read
        for read in bench.registers
    ]


APPLY: dict[FaultKind, Callable[[Workbench, int, Fault], None]] = {
    FaultKind.GAP_SHORT: _gap,
    FaultKind.GAP_DAY: _gap,
    FaultKind.GAP_WEEK: _gap,
    FaultKind.SPIKE: _spike,
    FaultKind.STUCK: _stuck,
    FaultKind.ZERO_RUN: _zero_run,
    FaultKind.NEGATIVE: _negative,
    FaultKind.DUPLICATE: _duplicate,
    FaultKind.LATE: _late,
    FaultKind.CORRECTED: _corrected,
    FaultKind.DST_STAMPS: _dst_stamps,
    FaultKind.RESET: _reset,
    FaultKind.ROLLOVER: _rollover,
    FaultKind.EXCHANGE: _exchange,
}
