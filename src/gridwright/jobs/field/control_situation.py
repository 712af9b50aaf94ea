"""What is known of a device when a control is judged: its customer, its link, its relay, other controls."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from gridwright.control import ControlPolicy, Situation
from gridwright.control.policy import OPEN, TARGET
from gridwright.domain.access import Access
from gridwright.domain.control import Command, ControlState, EndDeviceControl
from gridwright.domain.device import DeviceLink, RelayState
from gridwright.domain.errors import NotFound, UsageError
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import Store

LOOKED_THROUGH = 1000
# The log is dated by the meter's clock, which may be off by as much as is let pass.
CLOCKS_DIFFER = timedelta(seconds=60)
# CIM EndDeviceEventType of the remote connect/disconnect switch: 42 connected, 68 disconnected, 11 armed.
TOLD = {
    "3.31.0.42": RelayState.CONNECTED,
    "3.31.0.68": RelayState.DISCONNECTED,
    "3.31.0.11": RelayState.READY,
}


def situation_of(
    store: Store, access: Access, control: EndDeviceControl, *, now: datetime, policy: ControlPolicy
) -> Situation:
    """Gather what the guard's rules look at."""
    others = store.controls.find(access, states=OPEN, device=control.end_device)
    return Situation(
        point=_point(store, access, control.usage_point),
        link=_link(store, access, control.end_device),
        now=now,
        relay=proven_relay(store, access, control.end_device, control.usage_point),
        others=[other for other in others if other.id != control.id],
        disconnects=_disconnects(store, access, control, now, policy),
    )


def proven_relay(store: Store, access: Access, serial: str, point: str = "") -> RelayState | None:
    """Return the state in which the relay was last known to be; None when nobody can tell.

    The newest control proves it, or, if it ended without proof, takes away what was known; what the meter's own log
    has told since, of a hand on site or of a command whose answer was lost, counts after it.
    """
    state, since = _by_control(store, access, serial)
    events = store.devices.events(access, point=point, limit=LOOKED_THROUGH) if point else []
    told = (event for event in events if event.end_device == serial and event.type in TOLD)
    newest = next((event for event in told if "control" not in event.details), None)
    if newest is not None and (since is None or newest.at > since):
        return TOLD[newest.type]
    return state


def _by_control(store: Store, access: Access, serial: str) -> tuple[RelayState | None, datetime | None]:
    """Return what the newest control that was sent proved, and since when the meter's log knows more than it."""
    for control in store.controls.find(access, device=serial, limit=LOOKED_THROUGH):
        if control.attempts:
            steps = store.controls.steps(access, control.id)
            if control.state is ControlState.CONFIRMED:
                return TARGET.get(control.command), steps[-1].at + CLOCKS_DIFFER
            return None, min(step.at for step in steps if step.state is ControlState.SENT) - CLOCKS_DIFFER
    return None, None


def place_of(
    store: Store, access: Access, *, device: str = "", usage_point: str = "", now: datetime
) -> tuple[str, str]:
    """Return (device, usage point) of either one, by the installation in force; naming neither is a UsageError."""
    if not device and not usage_point:
        raise UsageError("neither a usage point nor a device is named", remedy="name one of them")
    if usage_point:
        meters = _installed(store, access, usage_point, now)
        if device and device not in meters:
            raise NotFound(f"device {device} is not installed at {usage_point}", remedy="name one of them only")
        chosen = [device] if device else _with_link(store, access, meters)
        if len(chosen) != 1:
            reason = "no device with a link" if not chosen else f"devices {', '.join(chosen)}"
            remedy = "gridwright collect add adds one" if not chosen else "name the device"
            raise NotFound(f"at usage point {usage_point} there is {reason}", remedy=remedy)
        return chosen[0], usage_point
    places = (each for each in store.registry.installed(access) if each.end_device == device and now in each.period)
    return device, next((place.usage_point for place in places), "")


def _installed(store: Store, access: Access, usage_point: str, now: datetime) -> list[str]:
    return [each.end_device for each in store.registry.installations(access, usage_point) if now in each.period]


def _with_link(store: Store, access: Access, serials: Iterable[str]) -> list[str]:
    return [serial for serial in serials if _link(store, access, serial) is not None]


def _link(store: Store, access: Access, serial: str) -> DeviceLink | None:
    try:
        return store.devices.link(access, serial)
    except NotFound:
        return None


def _point(store: Store, access: Access, name: str) -> UsagePoint | None:
    return store.registry.point(access, name) if name else None


def _disconnects(store: Store, access: Access, control: EndDeviceControl, now: datetime, policy: ControlPolicy) -> int:
    since = now - policy.mass_window
    newest = store.controls.find(access, limit=LOOKED_THROUGH)
    return sum(
        other.command is Command.DISCONNECT
        and other.id != control.id
        and other.requested is not None
        and other.requested > since
        and not was_stopped(other)
        for other in newest
    )


def was_stopped(control: EndDeviceControl) -> bool:
    """Tell whether a control ended before anything was sent."""
    return control.state in (ControlState.FAILED, ControlState.EXPIRED) and not control.attempts
