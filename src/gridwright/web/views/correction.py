"""A correction on a page: each charge as it was billed and as it is now, and why."""

from __future__ import annotations

from typing import Any

from gridwright.domain.correction import Correction, CorrectionState
from gridwright.domain.interval import zone_of
from gridwright.domain.obstacle import Withheld

TONES = {CorrectionState.ISSUED: "good", CorrectionState.CANCELLED: "doubt", CorrectionState.DRAFT: "none"}
OPEN = (CorrectionState.DRAFT, CorrectionState.HELD)


def correction_row(correction: Correction) -> dict[str, Any]:
    """Return what a list of corrections shows."""
    first = correction.period.start.astimezone(zone_of(correction.now.zone)).date()
    return {
        "id": correction.id,
        "bill": correction.bill,
        "bill_number": correction.bill_number,
        "usage_point": correction.usage_point,
        "month": first.isoformat(),
        "kind": str(correction.kind),
        "state": str(correction.state),
        "tone": TONES.get(correction.state, "none"),
        "number": correction.number,
        "energy_kwh": f"{correction.energy_kwh:f}",
        "total": f"{correction.total:f}",
        "currency": correction.currency,
        "known_at": correction.known_at.isoformat(),
    }


def withheld_row(withheld: Withheld) -> dict[str, Any]:
    """Return what the list of withheld months shows of one."""
    first = withheld.period.start.astimezone(zone_of(withheld.zone)).date()
    return {**withheld.to_dict(), "month": first.isoformat()}


def correction_view(correction: Correction) -> dict[str, Any]:
    """Return a correction with its lines, those that differ first, its days and its reasons."""
    lines = [
        {
            "text": line.text,
            "unit": line.unit,
            "billed_quantity": f"{line.billed.quantity:f}",
            "billed_amount": f"{line.billed.amount:f}",
            "quantity": f"{line.now.quantity:f}",
            "amount": f"{line.now.amount:f}",
            "difference": f"{line.difference:f}",
            "differs": line.differs,
        }
        for line in correction.lines
    ]
    days = [
        {
            "day": each.day.isoformat(),
            "billed_kwh": f"{each.billed_kwh:f}",
            "now_kwh": f"{each.now_kwh:f}",
            "replaced": each.replaced,
        }
        for each in correction.reason.days
    ]
    return {
        **correction_row(correction),
        "lines": sorted(lines, key=lambda line: not line["differs"]),
        "days": days,
        "reasons": correction.reason.sentences(),
        "zone": correction.now.zone,
        "cascade": correction.cascade,
    }


def deeds(correction: Correction, *, may_write: bool) -> dict[str, bool]:
    """Tell what whoever looks may do with it."""
    return {
        "may_issue": may_write and correction.state in OPEN,
        "may_cancel": may_write and correction.state in (*OPEN, CorrectionState.ISSUED),
    }
