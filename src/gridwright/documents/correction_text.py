"""A correction as the customer reads it: what was billed, what is right, the difference line by line, and why."""

from __future__ import annotations

from gridwright.billing.explain import tidy
from gridwright.documents.bill_pdf import civil_days, long_date, money
from gridwright.domain.correction import Correction, CorrectionLine, CorrectionState, Figures, NoteKind

SHOWN_DAYS = 12


def correction_text(correction: Correction) -> str:
    """Return the note as text for a terminal or a letter."""
    lines = [
        heading(correction),
        f"{subject(correction)}, usage point {correction.usage_point}, {days(correction)} ({correction.now.zone})",
        "",
        *reasons(correction),
        "",
    ]
    for line in correction.lines:
        if line.differs:
            lines += [line.text, *(f"  {told}" for told in line_sentences(line)), ""]
    return "\n".join([*lines, f"{total_label(correction)}: {money(abs(correction.total))} {correction.currency}", ""])


def heading(correction: Correction) -> str:
    """Return the kind of the document with its number."""
    name = str(correction.kind).capitalize()
    if correction.number is None:
        return f"{name} ({correction.state})"
    return f"{name} {correction.number}" + (" (cancelled)" if is_cancelled(correction) else "")


def is_cancelled(correction: Correction) -> bool:
    """Tell whether nothing is owed by it any more."""
    return correction.state is CorrectionState.CANCELLED


def subject(correction: Correction) -> str:
    """Say which bill is corrected."""
    number = f" no. {correction.bill_number}" if correction.bill_number is not None else ""
    return f"Correction of bill{number} ({correction.bill})"


def days(correction: Correction) -> str:
    """Return the first and the last day billed."""
    first, last = civil_days(correction.period, correction.now.zone)
    return f"{long_date(first)} to {long_date(last)}"


def reasons(correction: Correction) -> list[str]:
    """Say why, and which days changed by how many kWh."""
    told = correction.reason.sentences()
    changed = [day for day in correction.reason.days if day.difference_kwh]
    told += [
        f"{long_date(day.day)}: {day.now_kwh:f} kWh instead of {day.billed_kwh:f} kWh ({signed(day.difference_kwh)})."
        for day in changed[:SHOWN_DAYS]
    ]
    if len(changed) > SHOWN_DAYS:
        rest = sum((day.difference_kwh for day in changed[SHOWN_DAYS:]), 0 * changed[0].difference_kwh)
        told.append(f"{len(changed) - SHOWN_DAYS} more days: {signed(rest)} kWh.")
    return told


def line_sentences(line: CorrectionLine) -> list[str]:
    """Say what a line was, what it is, and the difference."""
    return [
        f"billed: {_figures(line, line.billed)}",
        f"now:    {_figures(line, line.now)}",
        f"difference: {signed(line.difference)} {line.currency}",
    ]


def total_label(correction: Correction) -> str:
    """Say who owes whom; of a cancelled one, who did."""
    credit = correction.kind is NoteKind.CREDIT
    if is_cancelled(correction):
        return "Cancelled; was to your credit" if credit else "Cancelled; was due in addition"
    return "To your credit" if credit else "Amount due in addition"


def signed(amount: object) -> str:
    """Return a number with its sign."""
    return f"{amount:+,f}".replace("-", "−")


def _figures(line: CorrectionLine, figures: Figures) -> str:
    unit = "" if line.unit == line.currency else f" {line.unit}"
    price = tidy(figures.price).replace("-", "−")
    return f"{money(figures.quantity)}{unit} × {price} = {money(figures.amount)} {line.currency}"
