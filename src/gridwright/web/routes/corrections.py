"""Corrections: credit and debit notes to issued bills, line by line, before and after they are issued."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from shlex import quote
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from gridwright.api.routes.corrections import correction_of
from gridwright.app.live import issue_note, obstacles_of_notes, withheld_now
from gridwright.documents.correction_text import heading
from gridwright.domain.access import Act
from gridwright.domain.correction import Correction, CorrectionState
from gridwright.web.routes.twins import add_page
from gridwright.web.show import HEADERS, View, segment, show
from gridwright.web.views.correction import correction_row, correction_view, deeds, withheld_row
from gridwright.web.who import BoundForm, Staff, Viewer, Who

SHOWN = 200
GROUPS = {
    "drafts": (CorrectionState.DRAFT,),
    "held": (CorrectionState.HELD,),
    "done": (CorrectionState.ISSUED, CorrectionState.CANCELLED),
}


def add(router: APIRouter) -> None:
    """Add the addresses."""
    add_page(router, "/corrections", corrections)
    router.add_api_route("/corrections/{name}.pdf", paper, methods=["GET"])
    router.add_api_route("/corrections/{name}/issue", issue, methods=["POST"])
    router.add_api_route("/corrections/{name}/cancel", cancel, methods=["POST"])
    add_page(router, "/corrections/{name}", correction)


def corrections(request: Request, who: Staff) -> Response:
    """List corrections by where they stand."""
    page = who.platform.store.corrections.page
    data: dict[str, list[dict[str, Any]]] = {}
    for name, states in GROUPS.items():
        found = [each for state in states for each in reversed(page(who.access, state=state, limit=SHOWN))]
        data[name] = [{**correction_row(each), **told} for each, told in zip(found, _told(who, found), strict=True)]
    names = ("id", "bill", "usage_point", "kind", "state", "number", "energy_kwh", "total", "currency", "known_at")
    rows = [[each[name] for name in names] for group in GROUPS for each in data[group]]
    data["withheld"] = [withheld_row(each) for each in withheld_now(who.platform, most=SHOWN)]
    view = View("corrections.html.j2", "Corrections of bills", data, names, rows,
                api="/v1/corrections", cli="gridwright bill corrections list")  # fmt: skip
    return show(request, who, view)


def correction(request: Request, who: Who, name: str) -> Response:
    """Show one correction: what was billed, what it is now, and why."""
    found = correction_of(who.platform, name)
    note = correction_view(found)
    names = ("text", "billed_quantity", "quantity", "unit", "billed_amount", "amount", "difference")
    rows = [[line[each] for each in names] for line in note["lines"]]
    data = {"note": note, **_told(who, [found])[0], **deeds(found, may_write=who.may(Act.WRITE_BILLS))}
    title = f"{heading(found)} to bill {found.bill_number or found.bill}"
    cli = f"gridwright bill corrections show {quote(name)}"
    view = View("correction.html.j2", title, data, names, rows, api=f"/v1/corrections/{segment(name)}", cli=cli)
    return show(request, who, view)


def paper(who: Who, name: str) -> Response:
    """Return the note as a PDF file."""
    from gridwright.documents.correction_pdf import correction_pdf

    found = correction_of(who.platform, name)
    disposition = {"Content-Disposition": f'attachment; filename="note-{found.number or "draft"}.pdf"'}
    return Response(correction_pdf(found), media_type="application/pdf", headers={**HEADERS, **disposition})


def issue(who: Staff, form: BoundForm, name: str) -> Response:
    """Issue a draft as a note, with the next number of its series; a withheld one for a reason."""
    issue_note(who.platform, name, form.text("despite"))
    return _to(name)


def cancel(who: Staff, form: BoundForm, name: str) -> Response:
    """Put a draft aside, or reverse an issued note."""
    del form
    who.platform.store.corrections.cancel(who.access, name)
    return _to(name)


def _told(who: Viewer, found: Sequence[Correction]) -> list[dict[str, Any]]:
    """Return for each note what withholds it, as pages show it."""
    return [{"obstacles": [one.to_dict() for one in each]} for each in obstacles_of_notes(who.platform, found)]


def _to(name: str) -> Response:
    return RedirectResponse(f"/corrections/{segment(name)}", HTTPStatus.SEE_OTHER)
