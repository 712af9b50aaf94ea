"""My energy: what did I use, what will it cost, and give me my data."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from gridwright.domain.access import Act
from gridwright.domain.errors import GridwrightError
from gridwright.domain.interval import Interval, local_midnight
from gridwright.domain.usage_point import UsagePoint
from gridwright.web.routes.points import RAW, read
from gridwright.web.routes.twins import add_page
from gridwright.web.show import View, show
from gridwright.web.views.bill import bill_row
from gridwright.web.views.point import daily
from gridwright.web.who import Viewer, Who

MOST = 10
SHOWN_BILLS = 12


def add(router: APIRouter) -> None:
    """Add the addresses."""
    add_page(router, "/my-energy", mine)


def mine(request: Request, who: Who) -> Response:
    """Show a customer their own usage points."""
    own = sorted(who.access.points or ())[:MOST]
    homes = [_home(who, each) for each in who.platform.store.registry.points(who.access, own)]
    rows = [(home["usage_point"], day["day"], day["kwh"]) for home in homes for day in home["days"]]
    return show(
        request,
        who,
        View(
            "mine.html.j2",
            "My energy",
            {"homes": homes},
            ("usage_point", "day", "kwh"),
            rows,
            api="/v1/usage-points",
            cli="gridwright usage-point list",
        ),
    )


def _home(who: Viewer, here: UsagePoint) -> dict[str, Any]:
    today = who.platform.clock().astimezone(here.tz).date()
    month = today.replace(day=1)
    last = (month - timedelta(days=1)).replace(day=1)
    same = min(last + (today - month), month - timedelta(days=1))
    now_days, before_days = _days(who, here, month, today), _days(who, here, last, same)
    return {
        "usage_point": here.id,
        "zone": here.zone,
        "today_kwh": now_days[-1]["kwh"] if now_days and now_days[-1]["day"] == today.isoformat() else None,
        "month_kwh": _sum(now_days),
        "before_kwh": _sum(before_days),
        "days_compared": (today - month).days + 1,
        "cost": _cost(who, here, month, today),
        "days": now_days,
        "highest_kwh": max((day["kwh"] or 0.0 for day in now_days), default=0.0),
        "bills": [bill_row(each) for each in who.platform.store.ledger.bills(who.access, here.id)][::-1][:SHOWN_BILLS]
        if who.may(Act.READ_BILLS)
        else [],
    }


def _days(who: Viewer, here: UsagePoint, first: date, last: date) -> list[dict[str, Any]]:
    panel, _ = read(who, here, _period(here, first, last), RAW)
    return daily(panel, here.zone) if panel else []


def _period(here: UsagePoint, first: date, last: date) -> Interval:
    return Interval(local_midnight(first, here.tz), local_midnight(last + timedelta(days=1), here.tz))


def _sum(days: list[dict[str, Any]]) -> float | None:
    known = [day["kwh"] for day in days if day["kwh"] is not None]
    return round(sum(known), 3) if known else None


def _cost(who: Viewer, here: UsagePoint, first: date, last: date) -> dict[str, Any]:
    """Return what the month costs so far by the customer's rate, or why that cannot be said."""
    panel, trouble = read(who, here, _period(here, first, last), RAW)
    if panel is None:
        return {"total": None, "currency": "", "why_not": trouble}
    now = who.platform.clock()
    try:
        bill = who.platform.rate(panel.between(Interval(panel.start, now)), who.platform.rate_card_of(here))
    except GridwrightError as error:
        return {"total": None, "currency": "", "why_not": error.message}
    return {"total": f"{bill.total:f}", "currency": bill.currency, "why_not": ""}
