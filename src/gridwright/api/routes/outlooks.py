"""Forecasts and plans: the latest that was issued, or one computed for the asking."""

from __future__ import annotations

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from gridwright.api.door import Asking
from gridwright.api.idempotency import OnceDone
from gridwright.api.listing import JSON
from gridwright.api.order import known, order_job
from gridwright.api.parameters import AsOf, Horizon, Id
from gridwright.api.problems import bad_parameter
from gridwright.api.shapes.work import JobShape, OutlookAsked, OutlookShape
from gridwright.app import Platform
from gridwright.domain.access import Act
from gridwright.domain.errors import NotFound
from gridwright.domain.interval import Interval
from gridwright.domain.plan import Battery
from gridwright.jobs.load.load_final import FinalGroup
from gridwright.jobs.outlook.plan_dispatch import plan_dispatch
from gridwright.jobs.outlook.refresh_outlooks import HISTORY, HORIZON, forecast_body, plan_body

router = APIRouter(tags=["Forecasts and plans"])
FRESH = timedelta(hours=1)
Kwh = Annotated[
    float | None, Query(alias="battery-kwh", gt=0, le=1e6, description="Plan a battery of this capacity instead.")
]
Kw = Annotated[
    float | None, Query(alias="battery-kw", gt=0, le=1e6, description="Its greatest power; half its capacity.")
]
Initial = Annotated[float | None, Query(alias="initial-kwh", ge=0, le=1e6, description="Energy in it at the start.")]


@router.get("/usage-points/{name}/forecast", summary="Forecast a usage point", response_model=OutlookShape)
def forecast(platform: Asking, name: Id, horizon: Horizon = HORIZON, as_of: AsOf = None) -> Response:
    """Return the latest forecast if it is fresh and as long as asked, else one made of what is stored now.

    `as-of` returns what was issued at an instant.
    """
    found = issued(platform, "forecast", name, as_of=as_of)
    if found is not None and (as_of is not None or horizon == HORIZON):
        return shown(found)
    if as_of is not None:
        raise NotFound(f"no forecast of {name} was issued by then", remedy="leave as-of out to compute one")
    return shown(computed_forecast(platform, name, horizon))


@router.get("/usage-points/{name}/plan", summary="Plan a usage point's battery", response_model=OutlookShape)
def plan(
    platform: Asking,
    name: Id,
    *,
    kwh: Kwh = None,
    kw: Kw = None,
    initial: Initial = None,
    as_of: AsOf = None,
) -> Response:
    """Return the latest plan of the usage point's battery, or compute one for the battery in the query."""
    if kwh is not None:
        power = kw or kwh / 2
        start = kwh / 2 if initial is None else min(initial, kwh)
        return shown(computed_plan(platform, name, Battery(kwh, power, power, initial_kwh=start, feeds_in=False)))
    if kw is not None or initial is not None:
        raise bad_parameter("query", "battery-kwh", "a battery has a capacity; give it too")
    found = issued(platform, "plan", name, as_of=as_of, fresh=None)
    if found is None:
        raise NotFound(
            f"no plan of {name} was issued", remedy="give battery-kwh and battery-kw to compute one, or POST /v1/plans"
        )
    return shown(found)


@router.post("/forecasts", summary="Issue forecasts anew", status_code=HTTPStatus.ACCEPTED, response_model=JobShape)
def refresh_forecasts(once: OnceDone, asked: OutlookAsked) -> Response:
    """Order forecasts and plans of usage points, or of all; the job tells how many were issued."""
    platform = once.platform
    platform.access.require(Act.READ)
    platform.access.require(Act.WRITE_READINGS)
    points = known(platform, asked.points)
    request = {} if points is None else {"points": points}
    return once(HTTPStatus.ACCEPTED, lambda: order_job(platform, "refresh-outlooks", request))


@router.post("/plans", summary="Issue plans anew", status_code=HTTPStatus.ACCEPTED, response_model=JobShape)
def refresh_plans(once: OnceDone, asked: OutlookAsked) -> Response:
    """Order plans of the batteries of usage points, or of all, and the forecasts that they rest on."""
    return refresh_forecasts(once, asked)


def issued(
    platform: Platform, kind: str, name: str, *, as_of: datetime | None = None, fresh: timedelta | None = FRESH
) -> OutlookShape | None:
    """Return the newest issue about a usage point (by an instant), None when there is none or it is too old."""
    platform.store.registry.point(platform.access, name)
    found = platform.store.outlooks.latest(platform.access, kind, name, as_of=as_of)
    if found is None or (as_of is None and fresh is not None and platform.clock() - found.issued > fresh):
        return None
    return OutlookShape.of(found)


def computed_forecast(platform: Platform, name: str, horizon: timedelta) -> OutlookShape:
    """Forecast a usage point from its readings as they are now."""
    from gridwright.forecast import serve

    group, notes = trusted_group(platform, name)
    body = forecast_body(serve(group.trusted, horizon, zone=group.zone)) | notes
    return OutlookShape(kind="forecast", subject=name, issued=platform.clock(), body=body)


def computed_plan(platform: Platform, name: str, battery: Battery) -> OutlookShape:
    """Plan a battery at a usage point from its readings as they are now."""
    group, notes = trusted_group(platform, name)
    body = plan_body(plan_dispatch(group, 0, platform.rate_card_of(group.points[0]), battery)) | notes
    return OutlookShape(kind="plan", subject=name, issued=platform.clock(), body=body)


def trusted_group(platform: Platform, name: str) -> tuple[FinalGroup, dict[str, Any]]:
    """Return what a usage point used lately, as bills have it, and under `notes` what was left out, if anything was."""
    last = max((each.last for each in platform.store.readings.series(platform.access, name)), default=None)
    if last is None:
        raise NotFound(f"{name} has no readings", remedy="bring some by POST /v1/readings")
    groups, notes = platform.usable([name], Interval(last - HISTORY, last))
    return groups[0], {"notes": notes} if notes else {}


def shown(shape: OutlookShape) -> Response:
    """Return an outlook as JSON."""
    return Response(shape.model_dump_json(), media_type=JSON)
