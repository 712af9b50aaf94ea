"""Validate panels: run each usage point's rules, flag and grade every value, and say what is doubtful."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.calendar import LocalCalendar
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel, slot_time
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.vee.chunk import JUDGED, Chunk, chunk_of, group_of
from gridwright.vee.days import Days, days_of
from gridwright.vee.registers import Registers, segments_of, step_findings, steps_of, sum_doubts
from gridwright.vee.rules.doubt import Doubt, Rule
from gridwright.vee.ruleset import FLAG_BITS, RuleSet, rules_of
from gridwright.vee.runs import Index, Mask

Flags = npt.NDArray[np.uint32]
Points = Mapping[str, UsagePoint] | Sequence[UsagePoint]
Reads = Mapping[str, Sequence[RegisterReading]] | Registers
# Rows of a chunk are chosen so that it holds about this many values: the rules then work within the processor's cache.
CHUNK_VALUES = 120_000
NO_READS = Registers()
WARNED_BITS = np.uint32(sum(1 << FLAG_BITS[code] for code in ("V16_zero_run", "V17_stuck", "V18_spike")))


@dataclass(frozen=True, slots=True, eq=False)
class Validation:
    """`panel`: the same values with their quality graded; `findings` in row order; `flags`: uint32[n, slots].

    Bit `ruleset.FLAG_BITS[code]` of a flag is set where that rule doubts the value.
    """

    panel: Panel
    findings: tuple[Finding, ...]
    flags: Flags


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Rows of a panel that share rules and wall clock."""

    rows: Index
    members: tuple[UsagePoint | None, ...]
    rules: RuleSet
    calendar: LocalCalendar
    days: Days
    holidays: str


def validate(
    panel: Panel,
    points: Points,
    *,
    registers: Reads = NO_READS,
    rules: RuleSet | None = None,
    now: datetime | None = None,
) -> Validation:
    """Judge every measured value of `panel`; estimates, edits and final values are respected.

    FAIL makes a value REJECTED, WARN makes it ACCEPTED, none makes it ACTUAL; values never change. A failed sum check
    (V30) rejects the values that another rule doubts in its period and leaves the others to a person. `rules`: instead
    of those of each usage point's customer class. Usage points that `points` lacks are judged as homes in UTC.
    Running it twice gives what running it once gives.
    """
    quality = panel.quality.copy()
    flags = np.zeros(panel.values.shape, np.uint32)
    findings: list[tuple[int, Finding]] = []
    for part in parts(panel, points, rules):
        chunk = chunk_of(panel.rows(part.rows), part.members, calendar=part.calendar, days=part.days, now=now)
        graded, marked, found = _judge(chunk, part.rules)
        quality[part.rows] = graded
        flags[part.rows] = marked
        findings += [(int(part.rows[row]), finding) for row, finding in found]
    ordered = [finding for _, finding in sorted(findings, key=_place)]
    checked = panel.with_values(panel.values, quality)
    ordered += check_registers(checked, flags, points_by_id(points), registers=registers, rules=rules)
    return Validation(checked, tuple(ordered), flags)


def _place(item: tuple[int, Finding]) -> tuple[int, datetime, str]:
    return item[0], item[1].period.start, item[1].code


def points_by_id(points: Points) -> Mapping[str, UsagePoint]:
    """Return usage points by id, however they were given."""
    return points if isinstance(points, Mapping) else {point.id: point for point in points}


def parts(panel: Panel, points: Points, rules: RuleSet | None) -> Iterator[Part]:
    """Cut a panel into rows that share zone and rules, each part small enough for the cache."""
    if panel.slots == 0:
        return
    by_id = points_by_id(points)
    members = [by_id.get(point) for point in panel.points]
    kinds = [(m.zone, m.customer_class, m.holidays) if m else ("UTC", "residential", "") for m in members]
    groups: dict[tuple[str, str, str], list[int]] = {}
    for row, kind in enumerate(kinds):
        groups.setdefault(kind, []).append(row)
    step = max(1, CHUNK_VALUES // panel.slots)
    for (zone, customer_class, holidays), rows in groups.items():
        calendar = panel.calendar(zone)
        days = days_of(calendar)
        chosen = rules or rules_of(customer_class)
        for begin in range(0, len(rows), step):
            some = rows[begin : begin + step]
            yield Part(np.array(some, np.intp), tuple(members[row] for row in some), chosen, calendar, days, holidays)


def _judge(chunk: Chunk, rules: RuleSet) -> tuple[q.Qualities, Flags, list[tuple[int, Finding]]]:
    flags = np.zeros(chunk.values.shape, np.uint32)
    quality = _graded(chunk)
    found: list[tuple[int, Finding]] = []
    for rule in rules.rules(group_of(chunk.reading_type)):
        seen = chunk
        for doubt in rule(seen):
            if doubt.runs.size == 0:
                continue
            found += _findings(seen, rule, doubt)
            if doubt.touches:
                cells = doubt.runs.cells()
                flags[cells] |= np.uint32(1 << FLAG_BITS[rule.code])
                _grade(quality, cells, doubt.severity)
                chunk = chunk.without(doubt.runs) if doubt.severity is Severity.FAIL else chunk
    quality[np.isnan(chunk.values)] = q.MISSING
    return quality, flags, found


def _graded(chunk: Chunk) -> q.Qualities:
    """Return the quality with every judged value ACTUAL, until a rule doubts it."""
    quality = chunk.panel.quality.copy()
    quality[q.has_status(quality, JUDGED)] = q.ACTUAL
    return quality


def _grade(quality: q.Qualities, cells: tuple[Index, Index], severity: Severity) -> None:
    """Lower the quality of judged values: a failed one never rises again."""
    status = quality[cells]
    open_ = (status == q.ACTUAL) | (status == q.Status.ACCEPTED)
    target = q.Status.REJECTED if severity is Severity.FAIL else q.Status.ACCEPTED
    quality[cells] = np.where(open_, np.uint8(target), status)


def _findings(chunk: Chunk, rule: Rule, doubt: Doubt) -> list[tuple[int, Finding]]:
    """Return a finding for each run."""
    panel, runs = chunk.panel, doubt.runs
    return [
        (
            row,
            Finding(
                rule.code,
                panel.points[row],
                Interval(slot_time(panel, first), slot_time(panel, last)),
                doubt.severity,
                rule.explain(chunk, row, first, last),
                panel.reading_type,
                last - first,
            ),
        )
        for row, first, last in zip(runs.row.tolist(), runs.first.tolist(), runs.last.tolist(), strict=True)
    ]


def check_registers(
    panel: Panel, flags: Flags, points: Mapping[str, UsagePoint], *, registers: Reads, rules: RuleSet | None
) -> list[Finding]:
    """Run V32 and V30 over the reads of the panel's usage points; marks `flags` and rejects suspects in place."""
    known = registers if isinstance(registers, Registers) else Registers(registers)
    if not known.reads:
        return []
    steps = steps_of(panel, known, capacities(panel, points, rules))
    usable = ~q.has_status(panel.quality, (q.Status.MISSING,))
    failed, findings = sum_doubts(panel, segments_of(panel, steps), usable)
    cells = failed.runs.cells()
    flags[cells] |= np.uint32(1 << FLAG_BITS["V30_sum"])
    suspect: Mask = (flags[cells] & WARNED_BITS) != 0
    _grade(panel.quality, cells, Severity.WARN)
    _grade(panel.quality, (cells[0][suspect], cells[1][suspect]), Severity.FAIL)
    return [*step_findings(panel, steps), *findings]


def capacities(panel: Panel, points: Mapping[str, UsagePoint], rules: RuleSet | None) -> dict[str, float]:
    """Return the power that each usage point's register may have counted, a class's default where it is unknown."""
    members = {point: points.get(point) or UsagePoint(point) for point in panel.points}
    return {
        name: member.capacity_kw or (rules or rules_of(member.customer_class)).capacity_kw
        for name, member in members.items()
    }
