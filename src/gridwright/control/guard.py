"""Guard: the rules that a control must pass, each a small pure function that refuses with reason and remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from gridwright.control.policy import TARGET, ControlPolicy
from gridwright.domain.control import Command, ControlState, EndDeviceControl
from gridwright.domain.device import DeviceLink, LinkState, RelayState
from gridwright.domain.errors import ControlRefused
from gridwright.domain.usage_point import UsagePoint

CRITICAL = ("critical", "life-support", "life_support")
NOT_CRITICAL = ("", "no", "false", "0", "none")
UNDER_WAY = (ControlState.ARMED, ControlState.SENT)


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known when a control is judged.

    `relay`: the relay's last proven state, None = never proven. `others`: open controls of the same device.
    `disconnects`: how many were asked for within the policy's window, this one not counted.
    """

    point: UsagePoint | None
    link: DeviceLink | None
    now: datetime
    relay: RelayState | None = None
    others: Sequence[EndDeviceControl] = ()
    disconnects: int = 0


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a control may not be: the rule's name, a sentence with the values, and what helps."""

    rule: str
    reason: str
    remedy: str


Rule = Callable[[EndDeviceControl, Situation, ControlPolicy], Refusal | None]


def a_relay_command(control: EndDeviceControl, _: Situation, __: ControlPolicy) -> Refusal | None:
    """Refuse what is no command to a relay."""
    if control.command in TARGET:
        return None
    return Refusal("no-relay-command", f"{control.command} moves no relay", f"ask for {', '.join(TARGET)}")


def still_valid(control: EndDeviceControl, seen: Situation, policy: ControlPolicy) -> Refusal | None:
    """Refuse a control that has expired, or that could strike out of the blue in a month."""
    if control.expires <= seen.now:
        return Refusal("expired", f"it expired at {control.expires.isoformat()}", "ask again with a later expiry")
    if control.expires - seen.now > policy.longest:
        text = f"it would stay valid until {control.expires.isoformat()}, longer than {policy.longest.days} days"
        return Refusal("too-long", text, "ask for a shorter expiry")
    return None


def somebody_there(control: EndDeviceControl, seen: Situation, _: ControlPolicy) -> Refusal | None:
    """Refuse where nobody knows whose supply it is."""
    if seen.point is not None:
        return None
    reason = f"device {control.end_device} is installed at no usage point, so nobody knows who is affected"
    return Refusal("not-installed", reason, "record its installation first")


def nobody_in_danger(control: EndDeviceControl, seen: Situation, _: ControlPolicy) -> Refusal | None:
    """Refuse to disconnect a customer whose life or work depends on supply."""
    if control.command is not Command.DISCONNECT or seen.point is None:
        return None
    for name in CRITICAL:
        value = seen.point.attributes.get(name, "").strip()
        if value.lower() not in NOT_CRITICAL:
            reason = f"usage point {seen.point.id} is critical ({name}={value}) and is never disconnected remotely"
            return Refusal("critical", reason, "send a person, or correct the attribute if it is wrong")
    return None


def in_service(control: EndDeviceControl, seen: Situation, _: ControlPolicy) -> Refusal | None:
    """Refuse a device whose commissioning did not come to its end."""
    if seen.link is None:
        reason = f"device {control.end_device} has no link"
        return Refusal("no-link", reason, f"gridwright collect add {control.end_device} makes one")
    if seen.link.state is not LinkState.IN_SERVICE:
        reason = f"device {control.end_device} is {seen.link.state}, not in service"
        return Refusal("not-in-service", reason, f"gridwright collect commission {control.end_device} finishes it")
    return None


def has_relay(control: EndDeviceControl, seen: Situation, _: ControlPolicy) -> Refusal | None:
    """Refuse a device that said it has no relay."""
    if seen.link is None or seen.link.state is not LinkState.IN_SERVICE:
        return None  # another rule tells it
    if seen.link.capabilities.get("relay", "") == "yes":
        return None
    return Refusal("no-relay", f"device {control.end_device} has no relay", "send a person")


def recently_heard(control: EndDeviceControl, seen: Situation, policy: ControlPolicy) -> Refusal | None:
    """Refuse a device that has been silent: nothing could be confirmed."""
    if seen.link is None or seen.link.state is not LinkState.IN_SERVICE:
        return None
    last = seen.link.last_contact
    if last is not None and seen.now - last <= policy.stale_after:
        return None
    since = "never answered" if last is None else f"has been silent since {last.isoformat()}"
    remedy = f"gridwright collect run {control.end_device} tries it"
    return Refusal("stale", f"device {control.end_device} {since}", remedy)


def the_only_one(control: EndDeviceControl, seen: Situation, _: ControlPolicy) -> Refusal | None:
    """Refuse a second open control of one device."""
    if not seen.others:
        return None
    other = seen.others[0]
    reason = f"control {other.id} ({other.command}, {other.state}) of device {control.end_device} is still open"
    # What has been sent cannot be taken back: only its end is left to wait for.
    remedy = "wait for its end" if other.state is ControlState.SENT else f"wait for its end, or reject {other.id}"
    return Refusal("another-open", reason, remedy)


def not_yet_so(control: EndDeviceControl, seen: Situation, _: ControlPolicy) -> Refusal | None:
    """Refuse what has already been done."""
    if seen.relay is None or seen.relay is not TARGET.get(control.command):
        return None
    reason = f"the relay of {control.end_device} already is {seen.relay}"
    return Refusal("already-so", reason, "nothing needs to be done")


def not_too_many(control: EndDeviceControl, seen: Situation, policy: ControlPolicy) -> Refusal | None:
    """Refuse to disconnect a town by mistake or by malice."""
    if control.command is not Command.DISCONNECT or seen.disconnects < policy.mass_limit:
        return None
    minutes = int(policy.mass_window.total_seconds() // 60)
    reason = f"{seen.disconnects} disconnects were asked for in {minutes} minutes, and {policy.mass_limit} is the limit"
    return Refusal("too-many", reason, "wait; a mass control needs more than one key")


def at_this_hour(control: EndDeviceControl, seen: Situation, policy: ControlPolicy) -> Refusal | None:
    """Refuse to disconnect outside the hours that are set."""
    if control.command is not Command.DISCONNECT or policy.hours is None or seen.point is None:
        return None
    first, last = policy.hours
    local = seen.now.astimezone(seen.point.tz)
    if first <= local.hour < last:
        return None
    reason = f"it is {local:%H:%M} at {seen.point.id}, and disconnects are allowed from {first}:00 to {last}:00"
    return Refusal("hours", reason, "ask again within these hours")


def not_overtaken(control: EndDeviceControl, seen: Situation, _: ControlPolicy) -> Refusal | None:
    """Refuse to arm while another control of the device is under way, or was asked for earlier."""
    for other in seen.others:
        first = other.state is ControlState.APPROVED and other.id < control.id
        if other.state in UNDER_WAY or first:
            reason = f"control {other.id} ({other.command}, {other.state}) of the same device came first"
            return Refusal("overtaken", reason, "ask again when it has ended")
    return None


TO_REQUEST: tuple[Rule, ...] = (
    a_relay_command,
    still_valid,
    somebody_there,
    nobody_in_danger,
    in_service,
    has_relay,
    recently_heard,
    the_only_one,
    not_yet_so,
    not_too_many,
    at_this_hour,
)
# What may have changed between approval and sending; whether the device answers is seen when it is called.
TO_ARM: tuple[Rule, ...] = (
    a_relay_command,
    somebody_there,
    nobody_in_danger,
    in_service,
    has_relay,
    not_overtaken,
    at_this_hour,
)


def refusals(
    control: EndDeviceControl, seen: Situation, policy: ControlPolicy, rules: Iterable[Rule] = TO_REQUEST
) -> list[Refusal]:
    """Return every rule's refusal; an empty list means that the control may go on."""
    found = (rule(control, seen, policy) for rule in rules)
    return [refusal for refusal in found if refusal is not None]


def require_free(control: EndDeviceControl, seen: Situation, policy: ControlPolicy) -> None:
    """Raise ControlRefused with every reason why the control may not be asked for."""
    _raise(control, refusals(control, seen, policy))


def require_still_free(control: EndDeviceControl, seen: Situation, policy: ControlPolicy) -> None:
    """Raise ControlRefused with every reason that came up since it was asked for."""
    _raise(control, refusals(control, seen, policy, TO_ARM))


def _raise(control: EndDeviceControl, found: Sequence[Refusal]) -> None:
    if found:
        raise ControlRefused(
            "; ".join(refusal.reason for refusal in found),
            where=f"{control.command} of {control.usage_point or control.end_device}",
            remedy="; ".join(dict.fromkeys(refusal.remedy for refusal in found)),
        )
