"""A bill on a page: each line explains itself and opens onto the readings it was made of."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from gridwright.billing.explain import explain_line
from gridwright.domain.interval import Interval, zone_of
from gridwright.store.money.ledger import IssuedBill


def bill_row(issued: IssuedBill) -> dict[str, Any]:
    """Return what a list of bills shows."""
    bill = issued.bill
    last = bill.period.end.astimezone(zone_of(bill.zone)) - timedelta(microseconds=1)
    return {
        "id": bill.id,
        "number": issued.number,
        "state": str(bill.state),
        "usage_point": bill.usage_point,
        "from": bill.period.start.isoformat(),
        "to": bill.period.end.isoformat(),
        "first_day": bill.period.start.astimezone(zone_of(bill.zone)).date().isoformat(),
        "last_day": last.date().isoformat(),
        "zone": bill.zone,
        "energy_kwh": f"{bill.energy_kwh:f}",
        "total": f"{bill.total:f}",
        "currency": bill.currency,
        "rate_card": bill.rate_card,
        "intervals": bill.intervals,
        "estimated": bill.estimated,
        "missing": bill.missing,
    }


def bill_view(issued: IssuedBill) -> dict[str, Any]:
    """Return a bill with its lines, each with its multiplication and the days of its readings."""
    bill = issued.bill
    lines = [
        {
            "text": line.text,
            "quantity": f"{line.quantity:f}",
            "unit": line.unit,
            "price": f"{line.price:f}",
            "amount": f"{line.amount:f}",
            "explanation": explain_line(line),
            "intervals": line.intervals,
            "estimated": line.estimated,
            **days_of(line.period or bill.period, bill.zone),
        }
        for line in bill.lines
    ]
    return {
        **bill_row(issued),
        "lines": lines,
        "notes": list(bill.notes),
        "usage_hash": bill.usage_hash,
        "known_at": bill.known_at.isoformat(),
    }


def days_of(period: Interval, zone: str) -> dict[str, Any]:
    """Return the first civil day of a period and how many there are, as the page of a usage point asks for them."""
    tz = zone_of(zone)
    first, end = period.start.astimezone(tz).date(), period.end.astimezone(tz).date()
    return {"first_day": first.isoformat(), "days": max(1, (end - first).days)}
