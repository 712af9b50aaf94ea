"""A control on a page: where it stands, and who may do what about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gridwright.control.approval import STOPPABLE
from gridwright.control.consequence import Consequence
from gridwright.domain.access import ALLOWED, Access, Act
from gridwright.domain.control import ControlState, ControlStep, EndDeviceControl

WAITING = (ControlState.REQUESTED,)
RUNNING = (ControlState.APPROVED, ControlState.ARMED, ControlState.SENT)
DONE = (ControlState.CONFIRMED, ControlState.FAILED, ControlState.EXPIRED)
TONES = {ControlState.CONFIRMED: "good", ControlState.FAILED: "bad", ControlState.EXPIRED: "doubt"}


def control_row(control: EndDeviceControl) -> dict[str, Any]:
    """Return one control as JSON."""
    return {
        "id": control.id,
        "command": str(control.command),
        "usage_point": control.usage_point,
        "device": control.end_device,
        "state": str(control.state),
        "tone": TONES.get(control.state, "none"),
        "reason": control.reason,
        "requested_by": control.requested_by,
        "approved_by": control.approved_by,
        "requested": control.requested.isoformat() if control.requested else None,
        "expires": control.expires.isoformat(),
        "evidence": control.evidence,
        "attempts": control.attempts,
    }


def step_row(step: ControlStep) -> dict[str, Any]:
    """Return one step of its life."""
    return {"state": str(step.state), "at": step.at.isoformat(), "actor": step.actor, "detail": step.detail}


def approval(control: EndDeviceControl, access: Access) -> dict[str, Any]:
    """Tell whether whoever looks may approve or stop it, and if not, why."""
    allowed = Act.CONTROL in ALLOWED[access.role]
    own = control.requested_by == access.actor
    waiting = control.state is ControlState.REQUESTED
    why = ""
    if waiting and not allowed:
        why = f"Your role, {access.role}, may not control devices."
    elif waiting and own:
        why = f"You asked for it: a {control.command} needs a second person to approve it."
    return {
        "may_approve": waiting and allowed and not own,
        "may_reject": control.state in STOPPABLE and allowed,
        "why_not": why,
    }


def consequence_view(found: Consequence) -> dict[str, Any]:
    """Return the consequence in numbers, with what stands against it."""
    return {
        "sentence": found.sentence,
        "customer_class": found.customer_class,
        "critical": found.critical,
        "load_kw": found.load_kw,
        "day_kwh": found.day_kwh,
        "reading_at": found.reading_at.isoformat() if found.reading_at else None,
        "relay": str(found.relay) if found.relay else None,
        "last_contact": found.last_contact.isoformat() if found.last_contact else None,
        "disconnects_in_window": found.disconnects_in_window,
        "refusals": refusals_of(found.refusals),
    }


def refusals_of(found: Sequence[Any]) -> list[dict[str, str]]:
    """Return why a command would be refused, each with what helps."""
    return [
        {"reason": str(getattr(each, "reason", each)), "remedy": str(getattr(each, "remedy", ""))} for each in found
    ]
