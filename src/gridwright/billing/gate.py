"""The gate before a bill: what open findings, missing values and estimates withhold it."""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from shlex import quote
from zoneinfo import ZoneInfo

from gridwright.domain.bill import Bill
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval, local_midnight, zone_of
from gridwright.domain.obstacle import BillGate, GateRule, Obstacle
from gridwright.domain.reading_type import Quantity, ReadingType

MISSING, ESTIMATED = "missing", "estimated"
RANK = {Severity.INFO: 0, Severity.WARN: 1, Severity.FAIL: 2}
Numbered = tuple[int, Finding]


@cache
def packaged_gate() -> BillGate:
    """Return the gate that comes with Gridwright."""
    table = tomllib.loads(files("gridwright.billing").joinpath("gate.toml").read_text(encoding="utf-8"))
    return BillGate({code: gate_rule(rule["severity"], rule.get("least_percent", 0)) for code, rule in table.items()})


def gate_rule(severity: str, least_percent: float = 0.0) -> GateRule:
    """Return a rule of the gate as files state it."""
    return GateRule(Severity(severity), least_percent / 100)


def obstacles_to(gate: BillGate, bill: Bill, findings: Iterable[Numbered]) -> tuple[Obstacle, ...]:
    """Return what withholds a bill; `findings`: open ones of its usage point with their numbers."""
    return (*doubts(gate.rules, bill.period, findings), *_shares(gate, bill))


def doubts(rules: Mapping[str, GateRule], period: Interval, findings: Iterable[Numbered]) -> Iterator[Obstacle]:
    """Yield the findings that withhold a bill of a period, by code and time; shares are those of one reading type."""
    there = [(number, each) for number, each in findings if _counts(rules, each) and each.period.overlaps(period)]
    there.sort(key=lambda one: (one[1].code, one[1].period.start, one[0]))
    parts: dict[tuple[str, ReadingType], list[Interval]] = defaultdict(list)
    for _, each in there:
        parts[_series(each)].append(each.period)
    enough = {key for key, periods in parts.items() if share_of(period, periods) >= rules[key[0]].least_share}
    yield from (_obstacle(number, each) for number, each in there if _series(each) in enough)


def bears_on_bills(kind: ReadingType) -> bool:
    """Tell whether bills may rest on readings of a type: energy that flows one way, and what it can be made from."""
    return kind.quantity in {Quantity.ENERGY, Quantity.POWER}


def share_of(period: Interval, parts: Sequence[Interval]) -> float:
    """Return how much of a period some others take up together."""
    taken, until = timedelta(0), period.start
    for part in sorted(parts):
        start, end = max(part.start, until), min(part.end, period.end)
        if end > start:
            taken, until = taken + (end - start), end
    return taken / period.length if period.length else 0.0


def _series(finding: Finding) -> tuple[str, ReadingType]:
    return finding.code, finding.reading_type.finer(0)


def _counts(rules: Mapping[str, GateRule], finding: Finding) -> bool:
    rule = rules.get(finding.code)
    if not bears_on_bills(finding.reading_type):
        return False
    return rule is not None and RANK[finding.severity] >= RANK[rule.severity]


def _obstacle(number: int, finding: Finding) -> Obstacle:
    resolve = f"gridwright finding resolve {number} --reason WHY"
    return Obstacle(finding.code, finding.severity, finding.period, finding.message, number, resolve)


def _shares(gate: BillGate, bill: Bill) -> Iterator[Obstacle]:
    """Yield an obstacle where more intervals than allowed have no value, or an estimated one."""
    if _exceeds(bill.missing, bill, gate.missing_share):
        tz = zone_of(bill.zone)
        days = "/".join(_end(at, tz) for at in (bill.period.start, bill.period.end))
        edit = f"gridwright edit propose {quote(bill.usage_point)} --period {days} --total KWH --reason WHY"
        yield _share(MISSING, bill, f"{bill.missing} of {bill.intervals} intervals have no value", edit)
    if _exceeds(bill.estimated, bill, gate.estimated_share):
        told = f"{bill.estimated} of {bill.intervals} intervals are estimates"
        yield _share(ESTIMATED, bill, told, "gridwright reading import FILE")


def _end(at: datetime, tz: ZoneInfo) -> str:
    """Write where a period begins or ends: the date, or the time, where a bill of another zone adjoins within a day."""
    local = at.astimezone(tz)
    return f"{local:%Y-%m-%d}" if local_midnight(local.date(), tz) == at else local.isoformat()


def _exceeds(number: int, bill: Bill, most: float | None) -> bool:
    return most is not None and number > most * bill.intervals


def _share(code: str, bill: Bill, message: str, resolve: str) -> Obstacle:
    return Obstacle(code, Severity.FAIL, bill.period, message, None, resolve)
