"""Verify holds money and decisions against what they follow from, and against what the audit chain tells of them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.bill import Bill
from gridwright.domain.interval import Interval
from gridwright.domain.program import Event, EventState, Performance, Program
from gridwright.jobs.billing.run_billing import BillOrder, run_billing
from gridwright.jobs.cascade.adopt_rules import adopt_rules
from gridwright.jobs.cascade.rerate import Pricing, rerate
from gridwright.jobs.meters.edit_readings import EditPolicy, EditWish, approve_edit, propose_edit, withdraw_edit
from gridwright.jobs.upkeep.verify_store import verify_store
from gridwright.store import Store, open_store
from gridwright.store.checks.checks import Checked
from gridwright.vee import rule_book
from tests.edited import STRICT
from tests.integration.store.conftest import emptied
from tests.integration.store.undone import undone, unprotect
from tests.integration.test_acceptances import ANN, BOB, DAY, HOUR, SITE, START, Home
from tests.integration.test_cascade import FLAT_CARD
from tests.remembered import remembered

EVENING = Interval(START + 40 * DAY + 18 * HOUR, START + 40 * DAY + 20 * HOUR)


def live(store: Store) -> None:
    """Everything that is held against something: bills and notes in each state, payments, edits, acceptances, rules."""
    home = Home(store)
    home.fill()
    doubts = [each.id for each in home.open_ones()]
    home.accept(ANN)
    home.reopen(doubts, ANN)
    home.judge()
    home.accept(BOB)
    home.judge()
    pay(store)
    for month in ("2025-01", "2025-02", "2025-03"):
        store.ledger.issue(ME, bill(home, month).id)
    for wh in (900.0, 90.0, 300.0, 1200.0):
        home.post(wh, START + 45 * DAY)
        (note,) = corrected(home)
        if wh in {900.0, 90.0}:
            store.corrections.issue(ME, note)
    store.corrections.cancel(ME, store.corrections.page(ME)[1].id)
    march = store.ledger.bills(ME)[-1].bill.id
    home.post(800.0, START + 80 * DAY)
    corrected(home)
    store.ledger.cancel(ME, march)
    bill(home, "2025-03")
    edits(home)
    corrected(home)
    adopt_rules(store, ME, rule_book(STRICT, "strict.toml"), now=home.tick(), source="strict.toml")
    adopt_rules(store, ME, None, now=home.tick())


def pay(store: Store) -> None:
    """One was settled twice, by another price each time, and stands on a bill."""
    event = Event("E-1", "P-1", EVENING, ("UP-1",))
    store.programs.save_program(ME, Program("P-1", "Evening", "EUR", Decimal("0.5")))
    store.programs.save_event(ME, event)
    for price, pays in (("0.5", "0.50"), ("0.3333", "0.33")):
        store.programs.save_program(ME, Program("P-1", "Evening", "EUR", Decimal(price)))
        paid = Performance("E-1", "UP-1", Decimal("2.000"), Decimal("1.000"), Decimal(pays), "EUR", rule="10-of-10")
        store.programs.save_performances(ME, "E-1", [paid])
    for state in (EventState.COMPLETED, EventState.SETTLED):
        event = event.to(state)
        store.programs.save_event(ME, event)


def bill(home: Home, month: str) -> Bill:
    order = BillOrder(["UP-1"], month, despite="a test")
    (made,) = run_billing(home.store, ME, order, lambda _: FLAT_CARD, SITE, now=home.tick()).bills
    return made


def corrected(home: Home) -> list[str]:
    home.judge()
    return [
        note.id for note in rerate(home.store, ME, Pricing(lambda *_: FLAT_CARD, SITE), now=home.tick()).corrections
    ]


def edits(home: Home) -> None:
    """One counts, one is taken back, one waits, one was small enough to count at once."""
    for day, alone in ((50, False), (51, False), (52, False), (53, True)):
        period = Interval(START + day * DAY, START + day * DAY + 2 * HOUR)
        wish = EditWish("UP-1", period, f"the display of day {day}", values=(0.5, 0.6))
        policy = EditPolicy(10_000.0 if alone else 0.0)
        edit = propose_edit(home.store, ANN, wish, policy=policy, now=home.tick())
        if day < 52:
            approve_edit(home.store, BOB, edit.id, now=home.tick(), note="seen")
        if day == 51:
            withdraw_edit(home.store, BOB, edit.id, reason="it was another display", now=home.tick())


def faults(store: Store) -> dict[str, tuple[str, ...]]:
    return {each.name: each.first for each in verify_store(store, ME).checks if not each.ok}


@pytest.mark.parametrize("where", ["sqlite", "postgres_url", "mysql_url"])
def test_an_untouched_town_gives_no_false_alarm(where: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    sqlite = where == "sqlite"
    with open_store(
        f"sqlite:///{tmp_path}/town.db" if sqlite else emptied(str(request.getfixturevalue(where)))
    ) as store:
        live(store)
        assert faults(store) == {}
        looked = {each.name: each.looked_at for each in verify_store(store, ME).checks}
        assert (looked["bills"], looked["recorded edits"], looked["rules"]) == (4, 4, 2)
        assert looked["corrections"] > 4
        assert looked["recorded acceptances"] > 0
        states = {each.state for each in store.corrections.of_bill(ME, store.ledger.bills(ME)[1].bill.id)}
        assert len(states) > 1
        for damage, (check, words) in ANYWHERE.items():
            with undone(store) as unit:
                unit.connection.execute(text(damage))
                told = verify_store(store, ME).checks
            assert any(words in each for each in of(told, check).first), (damage, told)
        assert faults(store) == {}


def of(checks: tuple[Checked, ...], name: str) -> Checked:
    (found,) = (each for each in checks if each.name == name)
    return found


# What no trigger keeps from whoever writes SQL.
ANYWHERE = {
    "UPDATE correction SET postings = '[]'": ("corrections", "its postings are not"),
    "UPDATE performance SET payment = '3.33'": ("recorded payments", "are paid for 1.000 kWh saved"),
    "UPDATE finding SET resolved_by = 'eve' WHERE resolved_by = 'bob'": ("recorded acceptances", "by eve on"),
    "UPDATE rule_set SET text = replace(text, '5', '6')": ("rules", "their text gives the digest"),
    "DELETE FROM edit WHERE state = 'applied'": ("recorded edits", "and it is gone"),
    "DELETE FROM register_reading": ("recorded registers", "0 register readings are stored"),
}
# A statement; the check that finds it; what it says.
DAMAGES: dict[str, tuple[str, str, str]] = {
    "the begin of a bill": (
        "UPDATE bill SET start_s = start_s + 3600 WHERE number = 2",
        "bills",
        "its key is of another",
    ),
    "the end of a bill": ("UPDATE bill SET end_s = end_s + 86400 WHERE number = 2", "bills", "its key is of another"),
    "the rate card of a bill": ("UPDATE bill SET rate_card = 'flat@2' WHERE number = 1", "bills", "flat@2, usage"),
    "the usage of a bill": (
        "UPDATE bill SET usage_hash = 'abcdef' WHERE number = 1",
        "bills",
        "flat@1, usage abcdef",
    ),
    "a bill's key with its usage": (
        "UPDATE bill SET key = 'k', usage_hash = 'u' WHERE number = 1",
        "recorded bills",
        "its key is k, by the audit chain ",
    ),
    "a quantity": (
        "UPDATE bill_line SET quantity = '1.000' WHERE position = 1 AND bill = 1",
        "bills",
        "line 1 (energy): 1.000 kWh × 0.30 comes to 0.30, and its amount is",
    ),
    "a price": (
        "UPDATE bill_line SET price = '9' WHERE position = 2 AND bill = 1",
        "bills",
        "line 2 (standing): 1 month × 9 comes to 9.00, and its amount is 10.00",
    ),
    "a price that is none": (
        "UPDATE bill_line SET price = 'much' WHERE position = 2 AND bill = 1",
        "bills",
        "it cannot be read",
    ),
    "an account": ("UPDATE bill_line SET ledger_account = 'mine' WHERE bill = 1", "bills", "its postings are not"),
    "the postings of a draft": (
        "UPDATE bill SET postings = '[]' WHERE state = 'draft'",
        "bills",
        "its postings are not",
    ),
    "a line that is gone": ("DELETE FROM bill_line WHERE position = 1 AND bill = 1", "bills", "line 1 is gone"),
    "what demand response paid on a bill": (
        "UPDATE bill_line SET quantity = '1.001' WHERE charge = 'event E-1'",
        "bills",
        "its key is of another usage point, period, rate card, usage or credits",
    ),
    "all of a bill, consistently": (
        (
            "UPDATE bill_line SET quantity = '0', amount = '0.00' WHERE bill = 1; "
            "UPDATE bill SET total = '0.00', postings = '[]' WHERE id = 1; DELETE FROM ledger_line WHERE document = "
            "(SELECT code FROM bill WHERE id = 1)"
        ),
        "recorded bills",
        "its total is 0.00, by the audit chain ",
    ),
    "a state that is none": (
        "UPDATE bill SET state = 'paid' WHERE number = 1",
        "states",
        "'paid' is no state (draft, issued, cancelled), in 1 rows",
    ),
    "an issued bill that is a draft again": (
        "UPDATE bill SET state = 'draft', number = NULL WHERE number = 1",
        "recorded bills",
        "its state is draft, by the audit chain issued",
    ),
    "when a bill was issued": (
        "UPDATE bill SET issued_at_us = 0 WHERE number = 1",
        "recorded bills",
        "its time of issue is 1970-01-01T00:00:00+00:00, by the audit chain ",
    ),
    "a draft that is gone": (
        (
            "DELETE FROM bill_line WHERE bill = (SELECT id FROM bill WHERE state = 'draft'); "
            "DELETE FROM bill WHERE state = 'draft'"
        ),
        "recorded bills",
        "the audit chain tells that it was saved, and it is not there",
    ),
    "when something was posted": (
        "UPDATE ledger_line SET posted_at_us = 0",
        "postings",
        "it is posted on 1970-01-01T00:00:00+00:00, and was issued or reversed on ",
    ),
    "a reversal": (
        "DELETE FROM ledger_line WHERE document LIKE 'credit:%'",
        "postings",
        "the ledger holds other postings",
    ),
    "a note's reversal": (
        "UPDATE ledger_line SET amount_minor = 2 * amount_minor WHERE document LIKE 'reversal:%'",
        "postings",
        "the ledger holds other postings",
    ),
    "a posting of nothing": (
        "INSERT INTO ledger_line VALUES ('X-1', 1, 'mine', 100, 'EUR', 1, ''), ('X-1', 2, 'yours', -100, 'EUR', 1, '')",
        "postings",
        "X-1: the ledger holds postings of it",
    ),
    "the kind of a note": (
        "UPDATE correction SET kind = 'debit note', number = 9 WHERE kind = 'credit note'",
        "corrections",
        "its kind is",
    ),
    "what a note says was billed": (
        (
            """UPDATE correction SET detail = """
            """replace(detail, '"amount": "10.00", "price": "10', '"amount": "10.00", "price": "11')"""
        ),
        "corrections",
        "what its lines say was billed is not what was",
    ),
    "what a note says should have been billed": (
        'UPDATE correction SET detail = replace(detail, \'"usage_hash": "\', \'"usage_hash": "0\')',
        "corrections",
        "has the key of another usage point",
    ),
    "where a note starts": (
        'UPDATE correction SET detail = replace(detail, \'"base_key": "\', \'"base_key": "0\')',
        "corrections",
        "it starts from what neither the bill nor another note of it came to",
    ),
    "the postings of a note": ("UPDATE correction SET postings = '[]'", "corrections", "its postings are not"),
    "a note that is gone": ("DELETE FROM correction WHERE state = 'draft'", "recorded bills", "it is not there"),
    "a note that was issued": (
        "UPDATE correction SET state = 'draft', number = NULL WHERE state = 'issued'",
        "recorded bills",
        "its state is draft, by the audit chain issued",
    ),
    "an edit that is gone": (
        "DELETE FROM edit WHERE state = 'applied'",
        "recorded edits",
        "of UP-1: the audit chain tells that it was applied by ",
    ),
    "an edit's state": (
        "UPDATE edit SET state = 'applied' WHERE state = 'proposed'",
        "recorded edits",
        "its state is 'applied', by the audit chain 'proposed'",
    ),
    "who let an edit go": (
        "UPDATE edit SET decided_by = 'eve' WHERE state = 'applied'",
        "recorded edits",
        "its decided by is 'eve', by the audit chain 'bob'",
    ),
    "an edit's author": (
        "UPDATE edit SET author = 'bob'",
        "recorded edits",
        "its author is 'bob', by the audit chain 'ann'",
    ),
    "an edit's period": (
        "UPDATE edit SET start_s = start_s - 3600, end_s = end_s - 3600",
        "recorded edits",
        "its period is '",
    ),
    "an edit's values": (
        "UPDATE edit SET detail = replace(detail, '\"values\": [500', '\"values\": [900')",
        "recorded edits",
        "counts, its values add ",
    ),
    "an edit of nobody": (
        (
            "INSERT INTO edit SELECT 99, 'ED-X', usage_point, reading_type, start_s, end_s, state, author, reason, "
            "evidence, detail, difference, created_us, decided_by, decided_us, note FROM edit LIMIT 1"
        ),
        "recorded edits",
        "edit ED-X of UP-1: no audit record tells of it",
    ),
    "a doubt accepted by nobody": (
        (
            "INSERT INTO finding (id, usage_point, reading_type, code, start_s, end_s, severity, message, slots, "
            "known_at_us, resolved_at_us, resolution, resolved_by) "
            "VALUES (999, 1, 1, 'V18_spike', 0, 3600, 'fail', '', 1, 1, 2, 'fine', 'ann')"
        ),
        "recorded acceptances",
        "finding 999 (V18_spike) of UP-1: it counts as accepted by ann, and no audit record tells of it",
    ),
    "who accepted a doubt": (
        "UPDATE finding SET resolved_by = 'eve' WHERE resolved_by = 'bob'",
        "recorded acceptances",
        "it was accepted by eve on ",
    ),
    "an acceptance that is gone": (
        "UPDATE finding SET resolved_by = NULL WHERE resolved_by IS NOT NULL",
        "recorded acceptances",
        "by the audit chain bob accepted it, and it is not so, or gone",
    ),
    "a register reading that is gone": (
        "DELETE FROM register_reading WHERE at_s = (SELECT MAX(at_s) FROM register_reading)",
        "recorded registers",
        "UP-1: 90 register readings are stored, the audit chain tells of 91 at least",
    ),
    "a register reading of nobody": (
        (
            "INSERT INTO register_reading SELECT usage_point, reading_type, at_s + 1, epoch, value, end_device, "
            "quality, known_at_us, revision, NULL FROM register_reading LIMIT 1"
        ),
        "recorded registers",
        "92 register readings are stored, the audit chain tells of 91",
    ),
    "a rule": (
        "UPDATE rule_set SET text = replace(text, '\"hours\": 5', '\"hours\": 6')",
        "rules",
        "their text gives the digest ",
    ),
    "a rule's version": (
        "UPDATE rule_set SET version = '9' WHERE version = '2'",
        "rules",
        "their version is '9', by their text '2'",
    ),
    "rules that cannot be read": ("UPDATE rule_set SET text = '{' WHERE version = '2'", "rules", "cannot be read"),
    "a time in which rules were in force": (
        "DELETE FROM rule_period WHERE version = '2'",
        "rules",
        "the 1. rules in force are ",
    ),
    "a payment": (
        "UPDATE performance SET payment = '3.33' WHERE superseded_us IS NULL",
        "recorded payments",
        "event E-1, UP-1: 3.33 EUR are paid for 1.000 kWh saved, at no price that program P-1 ever had",
    ),
    "a payment and its energy": (
        "UPDATE performance SET payment = '3.33', baseline_kwh = '11.000' WHERE superseded_us IS NULL",
        "recorded payments",
        "1 payments of 3.33 in all, by the audit chain 1 of 0.33",
    ),
    "a payment that was replaced": (
        "UPDATE performance SET superseded_us = NULL",
        "recorded payments",
        "of 2 payments it is not the last one alone that counts",
    ),
    "a price of demand response": (
        "UPDATE program SET price_per_kwh = '5'",
        "recorded payments",
        "program P-1: its price is 5 EUR per kWh, by the audit chain 0.3333 EUR",
    ),
    "a state of an event": (
        "UPDATE program_event SET state = 'paid'",
        "states",
        "program_event E-1: 'paid' is no state",
    ),
}


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A town that has lived, without what protects it from those who write SQL."""
    with open_store(tmp_path_factory.mktemp("told") / "town.db") as store:
        remembered(store, lambda _: live(store))
        unprotect(store)
        assert faults(store) == {}
        yield store


@pytest.mark.parametrize("what", DAMAGES)
def test_what_somebody_altered_past_gridwright_is_told_by_its_check(town: Store, what: str) -> None:
    statements, check, words = DAMAGES[what]
    checked: list[Checked] = []
    with undone(town) as unit:
        changed = sum(unit.connection.execute(text(each)).rowcount for each in statements.split(";"))
        checked += verify_store(town, ME).checks
    assert changed > 0
    mine = of(tuple(checked), check)
    assert any(words in each for each in mine.first), (mine, [each for each in checked if each.faults])
    assert mine.remedy
    assert not [each.name for each in checked if each.faults and not each.remedy]
