"""A bill: what it sums, why, and on paper."""

from __future__ import annotations

from shlex import quote

from fastapi import APIRouter, Request
from starlette.responses import Response

from gridwright.domain.errors import AccessDenied, NotFound
from gridwright.store.ledger import IssuedBill
from gridwright.web.routes.twins import add_page
from gridwright.web.show import HEADERS, View, segment, show
from gridwright.web.views.bill import bill_view
from gridwright.web.views.correction import correction_row, may_see
from gridwright.web.who import Viewer, Who


def add(router: APIRouter) -> None:
    """Add the addresses."""
    router.add_api_route("/bills/{name}.pdf", paper, methods=["GET"])
    add_page(router, "/bills/{name}", bill)


def bill(request: Request, who: Who, name: str) -> Response:
    """Show a bill line by line."""
    data = bill_view(_seen(who, name))
    notes = who.platform.store.corrections.of_bill(who.access, name)
    corrections = [correction_row(each) for each in notes if may_see(each, who.access)]
    names = ("text", "quantity", "unit", "price", "amount")
    rows = [[line[each] for each in names] for line in data["lines"]]
    title = f"Bill {data['number']}" if data["number"] else f"Draft of a bill for {data['usage_point']}"
    view = View("bill.html.j2", title, {"bill": data, "corrections": corrections}, names, rows,
                api=f"/v1/bills/{segment(name)}", cli=f"gridwright bill explain {quote(name)}")  # fmt: skip
    return show(request, who, view)


def paper(who: Who, name: str) -> Response:
    """Return the bill as a PDF file."""
    from gridwright.documents.bill_pdf import bill_pdf

    issued = _seen(who, name)
    disposition = {"Content-Disposition": f'attachment; filename="bill-{issued.number or "draft"}.pdf"'}
    return Response(bill_pdf(issued.bill), media_type="application/pdf", headers={**HEADERS, **disposition})


def _seen(who: Viewer, name: str) -> IssuedBill:
    """Return a bill; a customer is not told whether somebody else has one of this name."""
    try:
        return who.platform.store.ledger.bill(who.access, name)
    except AccessDenied:
        if who.access.points is None:
            raise
        raise NotFound(f"bill {name!r} does not exist", remedy="list the bills of the usage point") from None
