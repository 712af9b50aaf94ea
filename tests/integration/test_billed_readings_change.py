"""V38: a billed month whose readings changed is a finding until it is corrected, or the readings are as before."""

from __future__ import annotations

from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.finding import Severity
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.rerate import Pricing, rerate
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.store import Store
from gridwright.vee import rule_book
from tests.integration.test_cascade import (
    APRIL,
    CARDS,
    GAP,
    MAY,
    address,
    again,
    bill,
    issued_march,
    part,
    store,
    usage,
)

__all__ = ["address", "store"]

MILD = """
version = "2"

[[group]]
name = "mild"
extends = "residential"

[group.rules.V38_replacement]
severity = "info"
"""


def replaced(store: Store) -> list[str]:
    return [each.message for each in store.findings.load(LOCAL_OWNER) if each.code == "V38_replacement"]


def test_it_tells_energy_and_money_until_the_note_is_issued(store: Store) -> None:
    issued_march(store)
    assert replaced(store) == []
    store.readings.save(LOCAL_OWNER, part(usage(), GAP, 0.4), known_at=MAY)
    (note,) = again(store, MAY).corrections
    (message,) = replaced(store)
    assert message.startswith("billed ")
    assert f"{note.total:+.2f} EUR; correct the bill" in message
    # Other readings, other figures: one finding all the same, and a cascade over the month does not take it away.
    store.readings.save(LOCAL_OWNER, part(usage(), GAP, 0.3), known_at=MAY)
    (note,) = again(store, MAY).corrections
    (other,) = replaced(store)
    assert other != message
    store.corrections.issue(LOCAL_OWNER, note.id)
    assert replaced(store) == []


def test_it_goes_when_the_readings_are_as_they_were_billed(store: Store) -> None:
    store.readings.save(LOCAL_OWNER, usage(), known_at=APRIL)
    (made,) = bill(store, "2025-03", APRIL).bills
    store.ledger.issue(LOCAL_OWNER, made.id)
    store.readings.save(LOCAL_OWNER, part(usage(), GAP, 3.0), known_at=MAY)
    again(store, MAY)
    assert len(replaced(store)) == 1
    store.readings.save(LOCAL_OWNER, part(usage(), GAP), known_at=MAY)
    correct(store, LOCAL_OWNER, SiteDefaults(rules=rule_book(MILD, "mild")), now=MAY)
    rerate(store, LOCAL_OWNER, Pricing(lambda _, name: CARDS[name], SiteDefaults()), now=MAY)
    assert replaced(store) == []


def test_its_severity_is_that_of_the_rules(store: Store) -> None:
    issued_march(store)
    store.readings.save(LOCAL_OWNER, part(usage(), GAP, 0.4), known_at=MAY)
    site = SiteDefaults(rules=rule_book(MILD, "mild"))
    correct(store, LOCAL_OWNER, site, now=MAY)
    rerate(store, LOCAL_OWNER, Pricing(lambda _, name: CARDS[name], site), now=MAY)
    (finding,) = (each for each in store.findings.load(LOCAL_OWNER) if each.code == "V38_replacement")
    assert finding.severity is Severity.INFO
