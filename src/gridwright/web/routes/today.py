"""Today: whether the grid and the fleet are all right."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from gridwright.domain.control import ControlState
from gridwright.domain.finding import Severity
from gridwright.domain.program import EventState
from gridwright.jobs.meters.waiting_meters import waiting_meters
from gridwright.store import FindingFilter
from gridwright.web.routes.twins import add_page
from gridwright.web.show import View, show
from gridwright.web.views.grid import loss_rows
from gridwright.web.views.today import LATE, SILENT, device_event, freshness, tone_of
from gridwright.web.who import Staff

COUNTED = 100  # more open doubts than this are "100+": nobody reads the exact figure
SHOWN = 8


def add(router: APIRouter) -> None:
    """Add the addresses."""
    add_page(router, "/today", today)


def today(request: Request, who: Staff) -> Response:
    """Show the state of the town, from what was prepared and from cheap counts."""
    store, access, now = who.platform.store, who.access, who.platform.clock()
    fleet = store.outlooks.latest(access, "fleet", "")
    balance = store.outlooks.latest(access, "grid-balance", "")
    ends = store.readings.freshness_counts(access, late=now - LATE, silent=now - SILENT, listed=SHOWN)
    reads = freshness(ends, store.registry.count(access), now)
    doubts = {
        str(each): len(store.findings.page(access, FindingFilter(severity=each), limit=COUNTED))
        for each in (Severity.FAIL, Severity.WARN)
    }
    waiting = store.controls.find(access, states=[ControlState.REQUESTED], limit=SHOWN)
    running = store.programs.events(access, states=[EventState.ACTIVE, EventState.PLANNED], limit=SHOWN)
    losses = loss_rows(balance.body if balance else None)
    data = {
        "now": now.isoformat(),
        "fleet": {"issued": fleet.issued.isoformat(), **fleet.body} if fleet else None,
        "reads": reads,
        "exceptions": doubts,
        "counted": COUNTED,
        "quarantined": len(waiting_meters(store, access, limit=COUNTED)),
        "waiting": [
            {"id": each.id, "command": str(each.command), "usage_point": each.usage_point, "by": each.requested_by}
            for each in waiting
        ],
        "events": [
            {
                "id": each.id,
                "program": each.program,
                "state": str(each.state),
                "start": each.period.start.isoformat(),
                "end": each.period.end.isoformat(),
                "participants": len(each.participants),
            }
            for each in running
        ],
        "losses": [row for row in losses if row["kind"] == "transformer"][:SHOWN],
        "balance_issued": balance.issued.isoformat() if balance else None,
        "device_events": [device_event(each) for each in store.devices.events(access, limit=SHOWN)],
    }
    data["tones"] = tone_of(data)
    rows = [
        ("usage points", reads["points"]),
        ("read within a day", reads["fresh"]),
        ("late", reads["late"]),
        ("silent", reads["silent"]),
        ("findings fail", doubts["fail"]),
        ("findings warn", doubts["warn"]),
        ("quarantined meters", data["quarantined"]),
        ("controls waiting", len(waiting)),
        ("events", len(running)),
    ]
    return show(
        request,
        who,
        View("today.html.j2", "Today", data, ("what", "count"), rows, api="/v1/status", cli="gridwright doctor"),
    )
