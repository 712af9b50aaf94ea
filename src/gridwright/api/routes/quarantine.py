"""Quarantine: readings of meters nobody knows, and how they are claimed."""

from __future__ import annotations

from decimal import Decimal
from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from gridwright.api.address import href
from gridwright.api.cursor import from_cursor, to_cursor
from gridwright.api.door import Asking
from gridwright.api.idempotency import OnceDone
from gridwright.api.listing import Page, cut, listed
from gridwright.api.parameters import CursorText, Id, Limit
from gridwright.api.problems import bad_parameter
from gridwright.api.shapes.people import ClaimAsked, Claimed, WaitingMeter
from gridwright.jobs.meters.claim_meter import claim_ahead, claim_meter
from gridwright.jobs.meters.claimed_place import MeterClaim

router = APIRouter(prefix="/quarantine", tags=["Quarantine"])


@router.get("", summary="List unknown meters", response_model=Page[WaitingMeter])
def list_waiting(request: Request, platform: Asking, limit: Limit = 100, cursor: CursorText = "") -> Response:
    """Return the meters nobody knows whose readings wait, by name."""
    place = from_cursor("quarantine", cursor, ("",))
    after = str(place[0]) if place else ""
    rows = platform.store.quarantine.meters(platform.access, limit=limit + 1, after=after)
    page, last = cut(rows, limit)
    return listed(request, [WaitingMeter.of(each) for each in page], last and to_cursor("quarantine", (last.meter,)))


@router.post("/{name}/claim", summary="Claim a meter", status_code=HTTPStatus.CREATED, response_model=Claimed)
def claim(once: OnceDone, name: Id, asked: ClaimAsked) -> Response:
    """Register and install an unknown meter at a usage point, and move its readings in, as far as they fit.

    A name that is a usage point by now is claimed for itself: its readings move in, and no meter is installed.
    Readings that do not fit the interval length of their day go on waiting, and are told in `notes`: claim them with a
    `channel` of their own, or let them go. Many move in in portions, each durable: where a claim was cut short the same
    again goes on, and a note tells how many had moved in before.
    """
    platform = once.platform
    multiplier = Decimal(asked.multiplier)
    if not multiplier:
        raise bad_parameter("body", "multiplier", "a transformer factor of 0 makes every reading 0")

    wish, now = MeterClaim(name, asked.usage_point, asked.since, multiplier, asked.channel), platform.clock()
    # With a key all is one transaction: what would hold it for long goes before.
    ahead = claim_ahead(platform.store, platform.access, wish, now=now)

    def work() -> Claimed:
        done = claim_meter(platform.store, platform.access, wish, now=now, ahead=ahead)
        place = href("usage-points", asked.usage_point)
        return Claimed.of(done, href=place, meter=name, usage_point=asked.usage_point)

    return once(HTTPStatus.CREATED, work)
