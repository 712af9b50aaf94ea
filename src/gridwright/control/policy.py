"""What is allowed, and how patient control is: one value, handed over from the settings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from gridwright.domain.control import Command, ControlState
from gridwright.domain.device import RelayState

TARGET = {
    Command.DISCONNECT: RelayState.DISCONNECTED,
    Command.RECONNECT: RelayState.CONNECTED,
    Command.ARM: RelayState.READY,
}
OPEN = (ControlState.REQUESTED, ControlState.APPROVED, ControlState.ARMED, ControlState.SENT)
FINAL = (ControlState.CONFIRMED, ControlState.FAILED, ControlState.EXPIRED)


@dataclass(frozen=True, slots=True)
class ControlPolicy:
    """Limits of control.

    `stale_after`: a device silent for longer is not controlled. `mass_limit` disconnects in `mass_window` are the
    most. `hours`: local hours [first, last) in which a disconnect may be carried out, None = always. `longest`: how
    far ahead a control may expire. `attempts`: how often it is sent at most; again no sooner than `resend_after`.
    `give_up_after` the last sending, a relay that still has not moved is a failure. A worker that was held up for
    longer than `send_within` between record and wire does not send. `looks` at the relay with
    `look_pause_s` between them in one conversation.
    """

    stale_after: timedelta = timedelta(hours=24)
    mass_limit: int = 10
    mass_window: timedelta = timedelta(minutes=60)
    hours: tuple[int, int] | None = None
    longest: timedelta = timedelta(days=7)
    attempts: int = 3
    resend_after: timedelta = timedelta(seconds=30)
    give_up_after: timedelta = timedelta(minutes=10)
    send_within: timedelta = timedelta(seconds=10)
    looks: int = 3
    look_pause_s: float = 0.5
