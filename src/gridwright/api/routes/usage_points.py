"""Usage points: what there is, what is known of it, and which meters hang there."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from gridwright.api.address import href
from gridwright.api.cursor import from_cursor, to_cursor
from gridwright.api.door import Asking
from gridwright.api.etag import IfMatch, IfNoneMatch, check, etag
from gridwright.api.idempotency import OnceDone
from gridwright.api.listing import JSON, Page, cut, listed
from gridwright.api.parameters import PLAIN, CursorText, Id, Limit
from gridwright.api.problems import bad_parameter
from gridwright.api.routes.point_data import register_shape
from gridwright.api.shapes.points import (
    Cancelled,
    Cancelling,
    CancelSeen,
    CreatedPoint,
    Exchange,
    Exchanged,
    ExchangeSeen,
    InstallationShape,
    UsagePointAsked,
    UsagePointNew,
    UsagePointShape,
)
from gridwright.api.shapes.shape import Period
from gridwright.app import Platform
from gridwright.domain.access import Act
from gridwright.domain.errors import Conflict, InputError, NotFound
from gridwright.domain.usage_point import Meter, UsagePoint
from gridwright.jobs.meters.cancel_exchange import ExchangeCancelling, cancel, preview_cancel
from gridwright.jobs.meters.exchange_meter import MeterExchange, exchange_meter
from gridwright.jobs.meters.preview_exchange import preview_exchange

router = APIRouter(prefix="/usage-points", tags=["Usage points"])
Search = Annotated[
    str, Query(max_length=200, pattern=PLAIN, description="Part of an id, an attribute or a meter's serial number.")
]


@router.get("", summary="List usage points", response_model=Page[UsagePointShape])
def list_points(
    request: Request, platform: Asking, search: Search = "", limit: Limit = 100, cursor: CursorText = ""
) -> Response:
    """Return usage points by id; `search` narrows them."""
    place = from_cursor("usage-points", cursor, ("",))
    after = str(place[0]) if place else ""
    rows = platform.store.registry.page(platform.access, search=search, limit=limit + 1, after=after)
    page, last = cut(rows, limit)
    return listed(request, [UsagePointShape.of(each) for each in page], last and to_cursor("usage-points", (last.id,)))


@router.post("", summary="Add a usage point", status_code=HTTPStatus.CREATED, response_model=CreatedPoint)
def add_point(once: OnceDone, new: UsagePointNew) -> Response:
    """Add a usage point; one that exists already is a conflict, changed by PUT."""
    platform = once.platform

    def work() -> CreatedPoint:
        point = new.to_point(platform.new_point(new.id, platform.settings.site.zone))
        check_class(platform, point.customer_class)
        with platform.store.transaction():
            if stored_point(platform, new.id) is not None:
                raise Conflict(f"usage point {new.id} exists already", remedy="change it by PUT")
            platform.store.registry.save_points(platform.access, [point])
        return CreatedPoint.of(point, href=href("usage-points", new.id))

    return once(HTTPStatus.CREATED, work)


@router.get("/{name}", summary="Show a usage point", response_model=UsagePointShape)
def show_point(platform: Asking, name: Id) -> Response:
    """Return one usage point with its ETag, which an edit must send back."""
    return tagged(UsagePointShape.of(platform.store.registry.point(platform.access, name)))


@router.put("/{name}", summary="Change or add a usage point", response_model=UsagePointShape)
def put_point(
    platform: Asking, name: Id, asked: UsagePointAsked, if_match: IfMatch = "", if_none_match: IfNoneMatch = ""
) -> Response:
    """Change a usage point, `If-Match` its ETag, or add one, `If-None-Match: *`; what is left out stays as it is."""
    platform.access.require(Act.WRITE_REGISTRY, name)
    with platform.store.transaction():
        stored = stored_point(platform, name)
        current = UsagePointShape.of(stored) if stored else None
        check(current, if_match, if_none_match)
        point = asked.to_point(stored or platform.new_point(name, platform.settings.site.zone))
        if stored is None or stored.customer_class != point.customer_class:
            check_class(platform, point.customer_class)
        platform.store.registry.save_points(platform.access, [point])
    return tagged(UsagePointShape.of(point), HTTPStatus.OK if current else HTTPStatus.CREATED)


def check_class(platform: Platform, name: str) -> None:
    """Refuse a class that no rules know: its readings would be judged as those of another, without a word."""
    try:
        platform.rule_book().check_class(name)
    except InputError as error:
        raise bad_parameter("body", "customer_class", str(error), name) from error


@router.get("/{name}/installations", summary="List the meters of a usage point", response_model=Page[InstallationShape])
def list_installations(request: Request, platform: Asking, name: Id) -> Response:
    """Return which meters hang or hung there, oldest first."""
    history = platform.store.registry.installations(platform.access, name)
    return listed(request, [InstallationShape.of(each) for each in history])


@router.post(
    "/{name}/meter-exchange", summary="Exchange the meter", status_code=HTTPStatus.CREATED, response_model=Exchanged
)
def exchange(once: OnceDone, name: Id, asked: Exchange) -> Response:
    """End the old meter and begin the new one at an instant, with the reads that close both registers."""
    platform = once.platform
    store, access, order, now = platform.store, platform.access, order_of(name, asked), platform.clock()

    def work() -> Exchanged:
        doubts = preview_exchange(store, access, order, now=now).doubts
        history = exchange_meter(store, access, order, now=now)
        shapes = [InstallationShape.of(each) for each in history]
        where = href("usage-points", name, "installations")
        return Exchanged(href=where, installations=shapes, doubts=list(doubts))

    return once(HTTPStatus.CREATED, work)


@router.post("/{name}/meter-exchange/preview", summary="See what an exchange would do", response_model=ExchangeSeen)
def preview(once: OnceDone, name: Id, asked: Exchange) -> Response:
    """Return what the old meter counted and what looks wrong; nothing is recorded, so a key need not be kept."""
    platform = once.platform
    seen = preview_exchange(platform.store, platform.access, order_of(name, asked), now=platform.clock())
    before = InstallationShape.of(seen.before) if seen.before else None
    shape = ExchangeSeen.of(seen, before=before, doubts=list(seen.doubts))
    return Response(shape.model_dump_json(), media_type=JSON)


@router.post("/{name}/meter-exchange/cancel", summary="Cancel a wrong exchange", response_model=Cancelled)
def cancel_wrong(once: OnceDone, name: Id, asked: Cancelling) -> Response:
    """Let an exchange never have been: the old meter goes on, and what the exchange wrote counts no more."""
    platform = once.platform
    store, access, order, now = platform.store, platform.access, cancelling_of(name, asked), platform.clock()

    def work() -> Cancelled:
        doubts = preview_cancel(store, access, order).doubts
        history = cancel(store, access, order, now=now)
        shapes = [InstallationShape.of(each) for each in history]
        return Cancelled(href=href("usage-points", name, "installations"), installations=shapes, doubts=list(doubts))

    return once(HTTPStatus.OK, work)


@router.post("/{name}/meter-exchange/cancel/preview", summary="See what cancelling would do", response_model=CancelSeen)
def preview_cancelling(once: OnceDone, name: Id, asked: Cancelling) -> Response:
    """Return which reads count no more and what is judged again; nothing is recorded, so a key need not be kept."""
    platform = once.platform
    seen = preview_cancel(platform.store, platform.access, cancelling_of(name, asked))
    period = Period(start=seen.judged_again.start, end=seen.judged_again.end)
    shape = CancelSeen.of(
        seen,
        gone=InstallationShape.of(seen.gone),
        goes_on=InstallationShape.of(seen.goes_on) if seen.goes_on else None,
        withdrawn=[register_shape(each) for each in seen.no_more],
        restored=[register_shape(each.earlier) for each in seen.written if each.earlier],
        judged_again=period,
        bills=list(seen.bills),
        doubts=list(seen.doubts),
    )
    return Response(shape.model_dump_json(by_alias=True), media_type=JSON)


def cancelling_of(name: str, asked: Cancelling) -> ExchangeCancelling:
    """Return a cancelling as the job takes it."""
    return ExchangeCancelling(name, asked.at, asked.reason, asked.with_reads)


def order_of(name: str, asked: Exchange) -> MeterExchange:
    """Return an exchange as the job takes it."""
    return MeterExchange(
        name,
        Meter(asked.serial, dials=asked.dials, lsb_wh=asked.lsb_wh),
        asked.at,
        asked.final_kwh,
        asked.opening_kwh,
        asked.multiplier,
        asked.final_received_kwh,
        asked.opening_received_kwh,
        asked.estimate_final,
    )


def stored_point(platform: Platform, name: str) -> UsagePoint | None:
    """Return a usage point as it is stored, None where there is none."""
    try:
        return platform.store.registry.point(platform.access, name)
    except NotFound:
        return None


def tagged(shape: UsagePointShape, status: int = HTTPStatus.OK) -> Response:
    """Return a usage point with its ETag."""
    return Response(shape.model_dump_json(), status, {"ETag": etag(shape)}, media_type=JSON)
