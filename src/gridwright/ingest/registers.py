"""Cumulative registers: epochs, wrong reads, and the interval energy between consecutive reads on a grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.interval import DAY_S, epoch_s, from_epoch_s
from gridwright.domain.misread import giving_way
from gridwright.domain.reading_type import Flow, Quantity, ReadingType
from gridwright.domain.readings import Readings
from gridwright.domain.register import RegisterReading
from gridwright.domain.rollover import TurnedOver, never
from gridwright.domain.verdict import Reject
from gridwright.ingest.collected import Gridded, RegisterReads, Tally
from gridwright.ingest.grid import grid_readings
from gridwright.ingest.order import RANK, Mask, listed, merge, order, reject, take
from gridwright.ingest.possible import possible

JITTER = 0.05  # of a step: a read that is off by less counts as a read on the grid
MAJORITY = 0.5  # of the steps must be equal, else the reads follow no grid
HOUR_S, MINUTE_S = 3600, 60
KNOWN_LINE = 0  # marks reads that were known before
WRONG = "register falls or jumps and comes back"
Whole = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Factors = Callable[[Readings], Floats]  # given register reads, what the differences that begin with each count times
Carried = Callable[[Readings], Floats]  # given register reads, what the connection of each carries, in kW


@dataclass(frozen=True, slots=True, eq=False)
class _Chain:
    """Ordered reads; `joins`: whether read i and i+1 are of one register; `epoch`: int32[n].

    `counted`: what the register counted from read i to i+1, over a rollover too; below zero where it was reset.
    """

    reads: Readings
    epoch: npt.NDArray[np.int32]
    joins: Mask
    counted: Floats


def no_factor(reads: Readings) -> Floats:
    """Tell that nothing is known of transformers: what a register counts is what went through."""
    return np.ones(reads.size)


def no_limit(reads: Readings) -> Floats:
    """Tell that nothing is known of connections: whatever a register counts is possible."""
    return np.full(reads.size, np.inf)


def grid_registers(
    readings: Readings,
    *,
    around: Sequence[RegisterReading] = (),
    not_after: int | None = None,
    turned_over: TurnedOver = never,
    factors: Factors = no_factor,
    carried: Carried = no_limit,
) -> Gridded:
    """Return the register reads of a cumulative series, and the energy between consecutive reads on a grid.

    A hole stays a hole: the energy of the first read after it belongs to no single interval, and the registers know the
    total. A counter that falls begins a new epoch, and no energy is made across it; one read that falls (or jumps) and
    comes back is set aside: it is kept in an epoch of its own, and tells no energy. A read below zero is refused.
    `around`: reads known from before, so that the intervals at the
    border are found. `turned_over`: tells of a fall whether it is a rollover, over which a register goes on counting.
    `factors`: what energy counts times; where that makes no whole count, there is none, as no count may be made up.
    `carried`: what connections carry; where a register counted more than that, there is no energy either (V32).
    Energy that does not fit the rest of its usage point by time is left out like a reading that was sent, and noted:
    it is no record of the source, so it is not counted.
    """
    readings, impossible = possible(readings, not_after)
    readings, missing = _without_missing(readings)
    readings, below = _without_negative(readings)
    settled = order(_with_known(readings, around))
    reads = settled.readings
    wrong = _wrong_reads(reads) & ((reads.line != KNOWN_LINE) | _estimated(reads))
    chain, new = _chain(take(reads, ~wrong), around, turned_over), reads.line != KNOWN_LINE
    tally = impossible + missing + below + settled.tally
    tally += Tally(accepted=-int((~new).sum()), notes=_aside(reads, wrong & ~_estimated(reads)))
    registers = RegisterReads(take(reads, new), _with_wrong(reads, chain.epoch, wrong)[new])
    laid = [grid_readings(energy) for energy in _interval_energy(chain, factors, carried)]
    tally += Tally(notes=_left_out([stray for one in laid for stray in one.tally.listed]))
    panels = tuple(panel for one in laid for panel in one.panels)
    return Gridded(panels, (registers,) if registers.size else (), tally=tally, derived=panels)


def _left_out(strays: Sequence[Reject]) -> tuple[str, ...]:
    """Return a note for each reason for which energy between reads is no interval, with the first of them."""
    reasons: dict[tuple[str, str], list[Reject]] = {}
    for stray in strays:
        reasons.setdefault((stray.reason, stray.remedy), []).append(stray)
    return tuple(
        f"energy between register reads is left out, the reads are stored: {some[0].record}"
        f"{f' and {len(some) - 1:,} more' if len(some) > 1 else ''}: {reason} ({remedy})"
        for (reason, remedy), some in reasons.items()
    )


def _without_missing(readings: Readings) -> tuple[Readings, Tally]:
    empty = np.isnan(readings.value)
    return (take(readings, ~empty), Tally(missing=int(empty.sum()))) if empty.any() else (readings, Tally())


def _without_negative(readings: Readings) -> tuple[Readings, Tally]:
    """Refuse reads below zero, from which the next one would count too much; a net register may fall below."""
    below = readings.value < 0
    if readings.reading_type.flow is Flow.NET or not below.any():
        return readings, Tally()
    tally = reject(
        readings, below, "a register cannot stand below zero", "read it again; look at the sign of the source"
    )
    return take(readings, ~below), tally


def _with_known(readings: Readings, around: Sequence[RegisterReading]) -> Readings:
    """Add reads that were known before; they carry no line."""
    if not around:
        return readings
    pairs = {pair: at for at, pair in enumerate(dict.fromkeys((read.usage_point, read.end_device) for read in around))}
    known = replace(
        readings,
        points=tuple(point for point, _ in pairs),
        devices=tuple(device for _, device in pairs),
        point=np.array([pairs[read.usage_point, read.end_device] for read in around], np.int32),
        at=np.array([epoch_s(read.at) for read in around], np.int64),
        value=np.array([read.value for read in around], np.float64),
        quality=np.array([read.quality for read in around], np.uint8),
        line=np.full(len(around), KNOWN_LINE, np.int64),
        presumed=np.array([read.presumed for read in around], np.bool_),
        reading_type=around[0].reading_type,
    )
    (joined,) = merge([known, readings])
    return joined


def _chain(reads: Readings, around: Sequence[RegisterReading], turned_over: TurnedOver) -> _Chain:
    """Return reads among which none is wrong, with their epochs."""
    joins = reads.point[1:] == reads.point[:-1]
    counted = _counted(reads, joins, turned_over)
    return _Chain(reads, _epochs(reads, joins & (counted < 0), around), joins, counted)


def _with_wrong(reads: Readings, epoch: npt.NDArray[np.int32], wrong: Mask) -> npt.NDArray[np.int32]:
    """Return the epochs of all reads: a wrong one begins its own behind the sound one before it, which ends with it."""
    if not wrong.any():
        return epoch
    whole = np.zeros(wrong.size, np.int32)
    whole[~wrong] = epoch
    place, sound = np.flatnonzero(wrong), np.flatnonzero(~wrong)
    if not sound.size:
        return whole
    after = np.searchsorted(sound, place)
    before = sound[np.maximum(after - 1, 0)]
    # Before the first read that was taken of a register only an estimate gives way.
    mine = (reads.point[before] == reads.point[place]) & (before < place)
    beside = np.where(mine, before, sound[np.minimum(after, sound.size - 1)])
    whole[place] = whole[beside] + 1
    return whole


def _aside(reads: Readings, wrong: Mask) -> tuple[str, ...]:
    """Return a note for the wrong reads, with the first of them."""
    if not wrong.any():
        return ()
    (first,) = listed(reads, wrong & (np.cumsum(wrong) == 1), "", "")
    more = f" and {int(wrong.sum()) - 1:,} more" if wrong.sum() > 1 else ""
    where = f"{first.record}, {first.value} (line {first.line:,}){more}"
    helps = "send the right read of that instant"
    return (f"{WRONG}: {where}: stored and set aside, the energy is taken from the reads around it ({helps})",)


def _counted(reads: Readings, joins: Mask, turned_over: TurnedOver) -> Floats:
    """Return what each register counted from read to read, over a rollover too; below zero where it was reset."""
    counted = np.diff(reads.value)
    begins, first = np.flatnonzero(np.r_[True, ~joins]), 0
    for fall in np.flatnonzero(joins & (counted < 0)).tolist():
        first = max(first, int(begins[np.searchsorted(begins, fall, side="right") - 1]))
        days = int(reads.at[fall] - reads.at[first]) / DAY_S
        a_day = float(counted[first:fall].sum()) / days if days >= 1 else None
        counted[fall] += turned_over(read_at(reads, fall), read_at(reads, fall + 1), a_day)
        first = fall + 1 if counted[fall] < 0 else first
    return counted


def read_at(reads: Readings, row: int) -> RegisterReading:
    """Return one read of many; its epoch is not known yet."""
    which = int(reads.point[row])
    return RegisterReading(
        reads.points[which],
        from_epoch_s(int(reads.at[row])),
        float(reads.value[row]),
        reads.devices[which] if reads.devices else "",
        quality=int(reads.quality[row]),
        reading_type=reads.reading_type,
        presumed=reads.presumed is not None and bool(reads.presumed[row]),
    )


def _estimated(reads: Readings) -> Mask:
    return np.asarray(q.status_of(reads.quality) == q.Status.ESTIMATED)


def _wrong_reads(reads: Readings) -> Mask:
    """Tell which single reads are wrong among those that were taken, and which estimates give way to these."""
    guess = _estimated(reads)
    if not guess.any():
        return _outside(reads)
    wrong = np.zeros(reads.size, np.bool_)
    wrong[~guess] = _outside(take(reads, ~guess))
    some = np.flatnonzero(np.isin(reads.point, reads.point[guess]) & ~wrong)
    stood = list(zip(reads.point[some].tolist(), reads.value[some].tolist(), strict=True))
    wrong[some[giving_way(stood, guess[some].tolist())]] = True
    return wrong


def _outside(reads: Readings) -> Mask:
    """Tell which single reads lie outside their two neighbours while those rise.

    The read after a wrong one bears it out, and is not doubted itself, as everywhere else (`domain/misread.py`).
    """
    outside = np.zeros(reads.size, np.bool_)
    value, point = reads.value, reads.point
    before, here, after = value[:-2], value[1:-1], value[2:]
    same = (point[:-2] == point[1:-1]) & (point[1:-1] == point[2:])
    outside[1:-1] = same & (after >= before) & ((here < before) | (here > after))
    place = np.arange(reads.size)
    sound = np.maximum.accumulate(np.where(outside, -1, place))  # the last one that is not outside
    wrong: Mask = outside & ((place - sound) % 2 == 1)
    return wrong


def _epochs(reads: Readings, falls: Mask, around: Sequence[RegisterReading]) -> npt.NDArray[np.int32]:
    """Count the falls of each register, from the epoch known before; another meter at the point begins a new epoch."""
    if reads.size == 0:
        return np.empty(0, np.int32)
    total = np.cumsum(np.r_[0, falls])
    starts = np.flatnonzero(np.r_[True, reads.point[1:] != reads.point[:-1]])
    epoch = total - np.repeat(total[starts], np.diff(np.r_[starts, reads.size]))
    first = _first_epochs(reads, starts, epoch, around)
    numbered: npt.NDArray[np.int32] = (epoch + np.repeat(first, np.diff(np.r_[starts, reads.size]))).astype(np.int32)
    return numbered


def _first_epochs(reads: Readings, starts: Whole, epoch: Whole, around: Sequence[RegisterReading]) -> Whole:
    """Return the epoch in which each register (point and meter) begins: the first known read of it keeps its own."""
    devices = reads.devices or ("",) * len(reads.points)
    known: dict[tuple[str, str], int] = {}
    for read in sorted(around, key=lambda read: read.at, reverse=True):
        known[read.usage_point, read.end_device] = read.epoch
    fallen = {int(reads.point[row]): int(epoch[row]) for row in np.flatnonzero(reads.line == KNOWN_LINE)[::-1].tolist()}
    ends = np.r_[starts[1:], reads.size] - 1
    following: dict[str, int] = {}
    first = np.zeros(starts.size, np.int64)
    for at in np.argsort(reads.at[starts], kind="stable").tolist():
        entry = int(reads.point[starts[at]])
        name = reads.points[entry]
        first[at] = known.get((name, devices[entry]), following.get(name, 0)) - fallen.get(entry, 0)
        following[name] = int(first[at] + epoch[ends[at]]) + 1
    return first


def _interval_energy(chain: _Chain, factors: Factors, carried: Carried) -> list[Readings]:
    """Return the differences of consecutive reads one step apart as interval readings, of each length by themselves."""
    reads = chain.reads
    steps = usual_steps(reads)[reads.point]
    if not steps.any():
        return []
    at, length, step = _on_grid(reads, steps), np.diff(reads.at), steps[:-1]
    whole = chain.joins & (np.diff(chain.epoch) == 0) & (step > 0) & (np.diff(at) == step) & (chain.counted >= 0)
    first = np.flatnonzero(whole)
    some = take(reads, first)
    energy = chain.counted[first] * factors(some)
    sound = (energy % 1 == 0) & _is_possible(energy, reads.reading_type, length[first], carried(some))
    first, energy = first[sound], energy[sound]
    worse = np.where(RANK[reads.quality[first]] < RANK[reads.quality[first + 1]], first, first + 1)
    every = Readings(
        points=reads.points,
        point=reads.point[first],
        at=at[first],
        value=energy,
        quality=q.status_of(reads.quality[worse]) | np.uint8(q.Method.REGISTER << 4),
        line=np.maximum(reads.line[first + 1], reads.line[first]),
        reading_type=reads.reading_type.delta(),
    ).of_points()
    return [replace(take(every, step[first] == one), interval_s=one) for one in np.unique(step[first]).tolist()]


def _is_possible(energy: Floats, kind: ReadingType, length_s: Whole, limit_kw: Floats) -> Mask:
    """Tell what connections carry in so many seconds, as `is_possible` does."""
    if kind.quantity is not Quantity.ENERGY:
        return np.ones(energy.size, np.bool_)
    return np.asarray(energy * kind.resolution * HOUR_S <= limit_kw * 1000 * length_s)


def usual_steps(reads: Readings) -> Whole:
    """Return for each register the step that most of its ordered reads are apart, if it divides the day, else 0."""
    steps = np.zeros(len(reads.points), np.int64)
    joins = reads.point[1:] == reads.point[:-1]
    point = reads.point[:-1][joins].astype(np.int64)
    length = np.minimum(np.rint(np.diff(reads.at)[joins] / MINUTE_S).astype(np.int64) * MINUTE_S, DAY_S + MINUTE_S)
    best, count = _most(point, length, steps.size)
    fits = (best > 0) & (DAY_S % np.maximum(best, 1) == 0)
    often = count > MAJORITY * np.bincount(point, minlength=steps.size)
    steps[fits & often] = best[fits & often]
    return steps


def _most(point: Whole, value: Whole, points: int) -> tuple[Whole, Whole]:
    """Return for each point its most frequent value, the least of several, and how often it is; 0 without any."""
    best, count = np.zeros(points, np.int64), np.zeros(points, np.int64)
    if not value.size:
        return best, count
    if (value == value[0]).all():
        count = np.bincount(point, minlength=points)
        return np.where(count > 0, value[0], 0), count
    width = int(value.max()) + 1
    pairs, often = np.unique(point * width + value, return_counts=True)
    ranked = np.lexsort((-pairs, often))  # of one point the last one counts
    best[pairs[ranked] // width], count[pairs[ranked] // width] = pairs[ranked] % width, often[ranked]
    return best, count


def _on_grid(reads: Readings, steps: Whole) -> Whole:
    """Set reads that are nearly on the grid upon it; its phase is the one most reads of a register have, by minutes."""
    step, at = np.maximum(steps, 1), reads.at
    phases = np.rint(at % step / MINUTE_S).astype(np.int64) * MINUTE_S % step
    phase = _most(reads.point.astype(np.int64), phases, len(reads.points))[0][reads.point]
    off = (at - phase + step // 2) % step - step // 2
    return np.where(np.abs(off) <= JITTER * steps, at - off, at)
