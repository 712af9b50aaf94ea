"""Grid: where does the energy go, and where is the supply not as it should be."""

from __future__ import annotations

from datetime import datetime, timedelta

from fastapi import APIRouter, Request
from starlette.responses import Response

from gridwright.web.routes.twins import add_page
from gridwright.web.show import View, show, utc_text
from gridwright.web.views.grid import FIGURES, supply, tree_rows
from gridwright.web.who import Staff

SHOWN = 30
WEEK = timedelta(days=7)


def add(router: APIRouter) -> None:
    """Add the addresses."""
    add_page(router, "/grid", grid)


def grid(request: Request, who: Staff) -> Response:
    """Show the tree with the newest balance, and the outages and voltages of the same days."""
    store, access = who.platform.store, who.access
    balance = store.outlooks.latest(access, "grid-balance", "")
    told = store.outlooks.latest(access, "grid-events", "")
    body = balance.body if balance else None
    rows = tree_rows(store.network.nodes(access, who.platform.clock()), body)
    data = {
        "issued": balance.issued.isoformat() if balance else None,
        "period": body["period"] if body else None,
        "nodes": rows,
        "unconnected": body["unconnected"] if body else [],
        "notes": body["notes"] if body else [],
        "events": supply(told.body, SHOWN) if told else None,
    }
    until = datetime.fromisoformat(body["period"]["to"]) if body else who.platform.clock().replace(microsecond=0)
    since = datetime.fromisoformat(body["period"]["from"]) if body else until - WEEK
    address = f"/v1/grid/balance?from={utc_text(since)}&to={utc_text(until)}"
    columns = ("node", "kind", "parent", *FIGURES)
    cells = [[row[name] for name in columns] for row in rows]
    return show(
        request,
        who,
        View("grid.html.j2", "Grid", data, columns, cells, api=address),
    )
