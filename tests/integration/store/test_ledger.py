from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.bill import Bill, BillLine, BillState, LedgerLine
from gridwright.domain.errors import AccessDenied, Conflict, GridwrightError, InputError, NotFound, StoreCorrupt
from gridwright.domain.interval import Interval
from gridwright.domain.money import Rounding
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import Store, open_store

MARCH = Interval(datetime(2025, 3, 1, tzinfo=UTC), datetime(2025, 4, 1, tzinfo=UTC))
MOMENT = datetime(2025, 4, 2, 3, 4, 5, 678_901, tzinfo=UTC)


def a_bill(code: str = "B1", point: str = "a", currency: str = "EUR") -> Bill:
    lines = (
        BillLine("energy", "Energy, peak", Decimal("12.345"), "kWh", Decimal("0.31234567"), currency, basis="96 × ¼ h"),
        BillLine("fixed", "Fixed", Decimal(31), "d", Decimal("0.50"), currency, Rounding.HALF_EVEN, MARCH, intervals=3),
    )
    return Bill(
        code,
        f"key of {code}",
        point,
        MARCH,
        "Europe/Berlin",
        "flat 2025-01",
        currency,
        lines,
        "hash",
        MOMENT,
        energy_kwh=Decimal("12.345"),
        notes=("estimated",),
        example=True,
    )


def postings(bill: Bill) -> list[LedgerLine]:
    return [
        LedgerLine(bill.id, "receivable", bill.total, bill.currency, MOMENT, "for März"),
        LedgerLine(bill.id, "revenue", -bill.total, bill.currency, MOMENT),
    ]


def saved(store: Store, *bills: Bill) -> None:
    store.registry.save_points(ME, [UsagePoint(bill.usage_point) for bill in bills])
    for bill in bills:
        assert store.ledger.save_bill(ME, bill, postings(bill)).new


@pytest.mark.parametrize("currency", ["EUR", "JPY", "KWD"])
def test_a_bill_comes_back_as_it_was(store: Store, currency: str) -> None:
    bill = a_bill(currency=currency)
    saved(store, bill)
    found = store.ledger.bill(ME, "B1")
    assert (found.bill, found.number, found.issued_at) == (bill, None, None)
    assert store.ledger.bills(ME, "a") == [found]
    assert store.ledger.lines(ME) == []


def test_the_same_key_writes_nothing(store: Store) -> None:
    saved(store, a_bill())
    records = store.audit.verify(ME)
    assert not store.ledger.save_bill(ME, replace(a_bill(), id="B2")).new
    assert [found.bill.id for found in store.ledger.bills(ME)] == ["B1"]
    assert store.audit.verify(ME) == records


def test_the_same_id_with_another_key_is_a_conflict(store: Store) -> None:
    saved(store, a_bill())
    with pytest.raises(Conflict, match="another id"):
        store.ledger.save_bill(ME, replace(a_bill(), key="other"))


def test_numbers_have_no_gap(store: Store) -> None:
    saved(store, *(a_bill(code) for code in ("B1", "B2", "B3")))
    assert store.ledger.issue(ME, "B2") == 1
    with pytest.raises(NotFound):
        issue_and_fail(store)
    assert [store.ledger.issue(ME, code) for code in ("B3", "B2", "B1")] == [2, 1, 3]


def issue_and_fail(store: Store) -> None:
    with store.transaction():
        assert store.ledger.issue(ME, "B1") == 2
        store.ledger.issue(ME, "unknown")


def test_issue_posts_and_cancel_reverses(store: Store) -> None:
    bill = a_bill()
    saved(store, bill)
    store.ledger.issue(ME, "B1")
    assert store.ledger.balances(ME) == {("receivable", "EUR"): bill.total, ("revenue", "EUR"): -bill.total}
    assert [(line.amount, line.text) for line in store.ledger.lines(ME, "B1")] == [
        (bill.total, "for März"),
        (-bill.total, ""),
    ]
    assert (store.ledger.cancel(ME, "B1"), store.ledger.cancel(ME, "B1")) == (1, 1)
    assert set(store.ledger.balances(ME).values()) == {Decimal(0)}
    found = store.ledger.bill(ME, "B1")
    assert (found.bill.state, found.number, found.credit_number) == (BillState.CANCELLED, 1, 1)
    assert len(store.ledger.lines(ME, "credit:B1")) == 2
    with pytest.raises(Conflict, match="cancelled"):
        store.ledger.issue(ME, "B1")


def test_a_cancelled_draft_leaves_no_trace_in_the_ledger(store: Store) -> None:
    saved(store, a_bill())
    assert store.ledger.cancel(ME, "B1") is None
    assert store.ledger.cancel(ME, "B1") is None
    assert store.ledger.lines(ME) == []


def test_postings_out_of_balance_are_refused(store: Store) -> None:
    store.registry.save_points(ME, [UsagePoint("a")])
    bill = a_bill()
    with pytest.raises(InputError, match=r"19\.36 EUR out of balance"):
        store.ledger.save_bill(ME, bill, postings(bill)[:1])
    cent = Decimal("0.001")
    odd = [LedgerLine("B1", account, amount, "EUR", MOMENT) for account, amount in (("a", cent), ("b", -cent))]
    with pytest.raises(InputError, match="more decimals"):
        store.ledger.save_bill(ME, bill, odd)
    with pytest.raises(InputError, match="save it as a draft"):
        store.ledger.save_bill(ME, replace(bill, state=BillState.ISSUED))
    assert store.ledger.bills(ME) == []


FORBIDDEN = [
    "UPDATE bill SET total = '0.00'",
    "UPDATE bill SET state = 'draft'",
    "UPDATE bill SET number = 77",
    "DELETE FROM bill",
    "UPDATE bill_line SET amount = '0'",
    "DELETE FROM bill_line",
    "UPDATE ledger_line SET amount_minor = 0",
    "DELETE FROM ledger_line",
    "UPDATE audit_record SET actor = 'nobody'",
    "DELETE FROM audit_record",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_the_database_itself_refuses_to_change_what_is_issued(store: Store, statement: str) -> None:
    saved(store, a_bill())
    store.ledger.issue(ME, "B1")
    before = store.ledger.bill(ME, "B1"), store.ledger.lines(ME), store.audit.verify(ME)
    with pytest.raises(GridwrightError, match="never"), store._session.writing() as unit:
        unit.connection.execute(text(statement))
    assert (store.ledger.bill(ME, "B1"), store.ledger.lines(ME), store.audit.verify(ME)) == before


def test_customers_see_their_own_bills(store: Store) -> None:
    saved(store, a_bill("B1", "a"), a_bill("B2", "b"))
    store.ledger.issue(ME, "B1")
    ann = Access("ann", Role.CUSTOMER, frozenset({"a"}))
    assert [found.bill.id for found in store.ledger.bills(ann)] == ["B1"]
    assert len(store.ledger.lines(ann, "B1")) == 2
    for refused in ("B2", "credit:B2"):
        with pytest.raises(AccessDenied):
            store.ledger.lines(ann, refused)
    with pytest.raises(AccessDenied):
        store.ledger.bill(ann, "B2")
    with pytest.raises(AccessDenied):
        store.ledger.balances(ann)
    with pytest.raises(AccessDenied):
        store.ledger.lines(ann)


def test_customers_see_no_draft(store: Store) -> None:
    """Neither one that is still a draft nor one that was cancelled as such; a bill that was cancelled they got."""
    saved(store, a_bill("B1", "a"), a_bill("B2", "a"), a_bill("B3", "a"))
    store.ledger.issue(ME, "B1")
    store.ledger.cancel(ME, "B1")
    store.ledger.cancel(ME, "B2")
    ann = Access("ann", Role.CUSTOMER, frozenset({"a"}))
    assert [found.bill.id for found in store.ledger.bills(ann, "a")] == ["B1"]
    assert [found.bill.id for found in store.ledger.page(ann)] == ["B1"]
    assert store.ledger.page(ann, state=BillState.DRAFT) == []
    assert len(store.ledger.page(ME)) == 3
    issued = store.ledger.bill(ann, "B1").issued_at
    assert issued is not None
    for refused, as_of in (("B2", None), ("B3", None), ("B1", issued - timedelta(seconds=1))):
        with pytest.raises(AccessDenied, match=f"may not see the draft of bill {refused}"):
            store.ledger.bill(ann, refused, as_of=as_of)
        assert store.ledger.bill(ME, refused, as_of=as_of).number is None


def test_a_changed_amount_is_found() -> None:
    with open_store("sqlite://") as store:
        saved(store, a_bill())
        with store._session.writing() as unit:
            unit.connection.execute(text("DROP TRIGGER tr_bill_line_update"))
            unit.connection.execute(text("UPDATE bill_line SET amount = '1.00' WHERE position = 1"))
        with pytest.raises(StoreCorrupt, match="do not follow from its lines"):
            store.ledger.bill(ME, "B1")
