"""Estimate what is missing or rejected, by the ladder of the meter-to-cash reference A4; measured values stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.finding import Finding
from gridwright.domain.panel import Panel
from gridwright.vee.check_meter import CheckMeter
from gridwright.vee.fleet import HolidayCalendars, fleet_profile, holidays_of
from gridwright.vee.ladder import Ladder, Ladders
from gridwright.vee.registers import Registers
from gridwright.vee.rungs import climb, still_empty
from gridwright.vee.runs import Mask
from gridwright.vee.scale import Buckets, bucket_cuts, close_all, register_cuts
from gridwright.vee.silence import Numbers, silences_of
from gridwright.vee.validate import NO_READS, Part, Points, Reads, capacities, parts, points_by_id
from gridwright.vee.wall import WallClock, wall_clock
from gridwright.vee.work import Outages, dim, gaps_of, work_of

LADDERS = Ladders()
HOME = "residential"


@dataclass(frozen=True, slots=True, eq=False)
class Estimation:
    """`panel`: with the gaps filled; `filled`: bool[n, slots], where; `by_method`: how many by each method."""

    panel: Panel
    filled: Mask
    by_method: Mapping[q.Method, int]
    findings: tuple[Finding, ...]


def estimate(  # noqa: PLR0913 - what may be known about a gap
    panel: Panel,
    points: Points,
    *,
    registers: Reads = NO_READS,
    buckets: Buckets | None = None,
    holidays: HolidayCalendars = frozenset(),
    outages: Outages | None = None,
    check: CheckMeter | None = None,
    again: bool = False,
    ladder: Ladder | Ladders = LADDERS,
) -> Estimation:
    """Fill the MISSING and REJECTED slots of a validated panel, in whole counts.

    Outages count zero (E07). Then the check meter where it agrees (E01); between two register reads a straight line
    up to 4 h (E02), else the blend (E05), scaled so that intervals and registers agree to the last count (E08), each
    of a meter's time-of-use `buckets` by itself; across an exchange off the grid by its final and opening read (E09).
    Without registers: E02 up to 2 h, E05, E03, E04, then a mean profile (E06), with a finding. Only a usage point
    without any value keeps its gaps. `holidays`: local dates, or by the name in `UsagePoint.holidays`. `again` also
    replaces provisional estimates, now that later data or registers are there; final and edited values stay. A silence
    of more than the ladder's `longest_days` stays, with a finding.
    """
    reads = registers if isinstance(registers, Registers) else Registers(registers)
    ladders = ladder if isinstance(ladder, Ladders) else Ladders(ladder)
    limits = capacities(panel, points_by_id(points), None) if reads.reads else {}
    cuts = register_cuts(panel, reads, limits)
    values, quality = panel.values.copy(), panel.quality.copy()
    filled = np.zeros(values.shape, np.bool_)
    findings: list[tuple[int, Finding]] = []
    silences = silences_of(panel, longest_days(panel, points, ladders), outages)
    if silences is not None:
        place = {point: row for row, point in enumerate(panel.points)}
        findings += [(place[each.usage_point], each) for each in silences.findings()]
    # Both are costly and the same for every part of a zone.
    fleet = cache(partial(fleet_profile, panel, points, holidays=holidays))
    walls = cache(partial(_wall, panel, holidays))
    for part in parts(panel, points, None):
        gaps = gaps_of(panel, part.rows, again=again)
        if silences is not None:
            gaps &= ~silences.mask[part.rows]
        lacking = gaps.any(axis=1)
        rows = part.rows[lacking]
        if rows.size == 0:
            continue
        work = work_of(panel.rows(rows), gaps[lacking], cuts.of(rows), outages or {})
        wall = walls(part.calendar.zone, part.holidays)
        other = check.of(work.panel) if check is not None else None
        found = climb(work, wall, ladders.of(_class(part)), partial(fleet, part.calendar.zone), other)
        dim(work, outages or {})
        found += close_all(work, bucket_cuts(work.panel, wall, buckets, reads, limits) if buckets else [])
        found += still_empty(work)
        cells = work.filled()
        at = (rows[cells[0]], cells[1])
        values[at] = np.rint(work.shape[cells])
        quality[at] = np.uint8(q.Status.ESTIMATED) | work.method[cells] << np.uint8(4)
        filled[at] = True
        findings += [(int(rows[row]), finding) for row, finding in found]
    return _estimation(panel.with_values(values, quality), filled, findings)


def longest_days(panel: Panel, points: Points, ladders: Ladders) -> Numbers:
    """Return how many days of silence are estimated at most, of each row, int64[n]."""
    if not ladders.classes:
        return np.full(len(panel.points), ladders.default.longest_days)
    known = points_by_id(points)
    classes = (known[name].customer_class if name in known else HOME for name in panel.points)
    return np.array([ladders.of(each).longest_days for each in classes], np.int64)


def _wall(panel: Panel, holidays: HolidayCalendars, zone: str, name: str) -> WallClock:
    return wall_clock(panel.calendar(zone), holidays_of(holidays, name))


def _class(part: Part) -> str:
    member = part.members[0]
    return member.customer_class if member else HOME


def _estimation(panel: Panel, filled: Mask, findings: list[tuple[int, Finding]]) -> Estimation:
    counts = np.bincount(q.method_of(panel.quality[filled]), minlength=len(q.Method))
    return Estimation(
        panel,
        filled,
        {q.Method(method): int(number) for method, number in enumerate(counts) if number},
        tuple(finding for _, finding in sorted(findings, key=lambda item: (item[0], item[1].period.start))),
    )
