"""Registers next to intervals, for all rows of a panel: V30, V31 and V32 as each row's rules have them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.finding import Doubted, Finding, Severity
from gridwright.domain.panel import Panel
from gridwright.vee.counters import laid_of
from gridwright.vee.fingerprints import fingerprinted, of_reads
from gridwright.vee.foreign import ident_findings
from gridwright.vee.grading import grade
from gridwright.vee.registers import Registers
from gridwright.vee.rules.device import Ident
from gridwright.vee.rules.registers import RegisterChange, RegisterSteps, SumCheck, TouSum
from gridwright.vee.ruleset import FLAG_BITS, SUSPECT, RuleSet
from gridwright.vee.runs import Index, Mask
from gridwright.vee.segments import segments_of
from gridwright.vee.step_check import step_findings
from gridwright.vee.steps import steps_among
from gridwright.vee.strays import over_strays
from gridwright.vee.sum_check import Sums, sum_failures, sum_findings, sum_runs

Flags = npt.NDArray[np.uint32]
SUSPECT_BITS = np.uint32(sum(1 << FLAG_BITS[code] for code in SUSPECT))
SUM_BIT = np.uint32(1 << FLAG_BITS[SumCheck.code])


def check_registers(
    panel: Panel,
    flags: Flags,
    registers: Registers,
    capacity_kw: Mapping[str, float],
    rules: Sequence[RuleSet],
    *,
    accepted: frozenset[Doubted] = frozenset(),
    made: Panel | None = None,
) -> list[Finding]:
    """Run V02, V32, V31 and V30 over the reads of the panel's usage points; `rules`: one set a row.

    Marks `flags` in place, and rejects in `panel.quality` what a failed sum makes suspect, unless it was `accepted`.
    `made`: the same as it was made by people or estimates. A gap was closed from the grid to the grid: what it holds
    up to a read between, nobody knows.
    """
    laid = laid_of(panel, registers)
    steps = steps_among(panel, laid, registers, capacity_kw)
    findings = [*ident_findings(panel, registers, laid), *step_findings(panel, steps, registers)]
    several = {id(mine): mine for mine in rules}.values()
    for rule in {type(rule): rule for mine in several for rule in mine.rules}.values():
        findings += rule(panel, registers, laid.reads, capacity_kw) if isinstance(rule, TouSum) else []
        findings += rule(panel, steps) if isinstance(rule, RegisterChange) else []
    summed = _each(rules, lambda mine: mine.rule(SumCheck.code) is not None)
    segments = segments_of(panel, steps if made is None else over_strays(made, steps))
    usable = ~q.has_status(panel.quality, (q.Status.MISSING,))
    sums = sum_failures(panel, segments.where(summed[segments.row]), usable)
    failed = fingerprinted(panel, sum_findings(panel, sums), registers)
    doubted = np.array([finding.doubted not in accepted for finding in failed], np.bool_)[sum_runs(sums)]
    _reject(panel, flags, sums, rules, doubted)
    told = [*of_reads(findings, registers, panel.interval), *failed]
    return _as_set(told, dict(zip(panel.points, rules, strict=True)))


def _reject(panel: Panel, flags: Flags, sums: Sums, rules: Sequence[RuleSet], still: Mask) -> None:
    """Mark the values of failed sums; where the register is credible, reject what another rule doubts too.

    `still`: which sums nobody has accepted.
    """
    cells = sums.segments.runs.cells()
    warned = q.has_status(panel.quality, (q.Status.ACCEPTED,))
    flags[cells] |= SUM_BIT
    grade(panel.quality, cells, Severity.WARN)
    sums = sums.where(sums.credible & still)
    cells = sums.segments.runs.cells()
    doubted: Mask = (flags[cells] & SUSPECT_BITS) != 0
    for row, slot in ((cells[0][doubted], cells[1][doubted]), _blamed(panel, sums, rules, warned)):
        strict = _each(rules, lambda mine: mine.severities.get(SumCheck.code, Severity.FAIL) is Severity.FAIL)
        grade(panel.quality, (row[strict[row]], slot[strict[row]]), Severity.FAIL)


def _blamed(panel: Panel, sums: Sums, rules: Sequence[RuleSet], warned: Mask) -> tuple[Index, Index]:
    """Return the intervals that alone explain a sum, where another rule warns of them; a sum is about its whole set."""
    blaming = _each(rules, lambda mine: getattr(mine.rule(SumCheck.code), "blame", False))
    row, slot = SumCheck().culprits(panel.values, sums)
    certain = blaming[row] & warned[row, slot]
    return row[certain], slot[certain]


def _each(rules: Sequence[RuleSet], question: Callable[[RuleSet], bool]) -> Mask:
    """Ask each row's rules; rows share few sets, so each set is asked once."""
    several = {id(mine): mine for mine in rules}
    if len(several) == 1:
        return np.full(len(rules), question(rules[0]), np.bool_)
    answers = {key: question(mine) for key, mine in several.items()}
    return np.array([answers[id(mine)] for mine in rules], np.bool_)


def _as_set(findings: Sequence[Finding], rules: Mapping[str, RuleSet]) -> list[Finding]:
    """Return the findings whose rule is on at their usage point, in the severity that is set for it."""
    codes = (Ident.code, RegisterSteps.code, RegisterChange.code, SumCheck.code, TouSum.code)
    several = {id(mine): mine for mine in rules.values()}
    on = {key: {code for code in codes if mine.rule(code)} for key, mine in several.items()}
    kept = [finding for finding in findings if finding.code in on[id(rules[finding.usage_point])]]
    wanted = [rules[finding.usage_point].severities.get(finding.code, finding.severity) for finding in kept]
    return [
        finding if finding.severity is severity else replace(finding, severity=severity)
        for finding, severity in zip(kept, wanted, strict=True)
    ]
