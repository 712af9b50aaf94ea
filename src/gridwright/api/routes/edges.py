"""Edges: the places that keep readings until they are here, and how each of them is."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gridwright.api.cursor import from_cursor, to_cursor
from gridwright.api.door import Staff
from gridwright.api.listing import Page, cut, listed
from gridwright.api.parameters import CursorText, Limit
from gridwright.api.shapes.edges import EdgeShape

router = APIRouter(prefix="/edges", tags=["Edges"])


@router.get("", summary="List edges", response_model=Page[EdgeShape])
def list_edges(request: Request, platform: Staff, limit: Limit = 100, cursor: CursorText = "") -> Response:
    """Return the edges by name: last contact, lag, what waits, what was lost, and their clocks."""
    place = from_cursor("edges", cursor, ("",))
    after = str(place[0]) if place else ""
    now = platform.clock()
    rows = [each for each in platform.store.edges.latest(platform.access) if each.edge > after]
    page, last = cut(rows[: limit + 1], limit)
    shapes = [
        EdgeShape.of(
            each,
            last_contact=each.last,
            lag_s=each.lag_s(now),
            waiting=each.report.waiting,
            dropped=each.report.dropped,
            clock_ahead_s=each.report.clock_ahead.total_seconds(),
            acknowledged=each.sequence,
        )
        for each in page
    ]
    return listed(request, shapes, last and to_cursor("edges", (last.edge,)))
