"""Estimate what is missing or rejected, by the ladder of the meter-to-cash reference A4; measured values stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.vee.chunk import amount
from gridwright.vee.closure import close_to, shift_to
from gridwright.vee.fleet import FleetProfile, HolidayCalendars, fleet_profile, holidays_of
from gridwright.vee.like_day import (
    KINDS,
    RUNGS,
    Profile,
    Targets,
    like_days,
    own_profile,
    same_weekday,
)
from gridwright.vee.linear import end_points, straight_lines
from gridwright.vee.registers import Registers, Segments, segments_of, steps_of, sum_finding
from gridwright.vee.runs import Floats, Index, Mask, runs_of
from gridwright.vee.validate import NO_READS, Points, Reads, capacities, parts, points_by_id
from gridwright.vee.wall import WallClock, wall_clock

Methods = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Ladder:
    """Limits of the methods: hours for a straight line without and with registers, days and weeks to look at."""

    linear_hours: float = 2.0
    linear_hours_closed: float = 4.0
    like_days: int = 10
    least_like_days: int = 3
    back_days: int = 90
    weeks: int = 4


LADDER = Ladder()


@dataclass(frozen=True, slots=True, eq=False)
class Estimation:
    """`panel`: with the gaps filled; `filled`: bool[n, slots], where; `by_method`: how many by each method."""

    panel: Panel
    filled: Mask
    by_method: Mapping[q.Method, int]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """The rows of a part that have gaps: `known` values (NaN elsewhere), `open` gaps, `outage`, and what is estimated.

    `shape` and `method` are filled in place, one method after the other.
    """

    panel: Panel
    known: Floats
    open: Mask
    outage: Mask
    shape: Floats
    method: Methods
    segments: Segments
    within: npt.NDArray[np.int32]

    def set(self, cells: tuple[Index, Index], values: Floats, method: q.Method | Methods) -> None:
        """Fill those cells for which `values` is a number."""
        at = cells[0] * self.shape.shape[1] + cells[1]
        kinds = np.broadcast_to(np.asarray(method, np.uint8), values.shape)
        good = ~np.isnan(values)
        if not good.all():
            at, values, kinds = at[good], values[good], kinds[good]
        self.shape.ravel()[at] = values
        self.method.ravel()[at] = kinds

    def unfilled(self) -> tuple[Index, Index]:
        """Return the open cells without an estimate."""
        row, slot = np.nonzero(self.open & np.isnan(self.shape))
        return row, slot


def estimate(
    panel: Panel,
    points: Points,
    *,
    registers: Reads = NO_READS,
    holidays: HolidayCalendars = frozenset(),
    outages: Mapping[str, Sequence[Interval]] | None = None,
    again: bool = False,
    ladder: Ladder = LADDER,
) -> Estimation:
    """Fill the MISSING and REJECTED slots of a validated panel, in whole counts.

    Outages count zero (E07). Between two register reads: a straight line up to 4 h (E02), else the blend (E05), scaled
    so that intervals and registers agree to the last count (E08). Without registers: E02 up to 2 h, E05, E03, E04,
    then a mean profile (E06), with a finding. Only a usage point without any value keeps its gaps. `holidays`: local
    dates, or by the name in `UsagePoint.holidays`. `again` also replaces provisional estimates; final ones stay.
    """
    known_reads = registers if isinstance(registers, Registers) else Registers(registers)
    segments = _segments(panel, known_reads, points)
    values, quality = panel.values.copy(), panel.quality.copy()
    filled = np.zeros(values.shape, np.bool_)
    findings: list[tuple[int, Finding]] = []
    # Both are costly and the same for every part of a zone.
    fleet = cache(partial(fleet_profile, panel, points, holidays=holidays))
    walls: dict[tuple[str, str], WallClock] = {}
    for part in parts(panel, points, None):
        gaps = gaps_of(panel, part.rows, again=again)
        lacking = gaps.any(axis=1)
        rows = part.rows[lacking]
        if rows.size == 0:
            continue
        work = _work(panel.rows(rows), gaps[lacking], _local(segments, rows), outages or {})
        name = (part.calendar.zone, part.holidays)
        wall = walls.setdefault(
            name, walls.get(name) or wall_clock(part.calendar, holidays_of(holidays, part.holidays))
        )
        found = _climb(work, wall, ladder, partial(fleet, part.calendar.zone))
        cells = np.nonzero(~np.isnan(work.shape))
        at = (rows[cells[0]], cells[1])
        values[at] = np.rint(work.shape[cells])
        quality[at] = np.uint8(q.Status.ESTIMATED) | work.method[cells] << np.uint8(4)
        filled[at] = True
        findings += [(int(rows[row]), finding) for row, finding in found]
    counts = np.bincount(q.method_of(quality[filled]), minlength=len(q.Method))
    return Estimation(
        panel.with_values(values, quality),
        filled,
        {q.Method(method): int(number) for method, number in enumerate(counts) if number},
        tuple(finding for _, finding in sorted(findings, key=lambda item: (item[0], item[1].period.start))),
    )


def gaps_of(panel: Panel, rows: Index, *, again: bool) -> Mask:
    """Return which slots are to be estimated."""
    asked = (*q.GAPS, q.Status.ESTIMATED) if again else q.GAPS
    return np.asarray(np.isnan(panel.values[rows]) | q.has_status(panel.quality[rows], asked))


def _segments(panel: Panel, registers: Registers, points: Points) -> Segments:
    steps = steps_of(panel, registers, capacities(panel, points_by_id(points), None)) if registers.reads else []
    segments = segments_of(panel, steps)
    return segments.where(segments.aligned)


def _local(segments: Segments, rows: Index) -> Segments:
    """Return the segments of some rows, numbered within them."""
    chosen = segments.where(np.isin(segments.row, rows))
    return replace(chosen, row=np.searchsorted(rows, chosen.row))


def _work(some: Panel, gaps: Mask, local: Segments, outages: Mapping[str, Sequence[Interval]]) -> Work:
    out = _outage_mask(some, outages)
    known = np.where(q.has_status(some.quality, q.TRUSTED) & ~gaps & ~out, some.values, np.nan)
    shape = np.where(gaps & out, 0.0, np.nan)
    method = np.where(gaps & out, np.uint8(q.Method.ZERO), np.uint8(q.Method.NONE))
    open_ = gaps & ~out
    return Work(some, known, open_, out, shape, method, local, _segment_of(open_, local))


def _outage_mask(panel: Panel, outages: Mapping[str, Sequence[Interval]]) -> Mask:
    mask = np.zeros(panel.values.shape, np.bool_)
    for row, point in enumerate(panel.points):
        for period in outages.get(point, ()):
            first = max(0, -((panel.start - period.start) // panel.interval))
            mask[row, first : max(0, (period.end - panel.start) // panel.interval)] = True
    return mask


def _segment_of(open_: Mask, segments: Segments) -> npt.NDArray[np.int32]:
    """Return the segment of each slot, -1 where it lies in none; only segments with open gaps are laid."""
    within = np.full(open_.shape, -1, np.int32)
    if segments.size == 0:
        return within
    lacking = np.zeros((open_.shape[0], open_.shape[1] + 1), np.intp)
    np.cumsum(open_, axis=1, out=lacking[:, 1:])
    wanted = np.flatnonzero(lacking[segments.row, segments.last] > lacking[segments.row, segments.first])
    chosen = segments.where(np.isin(np.arange(segments.size), wanted))
    within[chosen.runs.cells()] = np.repeat(wanted, chosen.runs.length)
    return within


def _climb(work: Work, wall: WallClock, ladder: Ladder, fleet: FleetProfile) -> list[tuple[int, Finding]]:
    """Fill the open gaps, one rung after the other, and close them to the registers."""
    _draw_lines(work, ladder)
    _follow_like_days(work, wall, ladder)
    findings = _follow_profile(work, wall, fleet)
    return [*findings, *_close(work)]


def _draw_lines(work: Work, ladder: Ladder) -> None:
    """E02 for gaps short enough; a gap that registers close may be longer."""
    per_hour = 3600 / work.panel.interval_s
    runs = runs_of(work.open)
    ends = work.within[runs.row, runs.first], work.within[runs.row, runs.last - 1]
    closed = (ends[0] >= 0) & (ends[1] >= 0)
    hours = np.where(closed, ladder.linear_hours_closed, ladder.linear_hours)
    short = runs.where(runs.length <= hours * per_hour)
    if short.size:
        left, right = end_points(work.known, work.outage, short, int(ladder.linear_hours * per_hour) + 1)
        work.set(short.cells(), straight_lines(short, left, right), q.Method.LINEAR)


def _follow_like_days(work: Work, wall: WallClock, ladder: Ladder) -> None:
    """E05 where both of its parts are known, else E03, else E04."""
    row, slot = work.unfilled()
    if row.size == 0:
        return
    targets, at = _targets(work, wall, row, slot)
    laid = wall.lay(work.known)
    recent = like_days(laid, wall, targets, most=ladder.like_days, least=ladder.least_like_days, back=ladder.back_days)
    around = same_weekday(laid, wall, targets, weeks=ladder.weeks)
    # Chosen once a day and wall-clock slot, then handed to each cell.
    first, second = np.isnan(recent), np.isnan(around)
    chosen = np.where(first, around, np.where(second, recent, (recent + around) / 2))
    which = np.where(first, np.uint8(q.Method.MULTI_WEEK), np.uint8(q.Method.LIKE_DAY))
    which[~first & ~second] = q.Method.BLEND
    place = at * wall.width + wall.minute_slot[slot]
    work.set((row, slot), chosen.ravel()[place], which.ravel()[place])


def _targets(work: Work, wall: WallClock, row: Index, slot: Index) -> tuple[Targets, Index]:
    """Return the local days of the cells, each once, and the target of each cell."""
    runs = runs_of(work.open)
    begun = np.empty(work.open.shape, np.int32)
    begun[runs.cells()] = np.repeat(wall.day[runs.first], runs.length)
    key, first, at = np.unique(row * wall.days + wall.day[slot], return_index=True, return_inverse=True)
    # Cells come in order of time, so a day's first cell belongs to its earliest gap.
    return Targets(key // wall.days, key % wall.days, begun[row[first], slot[first]].astype(np.intp)), at


def _follow_profile(work: Work, wall: WallClock, fleet: FleetProfile) -> list[tuple[int, Finding]]:
    """E06 for what no like day could tell, with a finding for each usage point and what stood in."""
    row, slot = work.unfilled()
    if row.size == 0:
        return []
    rows, at = np.unique(row, return_inverse=True)
    laid = wall.lay(work.known[rows])
    unknown = np.full((KINDS, wall.width), np.nan)
    place = (at, wall.kind[wall.day[slot]], wall.minute_slot[slot])
    profile = own_profile(laid, wall, unknown)
    if np.any(profile.rung[place] > 1):
        profile = own_profile(laid, wall, fleet())
    work.set((row, slot), profile.values[place], q.Method.PROFILE)
    return _profile_findings(work, (row, slot), profile, place)


def _profile_findings(
    work: Work, cells: tuple[Index, Index], profile: Profile, place: tuple[Index, Index, Index]
) -> list[tuple[int, Finding]]:
    row, slot = cells
    rung = np.where(np.isnan(profile.values[place]), len(RUNGS), profile.rung[place])
    found = []
    for pair in np.unique(row * (len(RUNGS) + 1) + rung).tolist():
        which, step = divmod(pair, len(RUNGS) + 1)
        mine = slot[(row == which) & (rung == step)]
        found.append((which, _profile_finding(work.panel, which, step, mine)))
    return found


def _profile_finding(panel: Panel, row: int, step: int, slots: Index) -> Finding:
    first, last = int(slots.min()), int(slots.max()) + 1
    period = Interval(panel.start + panel.interval * first, panel.start + panel.interval * last)
    if step == len(RUNGS):
        code, severity = "V10_missing", Severity.FAIL
        message = f"{slots.size} intervals stay empty: no value to estimate them from"
    else:
        code, severity = "E06_profile", Severity.INFO
        message = f"{slots.size} intervals estimated from {RUNGS[step]}: too few like days"
    return Finding(code, panel.points[row], period, severity, message, panel.reading_type, int(slots.size))


def _close(work: Work) -> list[tuple[int, Finding]]:
    """E08: make each period between two register reads sum to their difference; a negative residual is a finding."""
    if not np.any(work.within >= 0):
        return []
    row, slot = np.nonzero(work.open & (work.within >= 0))
    which, segment = np.unique(work.within[row, slot], return_inverse=True)
    chosen = work.segments.where(np.isin(np.arange(work.segments.size), which))
    residual = np.rint(chosen.energy - _kept(work, chosen))
    signed = work.panel.reading_type.flow not in {"delivered", "received"}
    findings = [] if signed else _residual_findings(work.panel, chosen, residual)
    possible = np.ones(residual.size, np.bool_) if signed else residual >= 0
    good = possible[segment]
    row, slot = row[good], slot[good]
    fit = shift_to if signed else close_to
    shape = np.nan_to_num(work.shape[row, slot])
    if row.size:
        work.shape[row, slot] = fit(shape, segment[good], residual)
        work.method[row, slot] = q.Method.SCALED
    return findings


def _kept(work: Work, segments: Segments) -> Floats:
    """Return the energy of each segment that is not open: measured, edited, estimated before, or zero by outage."""
    kept = np.where(work.open | ~np.isnan(work.shape), 0.0, work.panel.values)
    total = np.zeros((kept.shape[0], kept.shape[1] + 1))
    np.cumsum(kept, axis=1, out=total[:, 1:])
    return np.asarray(total[segments.row, segments.last] - total[segments.row, segments.first])


def _residual_findings(panel: Panel, segments: Segments, residual: Floats) -> list[tuple[int, Finding]]:
    found = []
    for at in np.flatnonzero(residual < 0).tolist():
        where = (int(segments.row[at]), int(segments.first[at]), int(segments.last[at]))
        beyond = amount(-float(residual[at]), panel.reading_type)
        small = -residual[at] <= segments.tolerance[at]
        message = f"known intervals exceed the registers by {beyond}; the gap between them was not scaled"
        severity = Severity.INFO if small else Severity.FAIL
        found.append((where[0], sum_finding(panel, where, message, severity)))
    return found
