"""Whether the key of a bill is that of what the bill says it was made of."""

from __future__ import annotations

from gridwright.billing.credit_line import credited_key
from gridwright.billing.rating import ENGINES, bill_key
from gridwright.domain.bill import Bill


def is_keyed(bill: Bill) -> bool:
    """Tell whether usage point, period, rate card, usage and the credits below its own lines give a bill's key."""
    made_of = (bill.usage_point, bill.period, bill.rate_card, bill.usage_hash)
    for engine in reversed(ENGINES):
        rated = bill_key(*made_of, engine)
        if bill.key == rated:
            return True
        # Credits stand below all other lines, and are few.
        if any(bill.key == credited_key(rated, bill.lines[at:]) for at in reversed(range(len(bill.lines)))):
            return True
    return False
