"""Approve or reject a control, on record with who did it and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from gridwright.control import approve, reject
from gridwright.domain.access import Access, Act
from gridwright.domain.control import ControlState, EndDeviceControl
from gridwright.domain.errors import ControlRefused
from gridwright.store import Store


def approve_control(
    store: Store, access: Access, control_id: str, *, now: datetime, note: str = ""
) -> EndDeviceControl:
    """Let a requested control go, as a second person; one that is too late expires instead, and that is refused.

    `note`: why the second person finds it right; it stays with the step.
    """
    access.require(Act.CONTROL)
    before = store.controls.control(access, control_id)
    if before.state is ControlState.REQUESTED and now >= before.expires:
        expire(store, access, before, now)
        raise ControlRefused(f"control {control_id} expired at {before.expires.isoformat()}", remedy="ask for it again")
    after = approve(before, access, now)
    store.controls.advance(access, before, after, detail=note.strip(), now=now)
    return after


def reject_control(store: Store, access: Access, control_id: str, *, reason: str, now: datetime) -> EndDeviceControl:
    """Stop a control that has not been sent; whoever asked for it withdraws it."""
    access.require(Act.CONTROL)
    before = store.controls.control(access, control_id)
    after = reject(before, access, reason, now)
    store.controls.advance(access, before, after, detail=after.evidence, now=now)
    return after


def expire(store: Store, access: Access, control: EndDeviceControl, now: datetime) -> EndDeviceControl:
    """Record that a control was never approved in time."""
    text = "nobody approved it in time"
    after = replace(control.to(ControlState.EXPIRED, now=now), evidence=text)
    store.controls.advance(access, control, after, detail=text, now=now)
    return after
