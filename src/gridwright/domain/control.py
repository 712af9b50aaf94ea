"""EndDeviceControl: what we instruct a device to do, and the rules a dangerous act carries with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from gridwright.domain.errors import ControlRefused


class Command(StrEnum):
    """What can be asked of a device."""

    DISCONNECT = "disconnect"
    RECONNECT = "reconnect"
    ARM = "arm-for-reconnect"
    LIMIT = "load-limit"
    SYNC_CLOCK = "sync-clock"
    READ = "read"


class ControlState(StrEnum):
    """Where a control stands; only a read-back confirms."""

    REQUESTED = "requested"
    APPROVED = "approved"
    ARMED = "armed"
    SENT = "sent"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    EXPIRED = "expired"


NEEDS_SECOND_PERSON = frozenset({Command.DISCONNECT, Command.RECONNECT, Command.LIMIT})
NEXT = {
    ControlState.REQUESTED: frozenset({ControlState.APPROVED, ControlState.FAILED, ControlState.EXPIRED}),
    ControlState.APPROVED: frozenset({ControlState.ARMED, ControlState.FAILED, ControlState.EXPIRED}),
    ControlState.ARMED: frozenset({ControlState.SENT, ControlState.FAILED, ControlState.EXPIRED}),
    ControlState.SENT: frozenset({ControlState.CONFIRMED, ControlState.FAILED, ControlState.EXPIRED}),
    ControlState.CONFIRMED: frozenset[ControlState](),
    ControlState.FAILED: frozenset[ControlState](),
    ControlState.EXPIRED: frozenset[ControlState](),
}


@dataclass(frozen=True, slots=True)
class ControlStep:
    """One step of a control's life: the state it reached, when, by whom, and what was seen."""

    state: ControlState
    at: datetime
    actor: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class EndDeviceControl:
    """One instruction to one device, with who asked, who approved, why, and until when it may be carried out.

    `requested`: when it was asked for. `evidence`: what the device said that confirmed it, or why it failed.
    `attempts`: how often it was sent.
    """

    id: str
    end_device: str
    command: Command
    reason: str
    requested_by: str
    expires: datetime
    approved_by: str = ""
    state: ControlState = ControlState.REQUESTED
    usage_point: str = ""
    requested: datetime | None = None
    evidence: str = ""
    attempts: int = 0

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise ControlRefused(
                f"control {self.id}: a {self.command} needs a reason", remedy="say why: whoever approves it reads it"
            )
        if self.command in NEEDS_SECOND_PERSON and self.approved_by == self.requested_by:
            raise ControlRefused(f"control {self.id}: a {self.command} needs a second person to approve it")
        advanced = self.state in (ControlState.ARMED, ControlState.SENT, ControlState.CONFIRMED)
        if advanced and self.command in NEEDS_SECOND_PERSON and not self.approved_by:
            raise ControlRefused(f"control {self.id}: a {self.command} cannot be {self.state} without approval")

    def to(self, state: ControlState, *, now: datetime, approved_by: str = "") -> EndDeviceControl:
        """Return the control in its next state; a step out of order or after expiry is refused."""
        if state not in NEXT[self.state]:
            raise ControlRefused(f"control {self.id} is {self.state} and cannot become {state}")
        late = now >= self.expires and state not in (ControlState.EXPIRED, ControlState.FAILED, ControlState.CONFIRMED)
        if late:
            raise ControlRefused(f"control {self.id} expired at {self.expires.isoformat()}")
        return replace(self, state=state, approved_by=approved_by or self.approved_by)
