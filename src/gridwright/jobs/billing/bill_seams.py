"""The seams between bills in the ledger, and drafts that no longer fit them since the zone of a usage point changed."""

from __future__ import annotations

from gridwright.domain.access import Access
from gridwright.domain.bill import Bill, BillState
from gridwright.domain.errors import Conflict
from gridwright.domain.seams import Seams, seams_of
from gridwright.store import Store


def seams_kept(store: Store, access: Access, name: str) -> Seams:
    """Return the seams that the bills of a usage point in the ledger make."""
    return seams_of(kept.bill for kept in store.ledger.bills(access, name))


def require_fit(store: Store, access: Access, bill: Bill) -> None:
    """Raise a Conflict for a draft of another zone than its usage point has, or with other ends than bills beside it.

    Issued all the same, hours beside it would be billed twice or not at all.
    """
    if bill.state is not BillState.DRAFT or bill.example:
        return
    point = store.registry.point(access, bill.usage_point)
    fitted = seams_kept(store, access, point.id).fit(bill.period, point.tz)
    if bill.zone == point.zone and fitted == bill.period:
        return
    why = f"is of {bill.period} in {bill.zone}"
    raise Conflict(
        f"{bill.id} {why}, and the days of {point.id} are those of {point.zone} by now, {fitted}",
        remedy=f"gridwright bill run --usage-point {point.id} drafts it anew",
    )
