"""Quarantine: readings of meters nobody knows, how they are claimed, and let go."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from gridwright.api.address import href
from gridwright.api.claims import listed_claim
from gridwright.api.cursor import from_cursor, strange, to_cursor
from gridwright.api.door import Asking
from gridwright.api.idempotency import OnceDone
from gridwright.api.listing import Page, cut, listed
from gridwright.api.parameters import LATEST, CursorText, Id, Limit
from gridwright.api.problems import bad_parameter
from gridwright.api.shapes.people import (
    ClaimAsked,
    Claimed,
    ClaimsAsked,
    ClaimsDone,
    DropAsked,
    Dropped,
    WaitingMeter,
    WaitingReading,
)
from gridwright.domain.errors import NotFound
from gridwright.domain.interval import epoch_s, from_epoch_s
from gridwright.domain.quarantine import QuarantinedReading
from gridwright.domain.units import amount, unit_of
from gridwright.jobs.meters.claim_list import ClaimManner, claim_counts, claim_list
from gridwright.jobs.meters.claim_meter import claim_ahead, claim_meter
from gridwright.jobs.meters.claimed_place import MeterClaim
from gridwright.jobs.meters.waiting_meters import drop_waiting, waiting_meter, waiting_meters
from gridwright.store.quarantine import LIMIT

LAST_S = epoch_s(LATEST)
router = APIRouter(prefix="/quarantine", tags=["Quarantine"])


@router.get("", summary="List unknown meters", response_model=Page[WaitingMeter])
def list_waiting(request: Request, platform: Asking, limit: Limit = 100, cursor: CursorText = "") -> Response:
    """Return the meters nobody knows whose readings wait, by name."""
    place = from_cursor("quarantine", cursor, ("",))
    after = str(place[0]) if place else ""
    rows = waiting_meters(platform.store, platform.access, limit=limit + 1, after=after)
    page, last = cut(rows, limit)
    return listed(request, [WaitingMeter.of(each) for each in page], last and to_cursor("quarantine", (last.meter,)))


@router.get("/{name}/readings", summary="List readings that wait", response_model=Page[WaitingReading])
def list_readings(
    request: Request, platform: Asking, name: Id, limit: Limit = 100, cursor: CursorText = ""
) -> Response:
    """Return the readings of one meter nobody knows that wait, in order of time and arrival."""
    second, seen = from_cursor("quarantine-readings", cursor, (0, 0)) or (0, 0)
    if int(second) > LAST_S or int(seen) > LIMIT:
        raise strange()
    since = from_epoch_s(int(second)) if cursor else None
    found = platform.store.quarantine.readings(platform.access, name, limit=limit + 1, since=since, skip=int(seen))
    if not (found or cursor or waiting_meter(platform.store, platform.access, name)):
        raise NotFound(f"no readings of meter {name!r} wait", remedy="the list of the quarantine tells which do")
    page, last = cut(found, limit)
    following = last and to_cursor("quarantine-readings", _behind(page, last, int(second), int(seen)))
    return listed(request, [_shown(each) for each in page], following)


def _behind(page: Sequence[QuarantinedReading], last: QuarantinedReading, second: int, seen: int) -> tuple[int, int]:
    """Return the second in which a page goes on, and how many readings of it were shown by then."""
    at = epoch_s(last.at)
    shown = sum(epoch_s(each.at) == at for each in page)
    return at, shown + (seen if at == second else 0)


def _shown(each: QuarantinedReading) -> WaitingReading:
    kind = each.reading_type
    return WaitingReading(
        at=each.at, interval_s=each.interval_s, value=amount(each.value, kind), unit=unit_of(kind), type=kind.code
    )


@router.post("/{name}/drop", summary="Let readings go", response_model=Dropped)
def drop(once: OnceDone, name: Id, asked: DropAsked) -> Response:
    """Let what waits of a meter go that nobody will claim; the reason stays in the audit chain."""
    platform = once.platform

    def work() -> Dropped:
        dropped, events = drop_waiting(platform.store, platform.access, name, reason=asked.reason)
        return Dropped(href=href("quarantine"), meter=name, dropped=dropped, events=events)

    return once(HTTPStatus.OK, work)


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


@router.post("/claims", summary="Claim several meters", response_model=ClaimsDone)
def claim_several(once: OnceDone, asked: ClaimsAsked) -> Response:
    """Claim meters one after another, each durable by itself, with a verdict on each: one refused costs no other.

    Cut short, the same again goes on: of what moved in before nothing waits.
    """
    platform = once.platform
    zone, make = platform.settings.site.zone, platform.new_point if asked.add_points else None
    manner = ClaimManner(platform.clock(), (lambda name: make(name, zone)) if make else None, asked.dry_run)
    listed = [listed_claim(at, each) for at, each in enumerate(asked.claims, 1)]

    def work() -> ClaimsDone:
        verdicts = list(claim_list(platform.store, platform.access, listed, manner))
        return ClaimsDone.model_validate(
            {**claim_counts(verdicts), "verdicts": [{**each.to_dict(), "notes": list(each.notes)} for each in verdicts]}
        )

    return once.stepwise(HTTPStatus.OK, work)
