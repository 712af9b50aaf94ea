"""What the device says of itself and of its intervals: V01 clock, V02 identity, V14 status, V15 overflow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import ClassVar

import numpy as np

from gridwright.domain.errors import UsageError
from gridwright.domain.finding import Severity
from gridwright.domain.interval import Interval
from gridwright.vee.chunk import Chunk
from gridwright.vee.circumstances import ClockCheck, Condition, Configuration
from gridwright.vee.rules.doubt import Doubt, duration
from gridwright.vee.runs import NO_RUNS, Runs, runs_of
from gridwright.vee.strict import advice

Span = tuple[int, int, int]
COMPARED = tuple(each.name for each in fields(Configuration) if each.name != "period")


@dataclass(frozen=True, slots=True)
class Clock:
    """The device's clock is off by more than `warn_s`; by more than half an interval the values are in wrong places.

    A check speaks for the time since the check before it, and until the one after it, but for no other device's: the
    first of a device for all that it has measured there so far.
    """

    warn_s: float = 180.0
    code: ClassVar[str] = "V01_clock"

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Find the slots that a wrong clock labelled."""
        clock = chunk.around.known.clock
        if not clock:
            return []
        half = chunk.panel.interval_s / 2
        least = min(self.warn_s, half)
        failed: list[Span] = []
        warned: list[Span] = []
        for row, point in enumerate(chunk.around.points):
            checks = clock.get(point, ())
            if all(abs(check.offset_s) <= least for check in checks):
                continue
            for check, since, until in _spans(checks):
                off = abs(check.offset_s)
                if off <= least:
                    continue
                (failed if off > half else warned).append(slots_of(chunk, row, since, until))
        return [Doubt(Severity.FAIL, runs_at(failed)), Doubt(Severity.WARN, runs_at(warned))]

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Say by how much the clock is off."""
        point = chunk.around.points[row]
        checks = _spans(chunk.around.known.clock[point])
        spans = [(slots_of(chunk, row, since, until), check) for check, since, until in checks]
        off = max((check.offset_s for span, check in spans if span[1] < last and span[2] > first), key=abs)
        word = "ahead" if off > 0 else "behind"
        return f"the device's clock is {abs(off):g} s {word} during {duration(chunk, last - first)}"


def _spans(checks: Sequence[ClockCheck]) -> Iterator[tuple[ClockCheck, datetime | None, datetime | None]]:
    """Yield each check with the time for which it speaks, in order; None: no check and no exchange bounds it there."""
    ordered = sorted(checks, key=lambda check: check.at) if len(checks) > 1 else checks
    for at, check in enumerate(ordered):
        before, after = (ordered[near].at if 0 <= near < len(ordered) else None for near in (at - 1, at + 1))
        since = max((edge for edge in (before, check.since) if edge is not None), default=None)
        yield check, since, min((edge for edge in (after, check.until) if edge is not None), default=None)


def slots_of(chunk: Chunk, row: int, since: datetime | None, until: datetime | None) -> Span:
    """Return (row, first, last) of the slots between two instants; None = the chunk's own edge."""
    panel = chunk.panel
    first, last = (
        edge if moment is None else int(np.clip(-((panel.start - moment) // panel.interval), 0, panel.slots))
        for moment, edge in ((since, 0), (until, panel.slots))
    )
    return row, first, last


def runs_at(spans: Sequence[Span]) -> Runs:
    """Return spans as runs, without doubles and overlaps, ordered by row and slot."""
    joined: list[Span] = []
    for row, first, last in sorted(spans):
        if joined and joined[-1][0] == row and first <= joined[-1][2]:
            joined[-1] = (row, joined[-1][1], max(last, joined[-1][2]))
        elif last > first:
            joined.append((row, first, last))
    if not joined:
        return NO_RUNS
    row_, first_, last_ = (np.array(column, np.intp) for column in zip(*joined, strict=True))
    return Runs(row_, first_, last_)


@dataclass(frozen=True, slots=True)
class Ident:
    """Serial, channel, unit, multiplier, interval or dials are not what is installed: it is not this meter."""

    code: ClassVar[str] = "V02_ident"

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Find the slots whose configuration, as told, contradicts the one installed then."""
        known = chunk.around.known
        if not known.told or not known.installed:
            return []
        spans = [
            slots_of(chunk, row, common.start, common.end)
            for row, point in enumerate(chunk.around.points)
            for common, _ in _mismatches(known.told.get(point, ()), known.installed.get(point, ()))
        ]
        return [Doubt(Severity.FAIL, runs_at(spans))]

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Name what differs."""
        point, known = chunk.around.points[row], chunk.around.known
        texts = [
            text
            for common, text in _mismatches(known.told[point], known.installed[point])
            if slots_of(chunk, row, common.start, common.end)[1] < last
        ]
        return f"{'; '.join(dict.fromkeys(texts))} from {chunk.clock(first)}"


def _mismatches(told: Sequence[Configuration], installed: Sequence[Configuration]) -> Iterator[tuple[Interval, str]]:
    """Yield the time and the words of each contradiction; what either side does not tell is none."""
    if told == installed and len(told) == 1:
        return
    for one in told:
        for other in installed:
            common = None if one == other else one.period.intersection(other.period)
            if common is None:
                continue
            pairs = [(name, getattr(one, name), getattr(other, name)) for name in COMPARED]
            wrong = [(name, a, b) for name, a, b in pairs if a is not None and b is not None and a != b]
            if wrong:
                yield common, ", ".join(f"{name.replace('_', ' ')} {a}, installed is {b}" for name, a, b in wrong)


@dataclass(frozen=True, slots=True)
class Status:
    """The device marked the interval: `fail`, `warn` and `info` list conditions by name."""

    fail: tuple[str, ...] = ("fatal", "memory_fault", "test_mode", "reset")
    warn: tuple[str, ...] = ("disturbed", "clock_set", "tamper")
    info: tuple[str, ...] = ("outage", "battery")
    code: ClassVar[str] = "V14_status"

    def __post_init__(self) -> None:
        known = [(one.name or "").lower() for one in Condition]
        for name in (*self.fail, *self.warn, *self.info):
            if name not in known:
                raise UsageError(f"{name!r} is no condition of a device", remedy=advice(name, known))

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Find marked intervals by severity."""
        words = chunk.around.status
        if words is None or not words.any():
            return []
        return [
            Doubt(severity, runs_of((words & np.uint32(_bits(names))) != 0))
            for severity, names in ((Severity.FAIL, self.fail), (Severity.WARN, self.warn), (Severity.INFO, self.info))
        ]

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Name the conditions."""
        words = chunk.around.status
        seen = 0 if words is None else int(np.bitwise_or.reduce(words[row, first:last]))
        names = ", ".join((one.name or "").lower().replace("_", " ") for one in Condition if seen & one)
        return f"the device says {names} in {duration(chunk, last - first)} from {chunk.clock(first)}"


def _bits(names: Sequence[str]) -> int:
    return int(sum((Condition[name.upper()] for name in dict.fromkeys(names)), start=0))


@dataclass(frozen=True, slots=True)
class Overflow:
    """The recorder's counter was full, or the device says so.

    A counter of k bits is full at 2^k - 1 pulses: `bits`, or the usage point's attribute `recorder_bits`; a pulse is
    `pulse_wh` (attribute of that name), else one count. 0 = not known.
    """

    bits: int = 0
    code: ClassVar[str] = "V15_overflow"

    def __call__(self, chunk: Chunk) -> Sequence[Doubt]:
        """Find full counters."""
        full = self._limit(chunk)
        known = np.isfinite(full).any()
        mask = chunk.usable >= full[:, None] if known else None
        if chunk.around.status is not None:
            said = (chunk.around.status & np.uint32(Condition.OVERFLOW)) != 0
            mask = said if mask is None else mask | said
        return [] if mask is None else [Doubt(Severity.FAIL, runs_of(mask))]

    def _limit(self, chunk: Chunk) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        bits = chunk.attribute("recorder_bits")
        bits = np.where(np.isnan(bits), self.bits or np.nan, bits)
        pulse = chunk.attribute("pulse_wh") / chunk.reading_type.resolution
        return np.asarray((2**bits - 1) * np.where(np.isnan(pulse), 1.0, pulse))

    def explain(self, chunk: Chunk, row: int, first: int, last: int) -> str:
        """Name the value at which the counter stopped."""
        value = chunk.amount(float(chunk.values[row, first]))
        return (
            f"the recorder's counter was full at {value} in {duration(chunk, last - first)} from {chunk.clock(first)}"
        )
