"""The rungs of the ladder: each fills the open cells that it can serve and leaves the others to the next."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.vee.check_meter import usable_check
from gridwright.vee.fleet import FleetProfile
from gridwright.vee.ladder import METHOD_OF, Ladder
from gridwright.vee.like_day import KINDS, RUNGS, Targets, candidates_of, like_days, own_profile, same_weekday
from gridwright.vee.linear import end_points, straight_lines
from gridwright.vee.runs import Floats, Index, Runs
from gridwright.vee.wall import WallClock
from gridwright.vee.work import Methods, Work

LIKE = ("E03", "E04", "E05")
# An end point may lie so far beyond an outage.
BEYOND_OUTAGE_HOURS = 2.0
# So little of an end is as good as nothing; and what fades no more than this is a straight line between the ends.
FORGOTTEN, NEVER_FADING = 1e-6, 1 - 1e-9
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
                draw_lines(work, ladder.linear_first_hours, ladder.linear_first_hours_closed)
            elif name == "E06":
                _draw_what_is_left(work, ladder)
                findings += follow_profile(work, wall, ladder, fleet)
    _draw_what_is_left(work, ladder)
    return findings


def _draw_what_is_left(work: Work, ladder: Ladder) -> None:
    """E02 once more, for longer gaps that no like day could fill."""
    if "E02" in ladder.methods:
        draw_lines(work, ladder.linear_hours, ladder.linear_hours_closed)


def follow_check(work: Work, wall: WallClock, ladder: Ladder, check: Floats) -> None:
    """E01 where main and check meter agree around the gap."""
    row, slot = work.unfilled()
    if row.size:
        work.set((row, slot), usable_check(work.known, check, wall, ladder)[row, slot], q.Method.CHECK_METER)


def draw_lines(work: Work, open_hours: float, closed_hours: float) -> None:
    """E02 for gaps short enough; a gap that registers close may be longer."""
    per_hour = 3600 / work.panel.interval_s
    runs = work.unfilled_runs()
    ends = work.within[runs.row, runs.first], work.within[runs.row, runs.last - 1]
    closed = (ends[0] >= 0) & (ends[1] >= 0)
    short = runs.where(runs.length <= np.where(closed, closed_hours, open_hours) * per_hour)
    if short.size:
        left, right = end_points(work.known, work.outage, short, int(BEYOND_OUTAGE_HOURS * per_hour) + 1)
        work.set(short.cells(), straight_lines(short, left, right), q.Method.LINEAR)


@dataclass(frozen=True, slots=True, eq=False)
class _LikeDays:
    """The known values laid on the wall, and which of E03, E04 and E05 may serve, in their order."""

    work: Work
    wall: WallClock
    laid: Floats
    candidates: Sequence[Index]
    ladder: Ladder
    names: Sequence[str]

    def values(self, cells: tuple[Index, Index], ahead: int) -> tuple[Floats, Methods]:
        """Return what the first method that can serve says of each cell, and which it was; NaN where none can."""
        targets, at = _targets(self.work, self.wall, *cells)
        most, least = (self.ladder.like_days, ahead), self.ladder.least_like_days
        recent = like_days(
            self.laid, self.wall, targets, self.candidates, most=most, least=least, back=self.ladder.back_days
        )
        around = same_weekday(self.laid, self.wall, targets, weeks=self.ladder.weeks)
        # Chosen once a day and wall-clock slot, then handed to each cell.
        chosen = np.full(recent.shape, np.nan)
        which = np.zeros(recent.shape, np.uint8)
        for name in self.names:
            values = {"E03": recent, "E04": around}.get(name)
            values = (recent + around) / 2 if values is None else values
            free = np.isnan(chosen) & ~np.isnan(values)
            chosen[free], which[free] = values[free], METHOD_OF[name]
        place = at * self.wall.width + self.wall.minute_slot[cells[1]]
        return chosen.ravel()[place], which.ravel()[place]

    def ends_off(self, runs: Runs, place: Index) -> Floats:
        """Return by how much the value at `place` beside each run differs from its like days, NaN where unknown."""
        off = np.full(runs.size, np.nan)
        there = (place >= 0) & (place < self.work.known.shape[1])
        there[there] = ~np.isnan(self.work.known[runs.row[there], place[there]])
        cells = runs.row[there], place[there]
        if cells[0].size:
            # An end may lie on a complete day, which is no like day of its own: only days before it count.
            off[there] = self.work.known[cells] - self.values(cells, 0)[0]
        return off


def follow_like_days(work: Work, wall: WallClock, ladder: Ladder, names: Sequence[str]) -> None:
    """E05 where both of its parts are known, E03, E04: those of `names`, in their order, led to the gap's two ends."""
    row, slot = work.unfilled()
    if row.size == 0:
        return
    laid = wall.lay(work.known)
    like = _LikeDays(work, wall, laid, candidates_of(laid, wall), ladder, names)
    values, which = like.values((row, slot), ladder.like_days_ahead)
    if ladder.memory_hours > 0:
        runs = work.unfilled_runs()
        fade = np.exp(-work.panel.interval_s / 3600 / ladder.memory_hours)
        ends = like.ends_off(runs, runs.first - 1), like.ends_off(runs, runs.last)
        values = values + bridge(runs.length, ends, float(fade))
        if work.panel.reading_type.flow in {"delivered", "received"}:
            values = np.maximum(values, 0.0)
    work.set((row, slot), values, which)


def bridge(length: Index, ends: tuple[Floats, Floats], fade: float) -> Floats:
    """Return what to add within each run so that it meets its ends, which are off by `ends`, NaN where unknown.

    The mean of an AR(1) process that loses (1 - `fade`) a slot: with one end it fades, with both it is their bridge.
    Where less than a millionth of it is left nothing is added, so that long runs cost no more than short ones.
    """
    fade = min(fade, NEVER_FADING)
    reach = 1 if fade < FORGOTTEN else math.ceil(math.log(FORGOTTEN) / math.log(fade))
    begins = np.cumsum(length) - length
    added = np.zeros(int(length.sum()))
    short = np.flatnonzero(length <= 2 * reach)
    run, k = Runs(short, np.zeros_like(short), length[short]).cells()
    added[begins[run] + k] = _between(k + 1, length[run] + 1, (ends[0][run], ends[1][run]), fade)
    steps = np.arange(reach if short.size < length.size else 0)
    faded = fade ** (steps + 1)
    for side, end in enumerate(ends):
        # The ends of a long run know nothing of each other.
        long = np.flatnonzero((length > 2 * reach) & ~np.isnan(end))
        place = begins[long, None] + (steps if side == 0 else length[long, None] - 1 - steps)
        added[place] = end[long, None] * faded
    return added


def _between(k: Index, steps: Index, ends: tuple[Floats, Floats], fade: float) -> Floats:
    """Return the bridge's mean `k` slots from the left end and `steps` - `k` from the right one."""
    left, right = ends
    powers = fade ** np.arange(2 * int(steps.max(initial=0)) + 1)
    whole = 1 - powers[2 * steps]
    near = np.where(np.isnan(right), powers[k], (powers[k] - powers[2 * steps - k]) / whole)
    far = np.where(np.isnan(left), powers[steps - k], (powers[steps - k] - powers[steps + k]) / whole)
    return np.asarray(near * np.nan_to_num(left) + far * np.nan_to_num(right))


def _targets(work: Work, wall: WallClock, row: Index, slot: Index) -> tuple[Targets, Index]:
    """Return the local days of the cells, each once, and the target of each cell; cells come by row and time."""
    key = row * wall.days + wall.day[slot]
    fresh = np.r_[True, key[1:] != key[:-1]] if key.size else np.zeros(0, np.bool_)
    # A day's first cell belongs to its earliest gap.
    row, slot, day = row[fresh], slot[fresh], wall.day[slot[fresh]]
    runs, which = work.open_runs(), work.run_of(row, slot)
    inside = work.open[row, slot]
    begun, over = day.copy(), day.copy()
    begun[inside] = wall.day[runs.first[which[inside]]]
    over[inside] = wall.day[runs.last[which[inside]] - 1]
    return Targets(row, day, begun, over), np.cumsum(fresh) - 1


def follow_profile(work: Work, wall: WallClock, ladder: Ladder, fleet: FleetProfile) -> Found:
    """E06 for what no like day could tell, with a finding for each gap and what stood in.

    Means are of the days on which an estimate may rest, so that they are the same however much more is at hand.
    """
    row, slot = work.unfilled()
    if row.size == 0:
        return []
    run, laid = work.run_of(row, slot), wall.lay(work.known)
    values, rung = np.full(row.shape, np.nan), np.zeros(row.shape, np.intp)
    for (first, last), mine in _windows(work, wall, run, ladder.reach_days):
        rows, at = np.unique(row[mine], return_inverse=True)
        seen, kinds = laid[rows, first:last], wall.kind[first:last]
        place = (at, wall.kind[wall.day[slot[mine]]], wall.minute_slot[slot[mine]])
        profile = own_profile(seen, kinds, np.full((KINDS, wall.width), np.nan))
        if np.any(profile.rung[place] > 1):
            profile = own_profile(seen, kinds, fleet())
        values[mine], rung[mine] = profile.values[place], profile.rung[place]
    work.set((row, slot), values, q.Method.PROFILE)
    known = ~np.isnan(values)
    return _profile_findings(work, (row[known], slot[known]), run[known], rung[known])


def _windows(work: Work, wall: WallClock, run: Index, back: int) -> Iterator[tuple[tuple[int, int], Index]]:
    """Yield the days on the wall around some runs, and which cells lie in runs with just these days around them."""
    runs = work.open_runs()
    first = np.maximum(wall.day[runs.first] - back, 0)[run]
    last = np.minimum(wall.day[runs.last - 1] + back + 1, wall.days)[run]
    key = first * (wall.days + 1) + last
    for both in np.unique(key).tolist():
        yield divmod(both, wall.days + 1), np.flatnonzero(key == both)


def _profile_findings(work: Work, cells: tuple[Index, Index], run: Index, rung: Index) -> Found:
    found: Found = []
    if run.size == 0:
        return found
    key = run * len(RUNGS) + rung
    order = np.argsort(key, kind="stable")
    pairs, begins = np.unique(key[order], return_index=True)
    for pair, some in zip(pairs.tolist(), np.split(order, begins[1:]), strict=True):
        which, mine = int(cells[0][some[0]]), cells[1][some]
        message = f"{mine.size} intervals estimated from {RUNGS[pair % len(RUNGS)]}: too few like days"
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
