"""Credits on a bill: what is owed to the customer from elsewhere, such as a payment for demand response."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

from gridwright.domain.bill import Bill, BillLine


def with_credits(bill: Bill, credits_: Sequence[BillLine]) -> Bill:
    """Return the bill with credit lines below its own; the same credits on the same bill are the same bill again.

    They stand below the taxes and change none. A credit in another currency is left out, and a note says so. No credit
    leaves the bill as it is.
    """
    fitting = tuple(line for line in credits_ if line.currency == bill.currency)
    foreign = [line for line in credits_ if line.currency != bill.currency]
    if not credits_:
        return bill
    notes = [
        *(f"{line.text}, {line.charge}: {-line.amount:f} {line.currency} to your credit." for line in fitting),
        *(
            f"{line.text}, {line.charge}: {-line.amount:f} {line.currency} are not on this bill in {bill.currency}."
            for line in foreign
        ),
    ]
    told = replace(bill, notes=(*bill.notes, *notes))
    if not fitting:
        return told
    key = credited_key(bill.key, fitting)
    return replace(told, id=_id(bill, key), key=key, lines=(*bill.lines, *fitting))


def credited_key(key: str, lines: Sequence[BillLine]) -> str:
    """Return the key of a bill with credit lines, from its key without."""
    text = json.dumps([key, *(line.to_dict() for line in lines)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _id(bill: Bill, key: str) -> str:
    """Return the id with the new key's beginning in place of the old one's."""
    head, dash, _ = bill.id.rpartition("-")
    return f"{head}{dash}{key[:8]}"
