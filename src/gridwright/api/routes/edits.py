"""Edits: values that people agreed in place of readings, let go by a second person where much is moved."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from gridwright.api.address import href
from gridwright.api.cursor import from_cursor, to_cursor
from gridwright.api.door import Asking
from gridwright.api.idempotency import OnceDone
from gridwright.api.listing import JSON, Page, cut, listed
from gridwright.api.parameters import CursorText, Id, Limit, PointIf, kind_of
from gridwright.api.shapes.edits import Approval, Decision, EditActed, EditAsked, EditDetail, EditShape
from gridwright.app.live import edit_policy
from gridwright.domain.access import Act
from gridwright.domain.edit import Edit, EditState
from gridwright.jobs.meters.edit_readings import (
    EditWish,
    approve_edit,
    draft_edit,
    propose_edit,
    reject_edit,
    withdraw_edit,
)

router = APIRouter(tags=["Edits"])
States = Annotated[Sequence[EditState], Query(alias="state", description="Only edits in these states.")]


@router.get("/edits", summary="List edits", response_model=Page[EditShape])
def list_edits(
    request: Request,
    platform: Asking,
    *,
    point: PointIf = None,
    states: States = (),
    limit: Limit = 100,
    cursor: CursorText = "",
) -> Response:
    """Return edits, the newest first."""
    place = from_cursor("edits", cursor, ("",))
    before = str(place[0]) if place else ""
    rows = platform.store.edits.find(platform.access, point=point, states=states, limit=limit + 1, before=before)
    page, last = cut(rows, limit)
    return listed(request, [EditShape.of(each) for each in page], last and to_cursor("edits", (last.id,)))


@router.post("/edits", summary="Propose an edit", status_code=HTTPStatus.CREATED, response_model=EditActed)
def propose(once: OnceDone, asked: EditAsked) -> Response:
    """Put an edit on record; a small one is applied at once, any other waits for a second person."""
    platform = once.platform
    platform.access.require(Act.WRITE_READINGS, asked.usage_point)
    wish = EditWish(
        asked.usage_point,
        asked.interval,
        asked.reason,
        asked.values,
        asked.total,
        asked.evidence,
        kind_of(asked.reading_type),
    )
    store, access, now = platform.store, platform.access, platform.clock()
    if asked.dry_run:
        return Response(acted(draft_edit(store, access, wish, now=now)).model_dump_json(by_alias=True), media_type=JSON)
    policy = edit_policy(platform)
    return once(HTTPStatus.CREATED, lambda: acted(propose_edit(store, access, wish, policy=policy, now=now)))


@router.get("/edits/{name}", summary="Show an edit", response_model=EditDetail)
def show_edit(platform: Asking, name: Id) -> Response:
    """Return an edit with its values and those that it replaces."""
    found = platform.store.edits.edit(platform.access, name)
    return Response(EditDetail.of(found).model_dump_json(by_alias=True), media_type=JSON)


@router.post("/edits/{name}/approve", summary="Approve an edit", response_model=EditActed)
def approve(once: OnceDone, name: Id, asked: Approval | None = None) -> Response:
    """Let a proposed edit go, as a second person."""
    platform, note = once.platform, asked.note if asked else ""
    store, access, now = platform.store, platform.access, platform.clock()
    return once(HTTPStatus.OK, lambda: acted(approve_edit(store, access, name, note=note, now=now)))


@router.post("/edits/{name}/reject", summary="Reject an edit", response_model=EditActed)
def reject(once: OnceDone, name: Id, asked: Decision) -> Response:
    """Stop a proposed edit."""
    platform = once.platform
    store, access, now = platform.store, platform.access, platform.clock()
    return once(HTTPStatus.OK, lambda: acted(reject_edit(store, access, name, reason=asked.reason, now=now)))


@router.post("/edits/{name}/withdraw", summary="Take an edit back", response_model=EditActed)
def withdraw(once: OnceDone, name: Id, asked: Decision) -> Response:
    """Undo an edit: the readings are again what they are without it."""
    platform = once.platform
    store, access, now = platform.store, platform.access, platform.clock()
    return once(HTTPStatus.OK, lambda: acted(withdraw_edit(store, access, name, reason=asked.reason, now=now)))


def acted(edit: Edit) -> EditActed:
    """Return an edit after an act on it."""
    return EditActed.of(edit, href=href("edits", edit.id))
