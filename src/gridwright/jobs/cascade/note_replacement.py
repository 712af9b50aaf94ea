"""V38: say of a billed period that its readings are others by now, with the energy and the money that it makes."""

from __future__ import annotations

from dataclasses import replace

from gridwright.domain.access import Access
from gridwright.domain.bill import Bill
from gridwright.domain.finding import Finding
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.store import Store
from gridwright.vee import RuleSet, packaged
from gridwright.vee.rules.versions import Replacement

CODE = Replacement.code
# Groups of rules are chosen by interval; bills are made from quarter-hours as a rule.
INTERVAL_S = 900


def rules_of(store: Store, access: Access, point: str, site: SiteDefaults) -> RuleSet:
    """Return the rules by which a usage point's energy is judged."""
    book = site.rules or packaged()
    return book.rules_of([store.registry.point(access, point)], DELIVERED_ENERGY, INTERVAL_S)[0]


def graded(rules: RuleSet, findings: list[Finding]) -> list[Finding]:
    """Return findings in the severity that the rules set for their code, if they do."""
    return [replace(each, severity=rules.severities.get(each.code, each.severity)) for each in findings]


def note_replacement(store: Store, access: Access, bill: Bill, now: Bill, site: SiteDefaults) -> int:
    """Compare what was billed, with its issued corrections, with the bill as it should be; return how many are new.

    A finding that holds no longer resolves itself.
    """
    rules = rules_of(store, access, bill.usage_point, site)
    rule = rules.rule(CODE)
    if not isinstance(rule, Replacement):
        return 0
    billed = store.corrections.corrected(access, bill).billed
    kwh, money = (float(billed.energy_kwh), float(now.energy_kwh)), float(now.total - billed.total)
    found = graded(rules, rule.of_bill(bill.usage_point, bill.period, kwh, money, bill.currency))
    points, at = [bill.usage_point], now.known_at
    return store.findings.save(access, found, known_at=at, points=points, period=bill.period, only=[CODE])
