"""Judge: what the relay's own state, read back from the meter, means for a control that was sent."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from gridwright.control.policy import TARGET, ControlPolicy
from gridwright.domain.control import Command, EndDeviceControl
from gridwright.domain.device import RelayState


class Judgement(StrEnum):
    """What to do next."""

    CONFIRM = "confirm"
    WAIT = "wait"
    RESEND = "resend"
    FAIL = "fail"


def judge(
    control: EndDeviceControl,
    relay: RelayState,
    sent: datetime,
    now: datetime,
    policy: ControlPolicy,
    *,
    free: bool = True,
) -> Judgement:
    """Judge a read-back; `sent`: when the command last went out; `free`: whether the guard would let it go again.

    Only the wanted state confirms. Another one is given time: a relay may move late, and a control that was called
    failed and is carried out afterwards would leave system and meter in disagreement.
    """
    if relay is TARGET[control.command]:
        return Judgement.CONFIRM
    if control.command is Command.RECONNECT and relay is RelayState.READY:
        # The customer has to press a button at the meter, and may do so until the control expires.
        return Judgement.FAIL if hopeless(control, sent, now, policy) else Judgement.WAIT
    waited = now - sent
    again = free and control.attempts < policy.attempts and now < control.expires
    if again and waited >= policy.resend_after:
        return Judgement.RESEND
    if not again and waited >= policy.give_up_after:
        return Judgement.FAIL
    return Judgement.WAIT


def hopeless(control: EndDeviceControl, sent: datetime, now: datetime, policy: ControlPolicy) -> bool:
    """Tell whether a meter that says nothing has been waited for long enough: nothing may be said of its relay."""
    return now >= max(control.expires, sent + policy.give_up_after)
