"""Seeded faults on real homes: which of them the rules find, and how often they doubt a day that nobody touched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from benchmarks.accuracy.homes import PER_DAY, SEED, graded, members
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.panel import Panel
from gridwright.domain.readings import Readings
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter
from gridwright.vee import Registers, duplicate_findings, off_grid_findings, validate
from gridwright.vee.circumstances import Circumstances, ClockCheck

Rng = np.random.Generator
ROUNDS = 9
CLEAR_DAYS = 70
STUCK_SLOTS = 24
LEAST_COUNTS = 10
# What real gaps bring with them is no false alarm.
GAPS = ("V10_missing", "V05_count", "V07_sibling")


@dataclass(frozen=True, slots=True)
class Recall:
    """How many of the seeded faults were found."""

    seeded: int = 0
    found: int = 0

    def __add__(self, other: Recall) -> Recall:
        return Recall(self.seeded + other.seeded, self.found + other.found)

    @property
    def percent(self) -> float:
        """Share that was found."""
        return 100 * self.found / max(self.seeded, 1)


@dataclass(frozen=True, slots=True)
class Alarms:
    """Meter-days without a gap, and how many of them each rule doubts, by (severity, code); "" = by any rule."""

    days: int
    doubted: Mapping[tuple[str, str], int]

    def percent(self, severity: Severity, code: str = "") -> float:
        """Share of the days that are doubted."""
        return 100 * self.doubted.get((severity.value, code), 0) / max(self.days, 1)


@dataclass(frozen=True, slots=True, eq=False)
class Seeded:
    """A fault in each of some rows: `values` with the faults, slots `first` .. `last` - 1 of each row that has one."""

    values: npt.NDArray[np.float64]
    row: npt.NDArray[np.intp]
    first: npt.NDArray[np.intp]
    last: npt.NDArray[np.intp]


def _days(panel: Panel, rng: Rng) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Draw a whole day, with energy in it, for each home that has one after its first ten weeks."""
    daily = panel.values.reshape(len(panel.points), -1, PER_DAY)
    good = ~np.isnan(daily).any(axis=2) & (np.nan_to_num(daily).max(axis=2) >= LEAST_COUNTS)
    seen = np.cumsum(~np.isnan(daily).any(axis=2), axis=1) > CLEAR_DAYS
    rows = [row for row in range(len(good)) if (good & seen)[row].any()]
    return np.array(rows, np.intp), np.array([rng.choice(np.flatnonzero((good & seen)[row])) for row in rows], np.intp)


def _one(panel: Panel, rng: Rng, change: Callable[[float], float]) -> Seeded:
    """Change one interval with energy of a day in each home."""
    row, day = _days(panel, rng)
    values = panel.values.copy()
    slot = np.array(
        [
            d * PER_DAY + rng.choice(np.flatnonzero(values[r, d * PER_DAY : (d + 1) * PER_DAY] > 0))
            for r, d in zip(row.tolist(), day.tolist(), strict=True)
        ],
        np.intp,
    )
    values[row, slot] = [change(value) for value in values[row, slot].tolist()]
    return Seeded(values, row, slot, slot + 1)


def missing(panel: Panel, rng: Rng) -> Seeded:
    """Lose half an hour to eight hours."""
    row, day = _days(panel, rng)
    first = day * PER_DAY + rng.integers(0, PER_DAY // 2, row.size)
    last = first + rng.integers(1, 17, row.size)
    values = panel.values.copy()
    for r, begin, end in zip(row.tolist(), first.tolist(), last.tolist(), strict=True):
        values[r, begin:end] = np.nan
    return Seeded(values, row, first, last)


def negative(panel: Panel, rng: Rng) -> Seeded:
    """Turn the sign of one interval."""
    return _one(panel, rng, lambda value: -value)


def spike(panel: Panel, rng: Rng) -> Seeded:
    """Make an interval ten times as large, such that the day grows by more than half."""
    row, day = _days(panel, rng)
    values = panel.values.copy()
    kept: list[tuple[int, int]] = []
    for r, d in zip(row.tolist(), day.tolist(), strict=True):
        that = values[r, d * PER_DAY : (d + 1) * PER_DAY]
        heavy = np.flatnonzero(9 * that > that.sum() / 2)
        if heavy.size:
            kept.append((r, d * PER_DAY + int(rng.choice(heavy))))
    at = np.array(kept, np.intp).reshape(-1, 2)
    values[at[:, 0], at[:, 1]] *= 10
    return Seeded(values, at[:, 0], at[:, 1], at[:, 1] + 1)


def stuck(panel: Panel, rng: Rng) -> Seeded:
    """Let twelve to twenty hours repeat one value of at least ten counts."""
    row, day = _days(panel, rng)
    values = panel.values.copy()
    first = day * PER_DAY + rng.integers(0, 8, row.size)
    last = first + rng.integers(STUCK_SLOTS, 41, row.size)
    for r, begin, end in zip(row.tolist(), first.tolist(), last.tolist(), strict=True):
        values[r, begin:end] = max(float(values[r, begin]), LEAST_COUNTS)
    return Seeded(values, row, first, last)


FAULTS: dict[str, tuple[Callable[[Panel, Rng], Seeded], str]] = {
    "missing": (missing, "V10_missing"),
    "×10 spike": (spike, ""),
    "negative": (negative, "V11_negative"),
    "stuck ≥ 12 h": (stuck, "V17_stuck"),
}


def recalls(panel: Panel, *, rounds: int = ROUNDS, seed: int = SEED) -> dict[str, Recall]:
    """Seed every kind of fault, one in each home a round, and count what is found."""
    found: Counter[str] = Counter()
    seeded: Counter[str] = Counter()
    for number in range(rounds):
        rng = np.random.default_rng((seed, number))
        for name, (make, code) in FAULTS.items():
            fault = make(panel, rng)
            for closed in (False, True) if name == "×10 spike" else (False,):
                label = f"{name}, with registers" if closed else name
                seeded[label] += fault.row.size
                found[label] += _found(panel, fault, code, closed=closed)
        for label, recall in _others(panel, rng).items():
            seeded[label] += recall.seeded
            found[label] += recall.found
    return {label: Recall(count, found[label]) for label, count in seeded.items()}


def _found(panel: Panel, fault: Seeded, code: str, *, closed: bool) -> int:
    """Count the faults that overlap a finding of `code`, "" = that warns or fails for any reason but a gap."""
    registers = _around(panel, fault) if closed else Registers()
    done = validate(graded(panel, fault.values), members(panel), registers=registers)
    periods: dict[str, list[Finding]] = {}
    for finding in done.findings:
        wanted = finding.code == code if code else finding.code not in GAPS and finding.severity is not Severity.INFO
        if wanted:
            periods.setdefault(finding.usage_point, []).append(finding)
    hits = 0
    for row, first, last in zip(fault.row.tolist(), fault.first.tolist(), fault.last.tolist(), strict=True):
        begin, end = panel.start + panel.interval * first, panel.start + panel.interval * last
        hits += any(each.period.start < end and each.period.end > begin for each in periods.get(panel.points[row], ()))
    return hits


def _around(panel: Panel, fault: Seeded) -> Registers:
    """Return true register reads at both midnights of the day of each fault."""
    reads: dict[str, Sequence[RegisterReading]] = {}
    for row, first in zip(fault.row.tolist(), fault.first.tolist(), strict=True):
        day, point = first // PER_DAY, panel.points[row]
        used = float(panel.values[row, day * PER_DAY : (day + 1) * PER_DAY].sum())
        at = panel.start + timedelta(days=day)
        reads[point] = [
            RegisterReading(point, at, 1000.0, "M"),
            RegisterReading(point, at + timedelta(days=1), 1000.0 + used, "M"),
        ]
    return Registers(reads, {"M": Meter("M")})


def _others(panel: Panel, rng: Rng) -> dict[str, Recall]:
    """Seed what stands beside the values: repeats, registers that roll over, clocks that are wrong."""
    row, day = _days(panel, rng)
    return {
        "duplicate": _duplicates(panel, row, day, rng),
        "rollover": _rollovers(panel, row, day),
        "clock (told by the device)": _clocks(panel, row, day, rng),
        "clock (stamps shifted)": _shifted(panel, row, day, rng),
    }


def _readings(panel: Panel, row: int, day: int) -> Readings:
    """Return one day of a home as it arrives."""
    at = int(panel.start.timestamp()) + (day * PER_DAY + np.arange(PER_DAY, dtype=np.int64)) * panel.interval_s
    values = panel.values[row, day * PER_DAY : (day + 1) * PER_DAY]
    zeros = np.zeros(PER_DAY, np.int32)
    lines = np.arange(1, PER_DAY + 1, dtype=np.int64)
    return Readings((panel.points[row],), zeros, at, values, zeros.astype(np.uint8), lines, panel.interval_s)


def _duplicates(panel: Panel, row: npt.NDArray[np.intp], day: npt.NDArray[np.intp], rng: Rng) -> Recall:
    hits = 0
    for r, d in zip(row.tolist(), day.tolist(), strict=True):
        came = _readings(panel, r, d)
        twice = int(rng.integers(0, PER_DAY))
        at = came.at.copy()
        at[twice] = at[(twice + 1) % PER_DAY]
        hits += any(finding.code == "V03_duplicate" for finding in duplicate_findings(replace(came, at=at)))
    return Recall(row.size, hits)


def _shifted(panel: Panel, row: npt.NDArray[np.intp], day: npt.NDArray[np.intp], rng: Rng) -> Recall:
    hits = 0
    for r, d in zip(row.tolist(), day.tolist(), strict=True):
        came = _readings(panel, r, d)
        late = came.at + 60 * int(rng.integers(4, 27))
        hits += any(finding.code == "V04_align" for finding in off_grid_findings(replace(came, at=late)))
    return Recall(row.size, hits)


def _rollovers(panel: Panel, row: npt.NDArray[np.intp], day: npt.NDArray[np.intp]) -> Recall:
    """Let a register of five dials pass zero within the day: it must be told, and no energy may come of it."""
    meter = Meter("M", dials=5, lsb_wh=10)
    wrap = meter.range_wh
    reads = {}
    for r, d in zip(row.tolist(), day.tolist(), strict=True):
        used = float(panel.values[r, d * PER_DAY : (d + 1) * PER_DAY].sum())
        stand, at = wrap - max(used // 20, 1) * 10, panel.start + timedelta(days=d)
        later = (stand + used) // 10 * 10 % wrap
        reads[panel.points[r]] = [
            RegisterReading(panel.points[r], at, stand, "M"),
            RegisterReading(panel.points[r], at + timedelta(days=1), later, "M"),
        ]
    done = validate(panel, members(panel), registers=Registers(reads, {"M": meter}))
    told = {finding.usage_point for finding in done.findings if finding.code == "V32_register"}
    wrong = {finding.usage_point for finding in done.findings if finding.code == "V30_sum"}
    return Recall(row.size, len(told - wrong))


def _clocks(panel: Panel, row: npt.NDArray[np.intp], day: npt.NDArray[np.intp], rng: Rng) -> Recall:
    clock = {
        panel.points[r]: [ClockCheck(panel.start + timedelta(days=d, hours=12), 60.0 * float(rng.integers(4, 61)))]
        for r, d in zip(row.tolist(), day.tolist(), strict=True)
    }
    done = validate(panel, members(panel), circumstances=Circumstances(clock=clock))
    told = {finding.usage_point for finding in done.findings if finding.code == "V01_clock"}
    return Recall(row.size, len(told & clock.keys()))


def alarms(panel: Panel) -> Alarms:
    """Validate homes as they are and count the whole meter-days that are doubted, by rule."""
    daily = panel.values.reshape(len(panel.points), -1, PER_DAY)
    whole = ~np.isnan(daily).any(axis=2)
    rows = {point: row for row, point in enumerate(panel.points)}
    doubted: dict[tuple[str, str], npt.NDArray[np.bool_]] = {}
    for finding in validate(panel, members(panel)).findings:
        if finding.code in GAPS:
            continue
        first = (finding.period.start - panel.start) // timedelta(days=1)
        last = -((panel.start - finding.period.end) // timedelta(days=1))
        for code in ("", finding.code):
            mask = doubted.setdefault((finding.severity.value, code), np.zeros(whole.shape, np.bool_))
            mask[rows[finding.usage_point], first:last] = True
    return Alarms(int(whole.sum()), {key: int((mask & whole).sum()) for key, mask in doubted.items()})
