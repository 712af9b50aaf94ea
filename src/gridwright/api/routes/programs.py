"""Demand response: programs, events, who takes part, and what was delivered."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from gridwright.api.address import href
from gridwright.api.door import Asking
from gridwright.api.idempotency import OnceDone
from gridwright.api.listing import JSON, Page, listed
from gridwright.api.parameters import Id, Limit, Name, PointIf
from gridwright.api.shapes.field import (
    CreatedProgram,
    EventActed,
    EventDetail,
    EventNew,
    EventShape,
    OptOut,
    PerformanceShape,
    ProgramNew,
    ProgramShape,
    SettledShape,
)
from gridwright.demand_response import baseline_rule
from gridwright.domain.access import Access, Act, Role
from gridwright.domain.program import Event, EventState, Program
from gridwright.jobs.programs.run_event import cancel_event, opt_out, plan_event
from gridwright.jobs.programs.settle_event import settle_event

router = APIRouter(tags=["Demand response"])
ProgramIf = Annotated[Name | None, Query(description="Only events of this program.")]
States = Annotated[Sequence[EventState], Query(alias="state", description="Only events in these states.")]


@router.get("/programs", summary="List programs", response_model=Page[ProgramShape])
def list_programs(request: Request, platform: Asking) -> Response:
    """Return every program by id."""
    return listed(request, [ProgramShape.of(each) for each in platform.store.programs.programs(platform.access)])


@router.post("/programs", summary="Save a program", status_code=HTTPStatus.CREATED, response_model=CreatedProgram)
def save_program(once: OnceDone, new: ProgramNew) -> Response:
    """Add a program, or change the one of this id."""
    platform = once.platform
    baseline_rule(new.baseline)

    def work() -> CreatedProgram:
        program = Program(**new.model_dump())
        platform.store.programs.save_program(platform.access, program)
        return CreatedProgram.of(program, href=href("programs"))

    return once(HTTPStatus.CREATED, work)


@router.get("/events", summary="List events", response_model=Page[EventShape])
def list_events(
    request: Request,
    platform: Asking,
    *,
    program: ProgramIf = None,
    point: PointIf = None,
    states: States = (),
    limit: Limit = 100,
) -> Response:
    """Return the newest events; a customer sees those that ask for them."""
    rows = platform.store.programs.events(platform.access, program=program, states=states, point=point, limit=limit)
    return listed(request, [EventShape.of(each) for each in rows])


@router.post("/events", summary="Plan an event", status_code=HTTPStatus.CREATED, response_model=EventActed)
def plan(once: OnceDone, new: EventNew) -> Response:
    """Call a program for a period that is still to come; its targets count as told now."""
    platform, now = once.platform, once.platform.clock()
    period, targets = new.period.interval, new.targets

    def work() -> EventActed:
        store, access = platform.store, platform.access
        planned = plan_event(
            store, access, program=new.program, period=period, targets=targets, signal=new.signal, now=now
        )
        return acted(planned)

    return once(HTTPStatus.CREATED, work)


@router.get("/events/{name}", summary="Show an event", response_model=EventDetail)
def show_event(platform: Asking, name: Id) -> Response:
    """Return an event with what its participants delivered, as far as the caller may see them."""
    programs = platform.store.programs
    event = programs.event(platform.access, name)
    rows = programs.performances(platform.access, event=name)
    shape = EventDetail.of(event, performances=[PerformanceShape.of(each) for each in rows])
    return Response(shape.model_dump_json(by_alias=True), media_type=JSON)


@router.post("/events/{name}/cancel", summary="Cancel an event", response_model=EventActed)
def cancel(once: OnceDone, name: Id) -> Response:
    """Cancel an event that is not over; it pays nothing."""
    platform = once.platform
    return once(HTTPStatus.OK, lambda: acted(cancel_event(platform.store, platform.access, name, now=platform.clock())))


@router.post("/events/{name}/opt-out", summary="Opt out of an event", response_model=EventActed)
def leave(once: OnceDone, name: Id, asked: OptOut) -> Response:
    """Take a usage point out of an event; customers do so for themselves."""
    platform = once.platform
    access = for_customer(platform.access, asked.usage_point)

    def work() -> EventActed:
        opt_out(platform.store, access, name, asked.usage_point, now=platform.clock())
        return acted(platform.store.programs.event(platform.access, name))

    return once(HTTPStatus.OK, work)


@router.post("/events/{name}/settle", summary="Settle an event", response_model=SettledShape)
def settle(once: OnceDone, name: Id) -> Response:
    """Measure what was delivered and settle it; settled again, it changes nothing."""
    platform = once.platform
    platform.access.require(Act.CONTROL)

    def work() -> SettledShape:
        made = settle_event(platform.store, platform.access, name, site=platform.site, now=platform.clock())
        return SettledShape(href=href("events", name), statement=made.to_dict())

    return once(HTTPStatus.OK, work)


def for_customer(access: Access, point: str) -> Access:
    """Return who takes a usage point out: a customer may do this one act, for their own point, as an operator may."""
    access.require(Act.READ, point)
    if access.role is not Role.CUSTOMER:
        return access
    return Access(f"gridwright for {access.actor}", Role.OPERATOR)


def acted(event: Event) -> EventActed:
    """Return an event after an act on it."""
    return EventActed.of(event, href=href("events", event.id))
