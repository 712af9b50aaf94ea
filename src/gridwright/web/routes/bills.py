"""A bill: what it sums, why, and on paper."""

from __future__ import annotations

from shlex import quote
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from gridwright.api.routes.bills import bill_of
from gridwright.app.live import obstacles_of
from gridwright.domain.interval import parse_instant, zone_of
from gridwright.web.routes.twins import add_page
from gridwright.web.show import HEADERS, View, segment, show, utc_text
from gridwright.web.views.bill import bill_view
from gridwright.web.views.correction import correction_row
from gridwright.web.who import Who


def add(router: APIRouter) -> None:
    """Add the addresses."""
    router.add_api_route("/bills/{name}.pdf", paper, methods=["GET"])
    add_page(router, "/bills/{name}", bill)


def bill(
    request: Request, who: Who, name: str, known: Annotated[str, Query(alias="as-of", max_length=40)] = ""
) -> Response:
    """Show a bill line by line; `as-of`: with its corrections as they stood then."""
    kept = bill_of(who.platform, name)
    as_of = parse_instant(known.strip(), zone_of(kept.bill.zone)) if known.strip() else None
    data = bill_view(bill_of(who.platform, name, as_of=as_of) if as_of else kept)
    notes = who.platform.store.corrections.of_bill(who.access, name, as_of=as_of)
    corrections = [correction_row(each) for each in notes]
    obstacles = [] if as_of else [each.to_dict() for each in obstacles_of(who.platform, kept.bill)]
    shown = {"bill": data, "corrections": corrections, "as_of": known.strip(), "obstacles": obstacles}
    names = ("text", "quantity", "unit", "price", "amount")
    rows = [[line[each] for each in names] for line in data["lines"]]
    title = f"Bill {data['number']}" if data["number"] else f"Draft of a bill for {data['usage_point']}"
    view = View("bill.html.j2", title, shown, names, rows,
                api=f"/v1/bills/{segment(name)}" + (f"?as-of={utc_text(as_of)}" if as_of else ""),
                cli=f"gridwright bill explain {quote(name)}")  # fmt: skip
    return show(request, who, view)


def paper(who: Who, name: str) -> Response:
    """Return the bill as a PDF file."""
    from gridwright.documents.bill_pdf import bill_pdf

    issued = bill_of(who.platform, name)
    disposition = {"Content-Disposition": f'attachment; filename="bill-{issued.number or "draft"}.pdf"'}
    return Response(bill_pdf(issued.bill), media_type="application/pdf", headers={**HEADERS, **disposition})
