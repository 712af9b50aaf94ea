"""The rungs of the ladder: each fills the open cells that it can serve and leaves the others to the next."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.vee.check_meter import usable_check
from gridwright.vee.fleet import FleetProfile
from gridwright.vee.ladder import METHOD_OF, Ladder
from gridwright.vee.like_day import KINDS, RUNGS, Profile, Targets, like_days, own_profile, same_weekday
from gridwright.vee.linear import end_points, straight_lines
from gridwright.vee.runs import Floats, Index, runs_of
from gridwright.vee.wall import WallClock
from gridwright.vee.work import Work

LIKE = ("E03", "E04", "E05")
Found = list[tuple[int, Finding]]


def climb(work: Work, wall: WallClock, ladder: Ladder, fleet: FleetProfile, check: Floats | None) -> Found:
    """Fill the open gaps, one rung after the other; findings tell where only a profile could serve."""
    findings: Found = []
    for like, rungs in groupby(ladder.methods, key=LIKE.__contains__):
        names = tuple(rungs)
        if like:
            follow_like_days(work, wall, ladder, names)
            continue
        for name in names:
            if name == "E01" and check is not None:
                follow_check(work, wall, ladder, check)
            elif name == "E02":
                draw_lines(work, ladder)
            elif name == "E06":
                findings += follow_profile(work, wall, fleet)
    return findings


def follow_check(work: Work, wall: WallClock, ladder: Ladder, check: Floats) -> None:
    """E01 where main and check meter agree around the gap."""
    row, slot = work.unfilled()
    if row.size:
        work.set((row, slot), usable_check(work.known, check, wall, ladder)[row, slot], q.Method.CHECK_METER)


def draw_lines(work: Work, ladder: Ladder) -> None:
    """E02 for gaps short enough; a gap that registers close may be longer."""
    per_hour = 3600 / work.panel.interval_s
    runs = runs_of(work.open & np.isnan(work.shape))
    ends = work.within[runs.row, runs.first], work.within[runs.row, runs.last - 1]
    closed = (ends[0] >= 0) & (ends[1] >= 0)
    hours = np.where(closed, ladder.linear_hours_closed, ladder.linear_hours)
    short = runs.where(runs.length <= hours * per_hour)
    if short.size:
        left, right = end_points(work.known, work.outage, short, int(ladder.linear_hours * per_hour) + 1)
        work.set(short.cells(), straight_lines(short, left, right), q.Method.LINEAR)


def follow_like_days(work: Work, wall: WallClock, ladder: Ladder, names: Sequence[str]) -> None:
    """E05 where both of its parts are known, E03, E04: those of `names`, in their order."""
    row, slot = work.unfilled()
    if row.size == 0:
        return
    targets, at = _targets(work, wall, row, slot)
    laid = wall.lay(work.known)
    recent = like_days(
        laid,
        wall,
        targets,
        most=(ladder.like_days, ladder.like_days_ahead),
        least=ladder.least_like_days,
        back=ladder.back_days,
    )
    around = same_weekday(laid, wall, targets, weeks=ladder.weeks)
    # Chosen once a day and wall-clock slot, then handed to each cell.
    chosen = np.full(recent.shape, np.nan)
    which = np.zeros(recent.shape, np.uint8)
    for name in names:
        values = {"E03": recent, "E04": around}.get(name)
        values = (recent + around) / 2 if values is None else values
        free = np.isnan(chosen) & ~np.isnan(values)
        chosen[free], which[free] = values[free], METHOD_OF[name]
    place = at * wall.width + wall.minute_slot[slot]
    work.set((row, slot), chosen.ravel()[place], which.ravel()[place])


def _targets(work: Work, wall: WallClock, row: Index, slot: Index) -> tuple[Targets, Index]:
    """Return the local days of the cells, each once, and the target of each cell."""
    runs = runs_of(work.open)
    begun, over = np.empty(work.open.shape, np.int32), np.empty(work.open.shape, np.int32)
    begun[runs.cells()] = np.repeat(wall.day[runs.first], runs.length)
    over[runs.cells()] = np.repeat(wall.day[runs.last - 1], runs.length)
    key, first, at = np.unique(row * wall.days + wall.day[slot], return_index=True, return_inverse=True)
    # Cells come in order of time, so a day's first cell belongs to its earliest gap.
    cells = row[first], slot[first]
    day = key % wall.days
    return Targets(key // wall.days, day, begun[cells].astype(np.intp), over[cells].astype(np.intp)), at


def follow_profile(work: Work, wall: WallClock, fleet: FleetProfile) -> Found:
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
) -> Found:
    filled = ~np.isnan(profile.values[place])
    row, slot, rung = cells[0][filled], cells[1][filled], profile.rung[place][filled].astype(np.intp)
    found = []
    for pair in np.unique(row * len(RUNGS) + rung).tolist():
        which, step = divmod(pair, len(RUNGS))
        mine = slot[(row == which) & (rung == step)]
        message = f"{mine.size} intervals estimated from {RUNGS[step]}: too few like days"
        found.append((which, _finding(work.panel, which, mine, ("E06_profile", Severity.INFO, message))))
    return found


def still_empty(work: Work) -> Found:
    """Return a finding for each usage point that keeps a gap."""
    row, slot = work.unfilled()
    found = []
    for which in np.unique(row).tolist():
        mine = slot[row == which]
        message = f"{mine.size} intervals stay empty: no value to estimate them from"
        found.append((which, _finding(work.panel, which, mine, ("V10_missing", Severity.FAIL, message))))
    return found


def _finding(panel: Panel, row: int, slots: Index, told: tuple[str, Severity, str]) -> Finding:
    first, last = int(slots.min()), int(slots.max()) + 1
    period = Interval(panel.start + panel.interval * first, panel.start + panel.interval * last)
    return Finding(told[0], panel.points[row], period, *told[1:], panel.reading_type, int(slots.size))
