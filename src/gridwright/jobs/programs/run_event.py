"""The life of a demand response event: planned, begun and ended by the clock, opted out of, cancelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from gridwright.demand_response import baseline_rule
from gridwright.domain.access import Access, Act, Role
from gridwright.domain.errors import Conflict, InputError, NotFound
from gridwright.domain.interval import Interval
from gridwright.domain.program import Event, EventState
from gridwright.jobs.new_id import new_id
from gridwright.jobs.programs.measure_event import measure_event, sees_all
from gridwright.store import Store

__all__ = ["advance_events", "cancel_event", "measure_event", "opt_out", "plan_event"]

LONGEST = timedelta(days=1)
# More events than any search for them has to return.
EVERY = 100_000
ASKED = "Please use less electricity during the event."
OPEN = (EventState.PLANNED, EventState.ACTIVE)


def plan_event(
    store: Store,
    access: Access,
    *,
    program: str,
    period: Interval,
    targets: Sequence[str],
    signal: str = "",
    now: datetime,
) -> Event:
    """Plan an event of a program for some usage points, who count as notified now.

    It must not have begun yet, last at most a day, and take nobody who is in another event at that time.
    """
    access.require(Act.CONTROL)
    baseline_rule(store.programs.program(access, program).baseline)
    names = tuple(dict.fromkeys(targets))
    _check_period(period, now)
    if not names:
        raise InputError("an event needs at least one usage point", remedy="name its targets")
    for name in names:
        store.registry.point(access, name)
    if meters := store.network.topology(access).masters & set(names):
        raise InputError(f"{min(meters)} is a master meter, and no customer's", remedy="leave it out")
    event = Event(new_id("E", now), program, period, names, signal=signal or ASKED, notified=now)
    with store.transaction():
        _refuse_overlap(store, access, event)
        store.programs.save_event(access, event)
    return event


def opt_out(store: Store, access: Access, event_id: str, point: str, *, now: datetime) -> Event:
    """Take a usage point out of an event that is not over; again, it changes nothing.

    A customer may do so for a usage point of their own. The event is returned as the caller sees it.
    """
    desk = _who_may_opt_out(access, point)
    with store.transaction():
        event = _advanced(store, desk, store.programs.event(desk, event_id), now)
        if point not in event.targets:
            raise NotFound(f"{point} is no target of event {event_id}", remedy="gridwright event show tells who is")
        if point not in event.opted_out:
            if event.state not in OPEN:
                raise Conflict(
                    f"event {event_id} is {event.state}: it is too late to opt out", remedy="opt out of the next one"
                )
            store.programs.save_event(desk, replace(event, opted_out=(*event.opted_out, point)))
        return store.programs.event(access, event_id)


def cancel_event(store: Store, access: Access, event_id: str, *, now: datetime) -> Event:
    """Cancel an event that is not over; again, it changes nothing. A cancelled event pays nothing."""
    access.require(Act.CONTROL)
    sees_all(access)
    with store.transaction():
        event = _advanced(store, access, store.programs.event(access, event_id), now)
        if event.state is EventState.CANCELLED:
            return event
        cancelled = event.to(EventState.CANCELLED)
        store.programs.save_event(access, cancelled)
    return cancelled


def advance_events(store: Store, access: Access, now: datetime) -> list[Event]:
    """Begin and end events by the clock; return those that moved. Again at the same time, none does."""
    sees_all(access)
    moved = []
    for event in store.programs.events(access, states=OPEN, limit=EVERY):
        with store.transaction():
            # Somebody may have cancelled it, or opted out, since the search.
            fresh = store.programs.event(access, event.id)
            after = _advanced(store, access, fresh, now)
        if after.state is not event.state:
            moved.append(after)
    return moved


def _who_may_opt_out(access: Access, point: str) -> Access:
    """Return who acts: the caller in their own name, with a sight of all targets, since an event is kept whole."""
    access.require(Act.READ, point)
    if access.role is not Role.CUSTOMER:
        access.require(Act.CONTROL, point)
    return Access(access.actor, Role.OPERATOR)


def _advanced(store: Store, access: Access, event: Event, now: datetime) -> Event:
    after = by_clock(event, now)
    if after.state is not event.state:
        store.programs.save_event(access, after)
    return after


def by_clock(event: Event, now: datetime) -> Event:
    """Return the event in the state that the time gives it."""
    if event.state in OPEN and now >= event.period.end:
        return event.to(EventState.COMPLETED)
    if event.state is EventState.PLANNED and now >= event.period.start:
        return event.to(EventState.ACTIVE)
    return event


def _check_period(period: Interval, now: datetime) -> None:
    if period.length > LONGEST:
        raise InputError(f"an event of {period.length} is too long", remedy="plan one event a day")
    if period.start < now:
        raise InputError(
            f"the event begins at {period.start.isoformat()}, which has passed",
            remedy="participants must be told before: plan it for later",
        )


def _refuse_overlap(store: Store, access: Access, event: Event) -> None:
    for other in store.programs.events(access, states=OPEN, limit=EVERY):
        both = set(other.participants) & set(event.participants)
        if both and other.period.overlaps(event.period):
            raise Conflict(
                f"{min(both)} is in event {other.id} at that time, {other.period}",
                remedy="choose another time, or leave it out",
            )
