"""A correction as PDF: one A4 page or two, set by typst like the bill that it corrects."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files
from typing import Any, cast

from gridwright.billing.explain import tidy
from gridwright.documents.bill_pdf import compiler, money
from gridwright.documents.correction_text import days, heading, reasons, signed, subject, total_label
from gridwright.domain.correction import Correction, CorrectionLine, Figures


def correction_pdf(correction: Correction, *, name: str = "") -> bytes:
    """Return the note as a PDF file; the same note gives the same bytes. `name`: the customer, as printed."""
    made = compiler().compile(
        _template(),
        format="pdf",
        sys_inputs={"note": json.dumps(printed(correction, name))},
        timestamp=correction.known_at.replace(microsecond=0),
    )
    return cast("bytes", made)


@lru_cache(maxsize=1)
def _template() -> bytes:
    return files("gridwright.documents").joinpath("templates/correction.typ").read_bytes()


def printed(correction: Correction, name: str) -> dict[str, Any]:
    """Return every text that the template shows."""
    return {
        "title": f"{heading(correction)} to bill {correction.bill}",
        "heading": heading(correction),
        "subject": subject(correction),
        "id": correction.id,
        "days": days(correction),
        "customer": name,
        "usage_point": correction.usage_point,
        "example": correction.now.example,
        "known_at": correction.known_at.strftime("%Y-%m-%d %H:%M %Z"),
        "reasons": reasons(correction),
        "lines": [_line(line) for line in correction.lines],
        "total_label": total_label(correction),
        "total": money(abs(correction.total)),
        "difference": signed(correction.total),
        "billed_total": money(sum(line.billed.amount for line in correction.lines) or 0 * correction.total),
        "now_total": money(correction.now.total),
        "currency": correction.currency,
        "usage_hash": correction.now.usage_hash[:16],
    }


def _line(line: CorrectionLine) -> dict[str, str | bool]:
    return {
        "text": line.text,
        "differs": line.differs,
        "billed": _figures(line, line.billed),
        "billed_amount": money(line.billed.amount),
        "now": _figures(line, line.now),
        "now_amount": money(line.now.amount),
        "difference": signed(line.difference) if line.difference else "–",
    }


def _figures(line: CorrectionLine, figures: Figures) -> str:
    unit = "" if line.unit == line.currency else f" {line.unit}"
    return f"{money(figures.quantity)}{unit} × {tidy(figures.price)}".replace("-", "−")
