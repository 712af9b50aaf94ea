"""Events of demand response: who was asked for what, what did they deliver, and what are they paid."""

from __future__ import annotations

from shlex import quote

from fastapi import APIRouter, Request
from starlette.responses import Response

from gridwright.jobs.programs.measure_event import intervals_of
from gridwright.web.routes.twins import add_page
from gridwright.web.show import View, segment, show
from gridwright.web.views.event import event_row, performance_row, steps, totals
from gridwright.web.who import Staff

SHOWN = 100
LISTED = 100


def add(router: APIRouter) -> None:
    """Add the addresses."""
    add_page(router, "/events", events)
    add_page(router, "/events/{name}", event)


def events(request: Request, who: Staff) -> Response:
    """List programs and events, the newest first."""
    programs = who.platform.store.programs
    offers = [
        {"id": each.id, "name": each.name, "price_per_kwh": f"{each.price_per_kwh:f}", "currency": each.currency,
         "baseline": each.baseline}
        for each in programs.programs(who.access)
    ]  # fmt: skip
    rows = [event_row(each) for each in programs.events(who.access, limit=SHOWN)]
    names = ("id", "program", "state", "start", "end", "targets", "opted_out", "participants")
    cells = [[each[name] for name in names] for each in rows]
    view = View("events.html.j2", "Events", {"programs": offers, "events": rows}, names,
                cells, api="/v1/events", cli="gridwright event list")  # fmt: skip
    return show(request, who, view)


def event(request: Request, who: Staff, name: str) -> Response:
    """Show one event: baseline and use by interval, and what each participant delivered."""
    store = who.platform.store
    found = store.programs.event(who.access, name)
    rows = store.programs.performances(who.access, event=name)
    bodies = [each.body for each in store.outlooks.several(who.access, intervals_of(name))]
    shown = [performance_row(each) for each in rows[:LISTED]]
    data = {"event": event_row(found), "totals": totals(rows), "steps": steps(bodies), "performances": shown,
            "measured": len(rows), "zone": who.platform.settings.site.zone}  # fmt: skip
    names = ("usage_point", "baseline_kwh", "actual_kwh", "reduction_kwh", "payment", "currency")
    cells = []
    if request.url.path.endswith(".csv"):
        cells = [[performance_row(each)[column] for column in names] for each in rows]
    return show(
        request,
        who,
        View(
            "event.html.j2",
            f"Event {name}",
            data,
            names,
            cells,
            api=f"/v1/events/{segment(name)}",
            cli=f"gridwright event show {quote(name)}",
        ),
    )
