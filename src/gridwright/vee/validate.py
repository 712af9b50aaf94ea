"""Validate panels: run each usage point's rules, flag and grade every value, and say what is doubtful."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.calendar import LocalCalendar
from gridwright.domain.finding import Doubted, Finding, Severity
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel, slot_time
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.vee.chunk import JUDGED, Chunk, Setting, chunk_of
from gridwright.vee.circumstances import NOTHING_KNOWN, Circumstances
from gridwright.vee.days import Days, days_of
from gridwright.vee.fingerprints import of_runs
from gridwright.vee.grading import grade, graded
from gridwright.vee.history import DayHistory
from gridwright.vee.registers import Registers
from gridwright.vee.rulebook import packaged
from gridwright.vee.rules.doubt import Doubt, Rule
from gridwright.vee.ruleset import FLAG_BITS, RuleBook, RuleSet, Source
from gridwright.vee.runs import Index, Mask
from gridwright.vee.sums import check_registers
from gridwright.vee.surroundings import Surroundings, lay

Flags = npt.NDArray[np.uint32]
Points = Mapping[str, UsagePoint] | Sequence[UsagePoint]
Reads = Mapping[str, Sequence[RegisterReading]] | Registers
Rules = RuleSet | RuleBook | None
Found = list[tuple[int, Finding]]
Key = tuple[tuple[str, str], int]  # zone and holidays, and which rules
# Rows of a chunk are chosen so that it holds about this many values. They are small enough for the processor's last
# cache; in a quarter of them a fifth of the time goes into calling numpy, a half where few rows make a chunk.
CHUNK_VALUES = 480_000
HOUR_S = 3600
NO_READS = Registers()
# Which values are judged, by where they came from: an initial load leaves edits and estimates in peace.
JUDGED_OF = {Source.INITIAL: JUDGED, Source.EDIT: (q.Status.EDITED,), Source.ESTIMATION: q.ESTIMATES}


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
    rules: Rules = None,
    now: datetime | None = None,
    history: DayHistory | None = None,
    circumstances: Circumstances = NOTHING_KNOWN,
    source: Source = Source.INITIAL,
) -> Validation:
    """Judge every measured value of `panel`; estimates, edits and final values are respected.

    FAIL makes a value REJECTED, WARN makes it ACCEPTED, none makes it ACTUAL; values never change. A failed sum check
    (V30) rejects the one value that explains it and those that another rule doubts in its period, and leaves the
    others to a person. What a person has accepted (`circumstances.accepted`) is found again and rejects nothing.
    `rules`: instead of the packaged groups. `history`: days before the panel, for the rules that look back. Usage
    points that `points` lacks are judged as homes in UTC. With another `source` only edited or estimated values are
    judged, and no quality changes. Running it twice gives what running it once gives.
    """
    work = _Work(panel, history, lay(circumstances, panel), source, now)
    return _verdict(work, points, registers, rules).graded(circumstances.accepted)


def judge(
    panel: Panel,
    points: Points,
    *,
    registers: Reads = NO_READS,
    rules: Rules = None,
    now: datetime | None = None,
    history: DayHistory | None = None,
    circumstances: Circumstances = NOTHING_KNOWN,
) -> Verdict:
    """Return what the rules doubt, as `validate` asks them; what people accepted is given to `Verdict.graded`."""
    work = _Work(panel, history, lay(circumstances, panel), Source.INITIAL, now)
    found = _verdict(work, points, registers, rules)
    return replace(found, parts=tuple(found.parts))


@dataclass(frozen=True, slots=True, eq=False)
class _Doubted:
    """What the rules doubt of one part: its quality as long as nothing is doubted, and the doubts in their order."""

    rows: Index
    quality: q.Qualities
    absent: Mask
    flags: Flags
    doubts: list[tuple[Doubt, Found]]
    found: Found

    def graded(self, accepted: frozenset[Doubted]) -> q.Qualities:
        """Return the quality of each value by what is doubted, and what people accepted of it."""
        quality = self.quality.copy()
        for doubt, told in self.doubts:
            _grade(quality, doubt, told, accepted)
        quality[self.absent] = q.MISSING
        return quality


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What the rules doubt of a panel; what people accepted changes how it is graded, and no doubt."""

    panel: Panel
    source: Source
    members: Sequence[UsagePoint | None]
    chosen: Sequence[RuleSet]
    known: Registers
    parts: Iterable[_Doubted]

    def graded(self, accepted: frozenset[Doubted]) -> Validation:
        """Return the panel with the quality that follows."""
        panel, chosen = self.panel, self.chosen
        made = panel if self.source is not Source.INITIAL else None
        quality = panel.quality.copy()
        flags = np.zeros(panel.values.shape, np.uint32)
        findings: Found = []
        for part in self.parts:
            quality[part.rows] = part.graded(accepted)
            flags[part.rows] = part.flags
            findings += [(int(part.rows[row]), finding) for row, finding in part.found]
        ordered = [finding for _, finding in sorted(findings, key=_place)]
        checked = panel.with_values(panel.values, quality)
        if self.known.reads:
            limits = _limits(panel, self.members, chosen)
            ordered += check_registers(checked, flags, self.known, limits, chosen, accepted=accepted, made=made)
        if made is not None:
            checked = made
        return Validation(checked, tuple(ordered), flags)


def _verdict(work: _Work, points: Points, registers: Reads, rules: Rules) -> Verdict:
    """Return what is doubted, part by part as it is asked for."""
    panel, source = work.panel, work.source
    known = registers if isinstance(registers, Registers) else Registers(registers)
    by_id = points_by_id(points)
    members = [by_id.get(point) for point in panel.points]
    chosen = rules_for(panel, members, rules, source) if panel.slots or known.reads else []
    parts = (
        _judge(chunk_of(panel.rows(part.rows), part.members, work.setting(part)), part, JUDGED_OF[source])
        for part in _parts_of(panel, members, chosen)
    )
    return Verdict(panel, source, members, chosen, known, parts)


@dataclass(slots=True)
class _Work:
    """What all parts of one validation share; the past is laid once for each zone."""

    panel: Panel
    history: DayHistory | None
    around: Surroundings
    source: Source
    now: datetime | None
    pasts: dict[int, DayHistory] = field(default_factory=dict)

    def setting(self, part: Part) -> Setting:
        """Return what a part's chunk is judged in."""
        return Setting(
            part.calendar,
            part.days,
            self.now,
            self._past(part),
            self.around.rows(part.rows),
            JUDGED_OF[self.source],
        )

    def _past(self, part: Part) -> DayHistory | None:
        if self.history is None:
            return None
        first = int(part.days.day[0])
        if first not in self.pasts:
            self.pasts[first] = self.history.before(first, self.panel.points)
        return self.pasts[first].rows(part.rows)


def _place(item: tuple[int, Finding]) -> tuple[int, datetime, str]:
    return item[0], item[1].period.start, item[1].code


def points_by_id(points: Points) -> Mapping[str, UsagePoint]:
    """Return usage points by id, however they were given."""
    return points if isinstance(points, Mapping) else {point.id: point for point in points}


def parts(panel: Panel, points: Points, rules: Rules, source: Source = Source.INITIAL) -> Iterator[Part]:
    """Cut a panel into rows that share zone and rules, each part small enough for the cache."""
    if panel.slots == 0:
        return
    by_id = points_by_id(points)
    members = [by_id.get(point) for point in panel.points]
    yield from _parts_of(panel, members, rules_for(panel, members, rules, source))


def _parts_of(panel: Panel, members: Sequence[UsagePoint | None], chosen: Sequence[RuleSet]) -> Iterator[Part]:
    """Cut a panel by the usage point and the rules of each row."""
    if panel.slots == 0:
        return
    told = [(each.zone, each.holidays) if each else ("UTC", "") for each in members]
    groups = _rows_by(list(zip(told, map(id, chosen), strict=True)))
    step = max(1, CHUNK_VALUES // panel.slots)
    for ((zone, holidays), _), rows in groups.items():
        calendar = panel.calendar(zone)
        days = days_of(calendar)
        for begin in range(0, len(rows), step):
            some = rows[begin : begin + step]
            here = tuple(members[row] for row in some)
            yield Part(np.array(some, np.intp), here, chosen[some[0]], calendar, days, holidays)


def _rows_by(keys: Sequence[Key]) -> Mapping[Key, Sequence[int]]:
    """Return the rows of each key; mostly all share one."""
    groups: dict[Key, list[int]] = {key: [] for key in dict.fromkeys(keys)}
    if len(groups) == 1:
        return dict.fromkeys(groups, range(len(keys)))
    for row, key in enumerate(keys):
        groups[key].append(row)
    return groups


def rules_for(
    panel: Panel, members: Sequence[UsagePoint | None], rules: Rules, source: Source = Source.INITIAL
) -> list[RuleSet]:
    """Return the rules of each row: a set given is everybody's, a book (None: the packaged one) is looked up."""
    if isinstance(rules, RuleSet):
        return [rules] * len(members)
    return (rules or packaged()).rules_of(members, panel.reading_type, panel.interval_s, source)


def _judge(chunk: Chunk, part: Part, judged: tuple[q.Status, ...]) -> _Doubted:
    flags = np.zeros(chunk.values.shape, np.uint32)
    found: Found = []
    doubts: list[tuple[Doubt, Found]] = []
    quality, absent = graded(chunk, judged), np.isnan(chunk.values)
    for rule in part.rules.of_intervals:
        seen = chunk
        for doubt in part.rules.graded(rule.code, rule(seen)):
            if doubt.runs.size == 0:
                continue
            told = _findings(seen, rule, doubt)
            found += told
            if doubt.touches:
                flags[doubt.runs.cells()] |= np.uint32(1 << FLAG_BITS[rule.code])
                doubts.append((doubt, told))
                # What a person has accepted too: the rules that come after must not doubt it all over again.
                chunk = chunk.without(doubt.runs) if doubt.severity is Severity.FAIL else chunk
    return _Doubted(part.rows, quality, absent, flags, doubts, found)


def _grade(quality: q.Qualities, doubt: Doubt, told: Found, accepted: frozenset[Doubted]) -> None:
    """Grade what is doubted; runs that a person has accepted, `told` in the order of the runs, are kept."""
    if not accepted or doubt.severity is not Severity.FAIL:
        grade(quality, doubt.runs.cells(), doubt.severity)
        return
    kept = np.array([finding.doubted in accepted for _, finding in told], np.bool_)
    grade(quality, doubt.runs.where(kept).cells(), Severity.WARN)
    grade(quality, doubt.runs.where(~kept).cells(), Severity.FAIL)


def _findings(chunk: Chunk, rule: Rule, doubt: Doubt) -> Found:
    """Return a finding for each run; many are of the same slots."""
    panel, runs = chunk.panel, doubt.runs
    seen = of_runs(panel.values, runs, panel.reading_type.resolution)
    spans = set(zip(runs.first.tolist(), runs.last.tolist(), strict=True))
    periods = {span: Interval(*(slot_time(panel, slot) for slot in span)) for span in spans}
    return [
        (
            row,
            Finding(
                rule.code,
                panel.points[row],
                periods[first, last],
                doubt.severity,
                rule.explain(chunk, row, first, last),
                panel.reading_type,
                last - first,
                told,
            ),
        )
        for row, first, last, told in zip(runs.row.tolist(), runs.first.tolist(), runs.last.tolist(), seen, strict=True)
    ]


def capacities(panel: Panel, points: Mapping[str, UsagePoint], rules: Rules) -> dict[str, float]:
    """Return the power that each usage point's register may have counted, its rules' default where it is unknown."""
    members = [points.get(point) for point in panel.points]
    return _limits(panel, members, rules_for(panel, members, rules))


def usual_kw(points: Sequence[UsagePoint], rules: RuleBook) -> list[float]:
    """Return what rules take for the power of connections that nobody told, whose energy is derived from registers."""
    return [mine.capacity_kw for mine in rules.rules_of(points, DELIVERED_ENERGY, HOUR_S)]


def _limits(panel: Panel, members: Sequence[UsagePoint | None], chosen: Sequence[RuleSet]) -> dict[str, float]:
    return {
        name: (member.capacity_kw if member else None) or mine.capacity_kw
        for name, member, mine in zip(panel.points, members, chosen, strict=True)
    }
