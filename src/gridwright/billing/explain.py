"""A bill in words: for each line the quantity, its intervals, the price and the multiplication."""

from __future__ import annotations

from decimal import Decimal

from gridwright.domain.bill import Bill, BillLine


def explain(bill: Bill) -> list[str]:
    """Return one paragraph a line of the bill, then the sum and the notes."""
    paragraphs = [explain_line(line) for line in bill.lines]
    amounts = " + ".join(f"{line.amount:f}" for line in bill.lines).replace("+ -", "− ")
    paragraphs.append(f"Total: {amounts or '0'} = {bill.total:f} {bill.currency}")
    return [*paragraphs, *(f"Note: {note}" for note in bill.notes)]


def explain_line(line: BillLine) -> str:
    """Return the multiplication of one line and where its quantity comes from."""
    unit = f" {line.unit}" if line.unit else ""
    exact = line.quantity * line.price
    rounded = f" = {tidy(exact)}, rounded to {line.amount:f}" if exact != line.amount else f" = {line.amount:f}"
    shown = f"{line.text}: {line.quantity:f}{unit} × {tidy(line.price)}{rounded} {line.currency}"
    doubt = f"{line.estimated} of them estimated" if line.estimated else ""
    return "\n  ".join(part for part in (shown, line.basis, doubt) if part)


def tidy(value: Decimal) -> str:
    """Write a decimal without trailing zeros beyond the second place."""
    text = f"{value.normalize():f}"
    whole, _, places = text.partition(".")
    return f"{whole}.{places.ljust(2, '0')}"
