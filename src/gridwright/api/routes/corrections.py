"""Corrections: drafts of credit and debit notes that the cascade makes, issued or cancelled; and the totals of days."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from gridwright.api.address import href
from gridwright.api.cursor import from_cursor, to_cursor
from gridwright.api.door import Asking
from gridwright.api.idempotency import OnceDone
from gridwright.api.listing import JSON, Page, accepted, cut, listed
from gridwright.api.parameters import AsOf, CursorText, From, Id, Kind, Limit, PointIf, To, kind_of, period_of
from gridwright.api.routes.bills import bill_of
from gridwright.api.shapes.corrections import (
    CorrectionActed,
    CorrectionShape,
    CorrectionSummary,
    DayTotalShape,
)
from gridwright.api.shapes.work import IssueAsked
from gridwright.app import Platform
from gridwright.app.live import issue_note, obstacles_of_notes
from gridwright.domain.correction import Correction, CorrectionState
from gridwright.domain.errors import AccessDenied, NotFound
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.jobs.load.load_totals import load_totals

router = APIRouter(tags=["Bills"])
PDF, TEXT = "application/pdf", "text/plain"
DOCUMENT: dict[int | str, dict[str, Any]] = {200: {"content": {PDF: {}, TEXT: {}}}}
StateIf = Annotated[CorrectionState | None, Query(description="Only corrections in this state.")]


@router.get("/corrections", summary="List corrections", response_model=Page[CorrectionSummary])
def list_corrections(
    request: Request,
    platform: Asking,
    *,
    point: PointIf = None,
    state: StateIf = None,
    limit: Limit = 100,
    cursor: CursorText = "",
) -> Response:
    """Return credit and debit notes, in the order in which they were made; replaced ones only when asked for."""
    place = from_cursor("corrections", cursor, (0,))
    after = int(place[0]) if place else 0
    rows = platform.store.corrections.page(platform.access, point=point, state=state, limit=limit + 1, after=after)
    page, last = cut(rows, limit)
    shapes = [CorrectionSummary.of(each) for each in page]
    return listed(request, shapes, last and to_cursor("corrections", (last.order,)))


@router.get("/bills/{name}/corrections", summary="List a bill's corrections", response_model=Page[CorrectionSummary])
def list_corrections_of(request: Request, platform: Asking, name: Id, as_of: AsOf = None) -> Response:
    """Return the corrections of one bill, the oldest first, as they stand or as they stood then."""
    bill_of(platform, name)
    found = platform.store.corrections.of_bill(platform.access, name, as_of=as_of)
    return listed(request, [CorrectionSummary.of(each) for each in found])


@router.get("/corrections/{name}", summary="Show a correction", response_model=CorrectionShape, responses=DOCUMENT)
def show_correction(request: Request, platform: Asking, name: Id) -> Response:
    """Return a correction line by line as JSON, or as the customer gets it: `application/pdf` or `text/plain`."""
    found = correction_of(platform, name)
    media = accepted(request, (JSON, PDF, TEXT))
    headers = {"Vary": "Accept"}
    if media == PDF:
        from gridwright.documents.correction_pdf import correction_pdf

        return Response(correction_pdf(found), headers=headers, media_type=PDF)
    if media == TEXT:
        from gridwright.documents.correction_text import correction_text

        return Response(correction_text(found), headers=headers, media_type=TEXT)
    shape = CorrectionShape.of(found, obstacles=obstacles_of_notes(platform, [found])[0])
    return Response(shape.model_dump_json(by_alias=True), headers=headers, media_type=JSON)


def correction_of(platform: Platform, name: str) -> Correction:
    """Return a correction; somebody else's is as absent as one that does not exist."""
    try:
        return platform.store.corrections.correction(platform.access, name)
    except AccessDenied:
        if platform.access.points is None:
            raise
        raise NotFound(f"correction {name!r} does not exist", remedy="list the corrections of the bill") from None


@router.post("/corrections/{name}/issue", summary="Issue a correction", response_model=CorrectionActed)
def issue(once: OnceDone, name: Id, asked: IssueAsked | None = None) -> Response:
    """Give a draft the next number of its series and post the difference; twice changes nothing; withheld is a 409."""
    despite = asked.despite if asked else ""
    return once.act(lambda _, note: issue_note(once.platform, note, despite), name, acted)


@router.post("/corrections/{name}/cancel", summary="Cancel a correction", response_model=CorrectionActed)
def cancel(once: OnceDone, name: Id) -> Response:
    """Cancel a correction; an issued one is reversed, the last one of a bill first. Twice changes nothing."""
    return once.act(once.platform.store.corrections.cancel, name, acted)


def acted(platform: Platform, name: str) -> CorrectionActed:
    """Return a correction's state after an act."""
    return CorrectionActed.of(correction_of(platform, name), href=href("corrections", name))


@router.get(
    "/usage-points/{name}/day-totals",
    summary="Read totals of days",
    response_model=Page[DayTotalShape],
    tags=["Readings"],
)
def list_totals(
    request: Request,
    platform: Asking,
    name: Id,
    *,
    start: From,
    end: To,
    kind: Kind = DELIVERED_ENERGY.code,
    as_of: AsOf = None,
) -> Response:
    """Return the civil days that touch the period, as they are known or were known at an instant."""
    period = period_of(start, end)
    found = load_totals(platform.store, platform.access, name, period, reading_type=kind_of(kind), as_of=as_of)
    return listed(request, [DayTotalShape.of(each) for each in found])
