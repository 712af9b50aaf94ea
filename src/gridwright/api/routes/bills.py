"""Bills: drafts made by runs, issued, cancelled; each as JSON, PDF or text."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from gridwright.api.address import href
from gridwright.api.cursor import from_cursor, to_cursor
from gridwright.api.door import Asking, Staff
from gridwright.api.idempotency import OnceDone
from gridwright.api.listing import JSON, Page, accepted, cut, listed
from gridwright.api.order import known, order_job
from gridwright.api.parameters import AsOf, CursorText, Id, Limit, PointIf
from gridwright.api.problems import bad_parameter
from gridwright.api.shapes.work import (
    BillActed,
    BillRunAsked,
    BillShape,
    BillSummary,
    IssueAsked,
    JobShape,
    RateCardShape,
    WithheldShape,
)
from gridwright.app import Platform
from gridwright.app.live import issue_bill, obstacles_of, withheld_now
from gridwright.domain.access import Act
from gridwright.domain.bill import BillState
from gridwright.domain.errors import AccessDenied, GridwrightError, NotFound
from gridwright.domain.interval import parse_period, zone_of
from gridwright.jobs.billing.find_rate_card import rate_card_names
from gridwright.store import IssuedBill

router = APIRouter(tags=["Bills"])
PDF, TEXT = "application/pdf", "text/plain"
DOCUMENT: dict[int | str, dict[str, Any]] = {200: {"content": {PDF: {}, TEXT: {}}}}
StateIf = Annotated[BillState | None, Query(description="Only bills in this state.")]


@router.get("/bills", summary="List bills", response_model=Page[BillSummary])
def list_bills(
    request: Request,
    platform: Asking,
    *,
    point: PointIf = None,
    state: StateIf = None,
    limit: Limit = 100,
    cursor: CursorText = "",
) -> Response:
    """Return bills without their lines, in the order in which they were made."""
    place = from_cursor("bills", cursor, (0,))
    after = int(place[0]) if place else 0
    rows = platform.store.ledger.page(platform.access, point=point, state=state, limit=limit + 1, after=after)
    page, last = cut(rows, limit)
    return listed(request, [BillSummary.of(each) for each in page], last and to_cursor("bills", (last.key,)))


@router.get("/usage-points/{name}/bills", summary="List a usage point's bills", response_model=Page[BillSummary])
def list_bills_of(
    request: Request, platform: Asking, name: Id, limit: Limit = 100, cursor: CursorText = ""
) -> Response:
    """Return the bills of one usage point in the order in which they were made."""
    return list_bills(request, platform, point=name, limit=limit, cursor=cursor)


@router.get("/bills/{name}", summary="Show a bill", response_model=BillShape, responses=DOCUMENT)
def show_bill(request: Request, platform: Asking, name: Id, as_of: AsOf = None) -> Response:
    """Return a bill with its lines as JSON, or as the customer gets it: `Accept: application/pdf` or `text/plain`.

    `as-of` answers how it stood then; its corrections are listed beside it.
    """
    kept = bill_of(platform, name, as_of=as_of)
    media = accepted(request, (JSON, PDF, TEXT))
    headers = {"Vary": "Accept"}
    if media == PDF:
        from gridwright.documents.bill_pdf import bill_pdf

        return Response(bill_pdf(kept.bill), headers=headers, media_type=PDF)
    if media == TEXT:
        from gridwright.documents.bill_text import bill_text

        return Response(bill_text(kept.bill), headers=headers, media_type=TEXT)
    shape = BillShape.of(kept, obstacles=() if as_of else obstacles_of(platform, kept.bill))
    return Response(shape.model_dump_json(by_alias=True), headers=headers, media_type=JSON)


def bill_of(platform: Platform, name: str, *, as_of: datetime | None = None) -> IssuedBill:
    """Return a bill; somebody else's is as absent as one that does not exist."""
    try:
        return platform.store.ledger.bill(platform.access, name, as_of=as_of)
    except AccessDenied:
        if platform.access.points is None:
            raise
        raise NotFound(f"bill {name!r} does not exist", remedy="list the bills of the usage point") from None


@router.post("/bills", summary="Run billing", status_code=HTTPStatus.ACCEPTED, response_model=JobShape)
def run_bills(once: OnceDone, asked: BillRunAsked) -> Response:
    """Order drafts of bills; the job tells which were made."""
    platform = once.platform
    platform.access.require(Act.WRITE_BILLS)
    check_run(platform, asked)
    if asked.despite and not (asked.despite.strip() and asked.points):
        remedy = "what withholds bills is passed over for the usage points in `points` alone, and with a reason"
        raise bad_parameter("body", "despite", remedy, asked.despite)
    points = known(platform, asked.points)
    request = asked.model_copy(update={"points": points}).model_dump(exclude_none=True)
    return once(HTTPStatus.ACCEPTED, lambda: order_job(platform, "bill-run", request))


@router.post("/bills/{name}/issue", summary="Issue a bill", response_model=BillActed)
def issue(once: OnceDone, name: Id, asked: IssueAsked | None = None) -> Response:
    """Give a draft the next number and post its lines; issuing twice changes nothing. One that is withheld is a 409."""
    despite = asked.despite if asked else ""
    return once.act(lambda _, bill: issue_bill(once.platform, bill, despite), name, acted)


@router.post("/bills/{name}/cancel", summary="Cancel a bill", response_model=BillActed)
def cancel(once: OnceDone, name: Id) -> Response:
    """Cancel a bill; an issued one gets a credit note. Cancelling twice changes nothing."""
    return once.act(once.platform.store.ledger.cancel, name, acted)


@router.get("/withheld-bills", summary="List withheld bills", response_model=Page[WithheldShape])
def list_withheld(request: Request, platform: Staff, *, point: PointIf = None) -> Response:
    """Return the months that get no bill while their findings are open, with what resolves each."""
    found = withheld_now(platform, None if point is None else [point])
    return listed(request, [WithheldShape.of(each) for each in found])


@router.get("/rate-cards", summary="List rate cards", response_model=Page[RateCardShape])
def list_rate_cards(request: Request, platform: Staff) -> Response:
    """Return the names of the rate cards that a bill run can use."""
    names = sorted(set(rate_card_names(platform.settings.billing.rate_cards)))
    return listed(request, [RateCardShape(name=name) for name in names])


def acted(platform: Platform, name: str) -> BillActed:
    """Return a bill's state after an act."""
    kept = platform.store.ledger.bill(platform.access, name)
    return BillActed.of(kept, id=name, state=kept.bill.state, href=href("bills", name))


def check_run(platform: Platform, asked: BillRunAsked) -> None:
    """Refuse a run that cannot succeed: a period that is none, or a rate card that does not exist."""
    # A path would make the server read its own files: only cards that have a name.
    if asked.tariff is not None and asked.tariff not in rate_card_names(platform.settings.billing.rate_cards):
        raise bad_parameter("body", "tariff", "there is no rate card of this name; see /v1/rate-cards", asked.tariff)
    if asked.period:
        try:
            period = parse_period(asked.period, zone_of("UTC"))
        except (GridwrightError, OverflowError) as error:
            raise bad_parameter("body", "period", str(error), asked.period) from error
        if period.start > platform.clock():
            raise bad_parameter("body", "period", "the period has not begun yet", asked.period)
