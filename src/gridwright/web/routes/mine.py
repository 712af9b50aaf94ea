"""My energy: what did I use, what will it cost, and give me my data."""

from __future__ import annotations

from datetime import date, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from gridwright.domain.access import Act
from gridwright.domain.errors import GridwrightError
from gridwright.domain.interval import Interval, local_midnight
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.programs.run_event import OPEN, opt_out
from gridwright.web.routes.points import TRUSTED, read
from gridwright.web.routes.twins import add_page
from gridwright.web.show import View, show
from gridwright.web.views.bill import bill_row
from gridwright.web.views.event import event_row, performance_row
from gridwright.web.views.point import daily
from gridwright.web.who import BoundForm, Viewer, Who

MOST = 10
SHOWN_BILLS, SHOWN_EVENTS = 12, 10
UNKNOWN = {"total": None, "currency": "", "why_not": ""}


def add(router: APIRouter) -> None:
    """Add the addresses."""
    add_page(router, "/my-energy", mine)
    router.add_api_route("/my-energy/opt-out", step_out, methods=["POST"])


def mine(request: Request, who: Who, done: str = "", seal: str = "") -> Response:
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
            extra={"done": who.unseal(done, seal)},
        ),
    )


def step_out(who: Who, form: BoundForm) -> Response:
    """Take the customer's usage point out of an event."""
    store, name, point = who.platform.store, form.text("event"), form.text("usage_point")
    opt_out(store, who.access, name, point, now=who.platform.clock())
    return RedirectResponse(
        f"/my-energy?{urlencode(who.seal(f'{point} takes no part in this event'))}", HTTPStatus.SEE_OTHER
    )


def _home(who: Viewer, here: UsagePoint) -> dict[str, Any]:
    today = who.platform.clock().astimezone(here.tz).date()
    month = today.replace(day=1)
    last = (month - timedelta(days=1)).replace(day=1)
    # The last month may be shorter: all of it is then compared.
    same = min(last + (today - month), month - timedelta(days=1))
    panel, trouble = read(who, here, _period(here, last, today), TRUSTED)
    days = {day["day"]: day for day in daily(panel, here.zone)} if panel else {}
    now_days = [day for name, day in days.items() if name >= month.isoformat()]
    before = [day for name, day in days.items() if name <= same.isoformat()]
    return {
        "usage_point": here.id,
        "zone": here.zone,
        "today_kwh": days.get(today.isoformat(), {}).get("kwh"),
        "month_kwh": _sum(now_days),
        "before_kwh": _sum(before),
        "days_compared": (same - last).days + 1,
        "cost": cost_so_far(who, here, panel, month) if panel else {**UNKNOWN, "why_not": trouble},
        "days": now_days,
        "highest_kwh": max((day["kwh"] or 0.0 for day in now_days), default=0.0),
        "events": own_events(who, here.id),
        "bills": [bill_row(each) for each in who.platform.store.ledger.bills(who.access, here.id)][::-1][:SHOWN_BILLS]
        if who.may(Act.READ_BILLS)
        else [],
    }


def own_events(who: Viewer, point: str) -> list[dict[str, Any]]:
    """Return the events that asked a usage point to use less, what they paid, and whether it may still step out."""
    programs, now = who.platform.store.programs, who.platform.clock()
    measured = {row.event: row for row in programs.performances(who.access, point=point)}
    return [
        {
            **event_row(each),
            "opted_out": point in each.opted_out,
            "may_opt_out": each.state in OPEN and now < each.period.end and point not in each.opted_out,
            "result": performance_row(measured[each.id]) if each.id in measured else None,
        }
        for each in programs.events(who.access, point=point, limit=SHOWN_EVENTS)
    ]


def cost_so_far(who: Viewer, here: UsagePoint, panel: Panel, month: date) -> dict[str, Any]:
    """Return what the month costs so far by the customer's rate, or why that cannot be said."""
    part = panel.between(_period(here, month, month + timedelta(days=31)))
    if not part.slots:
        return {**UNKNOWN, "why_not": "There is no reading of this month yet."}
    try:
        bill = who.platform.rate(part, who.platform.rate_card_of(here))
    except GridwrightError as error:
        return {**UNKNOWN, "why_not": error.message}
    return {"total": f"{bill.total:f}", "currency": bill.currency, "why_not": ""}


def _period(here: UsagePoint, first: date, last: date) -> Interval:
    return Interval(local_midnight(first, here.tz), local_midnight(last + timedelta(days=1), here.tz))


def _sum(days: list[dict[str, Any]]) -> float | None:
    known = [day["kwh"] for day in days if day["kwh"] is not None]
    return round(sum(known), 3) if known else None
