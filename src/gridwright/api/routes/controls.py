"""Controls: asked for, approved by a second person, and followed until the device proves what it did."""

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
from gridwright.api.parameters import CursorText, Id, Limit, PointIf
from gridwright.api.problems import bad_parameter
from gridwright.api.shapes.field import (
    ControlActed,
    ControlAsked,
    ControlDetail,
    ControlShape,
    PreviewShape,
    RefusalShape,
    Reject,
    StepShape,
)
from gridwright.app.live import control_policy
from gridwright.domain.access import Act
from gridwright.domain.control import Command, ControlState, EndDeviceControl
from gridwright.jobs.field.approve_control import approve_control, reject_control
from gridwright.jobs.field.request_control import preview_control, request_control

router = APIRouter(tags=["Controls"])
States = Annotated[Sequence[ControlState], Query(alias="state", description="Only controls in these states.")]
CommandAsked = Annotated[Command, Query(description="What would be asked of the device.")]


@router.get("/controls", summary="List controls", response_model=Page[ControlShape])
def list_controls(
    request: Request,
    platform: Asking,
    *,
    point: PointIf = None,
    states: States = (),
    limit: Limit = 100,
    cursor: CursorText = "",
) -> Response:
    """Return controls, the newest first."""
    place = from_cursor("controls", cursor, ("",))
    before = str(place[0]) if place else ""
    rows = platform.store.controls.find(platform.access, states=states, point=point, limit=limit + 1, before=before)
    page, last = cut(rows, limit)
    return listed(request, [ControlShape.of(each) for each in page], last and to_cursor("controls", (last.id,)))


@router.get("/usage-points/{name}/controls", summary="List a usage point's controls", response_model=Page[ControlShape])
def list_controls_of(
    request: Request, platform: Asking, name: Id, limit: Limit = 100, cursor: CursorText = ""
) -> Response:
    """Return the controls of the meters at a usage point, the newest first."""
    return list_controls(request, platform, point=name, states=(), limit=limit, cursor=cursor)


@router.post("/controls", summary="Ask for a control", status_code=HTTPStatus.CREATED, response_model=ControlActed)
def ask(once: OnceDone, asked: ControlAsked) -> Response:
    """Put a control on record; nothing is sent before a second person has approved it."""
    platform = once.platform
    if (asked.usage_point is None) == (asked.device is None):
        raise bad_parameter("body", "usage_point", "name either a usage point or a device")

    def work() -> ControlActed:
        made = request_control(
            platform.store,
            platform.access,
            command=asked.command,
            reason=asked.reason,
            expires=asked.expires,
            now=platform.clock(),
            usage_point=asked.usage_point or "",
            device=asked.device or "",
            policy=control_policy(platform),
        )
        return acted(made)

    return once(HTTPStatus.CREATED, work)


@router.get("/controls/{name}", summary="Show a control", response_model=ControlDetail)
def show_control(platform: Asking, name: Id) -> Response:
    """Return a control with the steps it took, and what proved each."""
    controls = platform.store.controls
    control = controls.control(platform.access, name)
    steps = [StepShape.of(each) for each in controls.steps(platform.access, name)]
    return Response(ControlDetail.of(control, steps=steps).model_dump_json(), media_type=JSON)


@router.post("/controls/{name}/approve", summary="Approve a control", response_model=ControlActed)
def approve(once: OnceDone, name: Id) -> Response:
    """Let a control go, as a second person."""
    platform = once.platform
    return once(
        HTTPStatus.OK, lambda: acted(approve_control(platform.store, platform.access, name, now=platform.clock()))
    )


@router.post("/controls/{name}/reject", summary="Reject a control", response_model=ControlActed)
def reject(once: OnceDone, name: Id, asked: Reject) -> Response:
    """Stop a control that has not been sent."""
    platform = once.platform
    return once(
        HTTPStatus.OK,
        lambda: acted(reject_control(platform.store, platform.access, name, reason=asked.reason, now=platform.clock())),
    )


@router.get("/usage-points/{name}/control-preview", summary="See what a control would do", response_model=PreviewShape)
def preview(platform: Asking, name: Id, command: CommandAsked) -> Response:
    """Return the consequence in numbers, with every rule that would refuse it; nothing is recorded."""
    platform.access.require(Act.CONTROL)
    found = preview_control(
        platform.store,
        platform.access,
        command=command,
        now=platform.clock(),
        usage_point=name,
        policy=control_policy(platform),
    )
    shape = PreviewShape.of(found, refusals=[RefusalShape.of(each) for each in found.refusals])
    return Response(shape.model_dump_json(), media_type=JSON)


def acted(control: EndDeviceControl) -> ControlActed:
    """Return a control after an act on it."""
    return ControlActed.of(control, href=href("controls", control.id))
