"""Grid: where does the energy go, and where is the supply not as it should be."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from gridwright.web.routes.twins import add_page
from gridwright.web.show import View, show
from gridwright.web.views.grid import FIGURES, tree_rows
from gridwright.web.views.today import device_event
from gridwright.web.who import Staff

SHOWN = 30


def add(router: APIRouter) -> None:
    """Add the addresses."""
    add_page(router, "/grid", grid)


def grid(request: Request, who: Staff) -> Response:
    """Show the tree with the newest balance, and what meters reported of their supply."""
    store, access = who.platform.store, who.access
    balance = store.outlooks.latest(access, "grid-balance", "")
    body = balance.body if balance else None
    rows = tree_rows(store.network.topology(access), body)
    data = {
        "issued": balance.issued.isoformat() if balance else None,
        "period": body["period"] if body else None,
        "nodes": rows,
        "unconnected": body["unconnected"] if body else [],
        "notes": body["notes"] if body else [],
        "reports": [device_event(each) for each in store.devices.events(access, limit=SHOWN)],
    }
    columns = ("node", "kind", "parent", *FIGURES)
    cells = [[row[name] for name in columns] for row in rows]
    return show(
        request,
        who,
        View("grid.html.j2", "Grid", data, columns, cells, api="/v1/outlooks/grid-balance", cli="gridwright serve"),
    )
