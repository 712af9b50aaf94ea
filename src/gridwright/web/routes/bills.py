"""A bill: what it sums, why, and on paper."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from gridwright.web.routes.twins import add_page
from gridwright.web.show import HEADERS, View, show
from gridwright.web.views.bill import bill_view
from gridwright.web.who import Who


def add(router: APIRouter) -> None:
    """Add the addresses."""
    router.add_api_route("/bills/{name}.pdf", paper, methods=["GET"])
    add_page(router, "/bills/{name}", bill)


def bill(request: Request, who: Who, name: str) -> Response:
    """Show a bill line by line."""
    data = bill_view(who.platform.store.ledger.bill(who.access, name))
    names = ("text", "quantity", "unit", "price", "amount")
    rows = [[line[each] for each in names] for line in data["lines"]]
    view = View("bill.html.j2", f"Bill {data['number'] or name}", {"bill": data}, names, rows,
                api=f"/v1/bills/{name}", cli=f"gridwright bill explain {name}")  # fmt: skip
    return show(request, who, view)


def paper(who: Who, name: str) -> Response:
    """Return the bill as a PDF file."""
    from gridwright.documents.bill_pdf import bill_pdf

    issued = who.platform.store.ledger.bill(who.access, name)
    disposition = {"Content-Disposition": f'attachment; filename="bill-{issued.number or "draft"}.pdf"'}
    return Response(bill_pdf(issued.bill), media_type="application/pdf", headers={**HEADERS, **disposition})
