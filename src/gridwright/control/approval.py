"""Approval: a second person lets a control go, or anybody in charge stops it before it is sent."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from gridwright.domain.access import Access, Act
from gridwright.domain.control import ControlState, EndDeviceControl
from gridwright.domain.errors import ControlRefused, InputError

STOPPABLE = (ControlState.REQUESTED, ControlState.APPROVED, ControlState.ARMED)


def approve(control: EndDeviceControl, access: Access, now: datetime) -> EndDeviceControl:
    """Return the approved control; whoever asked for it is refused, whichever key they use, for every command."""
    access.require(Act.CONTROL, control.usage_point or None)
    if access.actor == control.requested_by:
        raise ControlRefused(
            f"{access.actor} asked for control {control.id} and cannot approve it",
            remedy="a second person with the role operator or admin must approve it",
        )
    return control.to(ControlState.APPROVED, now=now, approved_by=access.actor)


def reject(control: EndDeviceControl, access: Access, reason: str, now: datetime) -> EndDeviceControl:
    """Return the control stopped, with who did it and why; one that was sent can no longer be stopped."""
    access.require(Act.CONTROL, control.usage_point or None)
    if not reason.strip():
        raise InputError("a rejection needs a reason", remedy="say why, for whoever asked")
    if control.state not in STOPPABLE:
        done = "has been sent and may be carried out" if control.state is ControlState.SENT else f"is {control.state}"
        raise ControlRefused(
            f"control {control.id} {done}: it cannot be rejected",
            remedy="ask for the opposite command" if control.state is ControlState.SENT else "",
        )
    verb = "withdrawn" if access.actor == control.requested_by else "rejected"
    evidence = f"{verb} by {access.actor}: {reason.strip()}"
    return replace(control.to(ControlState.FAILED, now=now), evidence=evidence)
