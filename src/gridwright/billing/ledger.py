"""Double entry: every document's lines sum to zero, and a wrong bill is taken back by a credit note."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from gridwright.domain.bill import Bill, BillState, LedgerLine

RECEIVABLE = "receivable"


def postings(bill: Bill, *, posted_at: datetime | None = None) -> tuple[LedgerLine, ...]:
    """Debit what the customer owes, credit each revenue and tax account; the lines sum to zero.

    `posted_at` left out is the time at which the usage was known.
    """
    at = posted_at or bill.known_at
    accounts: dict[str, Decimal] = {RECEIVABLE: bill.total}
    for line in bill.lines:
        accounts[line.ledger_account] = accounts.get(line.ledger_account, Decimal(0)) - line.amount
    text = f"{bill.usage_point} {bill.rate_card}"
    return tuple(
        LedgerLine(bill.id, account, amount, bill.currency, at, text) for account, amount in accounts.items() if amount
    )


def credit_note(bill: Bill) -> Bill:
    """Return the document that takes `bill` back line by line; both together post to zero."""
    lines = tuple(replace(line, quantity=-line.quantity, text=f"Credit: {line.text}") for line in bill.lines)
    return replace(
        bill,
        id=f"{bill.id}-credit",
        key=f"{bill.key}-credit",
        lines=lines,
        state=BillState.DRAFT,
        notes=(f"Credit note for bill {bill.id}.",),
    )
