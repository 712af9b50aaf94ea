"""A bill as PDF: A4, one or two pages, set by typst with its own fonts, without network."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, cast

from gridwright.billing.explain import tidy
from gridwright.domain.bill import Bill, BillLine, BillState
from gridwright.domain.interval import Interval, zone_of

if TYPE_CHECKING:
    from typst import Compiler

INSTANT = timedelta(microseconds=1)


def bill_pdf(bill: Bill, *, name: str = "") -> bytes:
    """Return the bill as a PDF file; the same bill gives the same bytes. `name`: the customer, as printed."""
    # The template goes along with every call: a compiler forgets a source given as bytes after the first.
    made = compiler().compile(
        _template(),
        format="pdf",
        sys_inputs={"bill": json.dumps(printed(bill, name))},
        timestamp=bill.known_at.replace(microsecond=0),
    )
    return cast("bytes", made)


@lru_cache(maxsize=1)
def compiler() -> Compiler:
    """Return the one compiler of this process, which sees no fonts but its own."""
    import typst

    return typst.Compiler(ignore_system_fonts=True)


@lru_cache(maxsize=1)
def _template() -> bytes:
    return files("gridwright.documents").joinpath("templates/bill.typ").read_bytes()


def bill_json(bill: Bill) -> dict[str, Any]:
    """Return the bill as a JSON object; decimals are texts, so that no digit is lost."""
    return bill.to_dict()


def printed(bill: Bill, name: str) -> dict[str, Any]:
    """Return every text that the template shows."""
    first, last = days_of(bill)
    credit, cancelled = bill.total < 0, is_cancelled(bill)
    heading, label = ("Electricity credit", "To your credit") if credit else ("Electricity bill", "Amount due")
    return {
        "title": f"Bill {bill.id}",
        "heading": f"{heading} (cancelled)" if cancelled else heading,
        "id": bill.id,
        "example": bill.example,
        "days": f"{long_date(first)} to {long_date(last)}",
        "first_day": long_date(first),
        "last_day": long_date(last),
        "known_at": bill.known_at.strftime("%Y-%m-%d %H:%M %Z"),
        "facts": _facts(bill, name, (last - first).days + 1),
        "total_label": f"Cancelled; was {label[:1].lower()}{label[1:]}" if cancelled else label,
        "total": money(abs(bill.total)) if credit else money(bill.total),
        "currency": bill.currency,
        "days_kwh": _shares(bill.daily_kwh),
        "chart_note": _chart_note(bill.daily_kwh),
        "lines": [_line(line, bill) for line in bill.lines],
        "notes": list(bill.notes),
        "usage_hash": bill.usage_hash[:16],
    }


def is_cancelled(bill: Bill) -> bool:
    """Tell whether nobody owes anything by the bill any more."""
    return bill.state is BillState.CANCELLED


def days_of(bill: Bill) -> tuple[date, date]:
    """Return the first and the last civil day billed."""
    return civil_days(bill.period, bill.zone)


def civil_days(period: Interval, zone: str) -> tuple[date, date]:
    """Return the first and the last civil day that a period touches."""
    tz = zone_of(zone)
    return period.start.astimezone(tz).date(), (period.end - INSTANT).astimezone(tz).date()


def long_date(day: date) -> str:
    """Return a date such as 3 March 2026."""
    return f"{day.day} {day:%B %Y}"


def money(amount: Decimal) -> str:
    """Return an amount with separators, such as 1,234.50 or −3.20."""
    return f"{amount:,f}".replace("-", "−")


def _facts(bill: Bill, name: str, days: int) -> list[list[str]]:
    facts = [["Customer", name]] if name else []
    measured = bill.intervals - bill.missing - bill.estimated
    share = f"{100 * measured / bill.intervals:.1f} %" if bill.intervals else "none"
    return [
        *facts,
        ["Usage point", bill.usage_point],
        ["Rate card", bill.rate_card],
        ["Energy delivered", f"{bill.energy_kwh:,f} kWh"],
        ["Days", str(days)],
        ["Intervals measured", share],
        ["Estimated, missing", f"{bill.estimated}, {bill.missing}"],
        ["Time zone", bill.zone],
    ]


def _line(line: BillLine, bill: Bill) -> dict[str, str]:
    unit = line.unit if line.unit != bill.currency else ""
    note = f"{line.intervals:,} intervals" if line.intervals else ""
    if line.estimated:
        note += f", {line.estimated:,} of them estimated"
    return {
        "text": line.text,
        "note": _days_note(line, bill) + note if note else ("" if line.determinant == "tax" else line.basis),
        "quantity": f"{money(line.quantity)} {unit}".strip(),
        "price": tidy(line.price).replace("-", "−"),
        "amount": money(line.amount),
    }


def _days_note(line: BillLine, bill: Bill) -> str:
    if line.period is None or line.period == bill.period:
        return ""
    first, last = civil_days(line.period, bill.zone)
    return f"{first.day} {first:%b} to {last.day} {last:%b %Y}, "


def _shares(daily: tuple[Decimal, ...]) -> list[float]:
    highest = max(daily, default=Decimal(0))
    return [float(max(day, Decimal(0)) / highest) if highest > 0 else 0.0 for day in daily]


def _chart_note(daily: tuple[Decimal, ...]) -> str:
    if not daily:
        return ""
    return f"highest {max(daily):f} kWh, mean {sum(daily, Decimal(0)) / len(daily):.3f} kWh"
