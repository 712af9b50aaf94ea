"""A bill as text for the terminal: what `--explain` prints."""

from __future__ import annotations

from gridwright.billing.explain import explain
from gridwright.documents.bill_pdf import days_of, is_cancelled
from gridwright.domain.bill import Bill


def bill_text(bill: Bill) -> str:
    """Return the bill line by line, each with quantity, intervals, price and multiplication."""
    first, last = days_of(bill)
    quality = f"{bill.intervals} intervals, {bill.estimated} estimated, {bill.missing} missing"
    head = [
        f"Bill {bill.id} for usage point {bill.usage_point}" + (", cancelled" if is_cancelled(bill) else ""),
        f"{first.isoformat()} to {last.isoformat()} ({bill.zone}), rate card {bill.rate_card}",
        f"{bill.energy_kwh:f} kWh delivered; {quality}",
    ]
    return "\n".join([*head, "", *explain(bill)]) + "\n"
