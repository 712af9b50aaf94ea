"""Carry out controls: every one that is approved, armed or sent is taken as far as its meter's own words allow."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from gridwright.collect import Gate
from gridwright.control import ControlPolicy, Ports, carry_out, require_still_free
from gridwright.control.policy import TARGET
from gridwright.domain.access import Access, Act
from gridwright.domain.control import Command, ControlState, EndDeviceControl
from gridwright.domain.device import DeviceLink
from gridwright.domain.errors import Conflict, ControlRefused, NotFound
from gridwright.domain.event import EndDeviceEvent
from gridwright.jobs.field.approve_control import expire
from gridwright.jobs.field.control_situation import TOLD, situation_of
from gridwright.jobs.field.device_line import Lines, zones_of
from gridwright.store import Store

TOGETHER, PER_GATEWAY = 16, 4
# More controls under way than there can be: the oldest must not wait for the newest ones' silent meters.
MOST = 100_000
UNDER_WAY = (ControlState.APPROVED, ControlState.ARMED, ControlState.SENT)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=1), timedelta(minutes=1)
# CIM EndDeviceEventType of the switch's commands: 18 connect, 23 disconnect, 5 arm for closure; 85 = failed.
MOVED = {state: kind for kind, state in TOLD.items()}
SENT_TYPE = {Command.RECONNECT: "3.31.0.18", Command.DISCONNECT: "3.31.0.23", Command.ARM: "3.31.0.5"}
FAILED_TYPE = "3.31.0.85"

Pace = MutableMapping[str, tuple[datetime, int]]


@dataclass(frozen=True, slots=True)
class ControlSummary:
    """What a round did: controls looked at, and how many of them ended how; `waiting` were sent and are not proven."""

    looked_at: int
    confirmed: int
    failed: int
    expired: int
    waiting: int
    notes: tuple[str, ...] = ()


def execute_controls(
    store: Store,
    access: Access,
    lines: Lines,
    clock: Callable[[], datetime],
    *,
    policy: ControlPolicy | None = None,
    pace: Pace | None = None,
) -> ControlSummary:
    """Carry out what is approved and go on with what is armed or sent, also by a process that died.

    Any number of workers may run this at once: each step is a compare-and-set, and the slower one lets go. `pace`,
    kept by the caller from round to round, spaces out the calls to a meter that does not answer.
    """
    access.require(Act.CONTROL)
    lapsed = _expire_requests(store, access, clock())
    due = [
        control for control in store.controls.find(access, states=UNDER_WAY, limit=MOST) if _due(control, pace, clock())
    ]
    done = []
    if due:
        office = _Office(store, access, lines, clock, policy or ControlPolicy(), zones_of(store, access))
        done = asyncio.run(_all(office, due[::-1]))
    if pace is not None:
        _remember(pace, done, clock())
    return _summary([*lapsed, *done])


@dataclass(frozen=True, slots=True)
class _Office:
    store: Store
    access: Access
    lines: Lines
    clock: Callable[[], datetime]
    policy: ControlPolicy
    zone_of: Callable[[str], str]

    async def carry_out(self, control: EndDeviceControl, gate: Gate) -> EndDeviceControl:
        link = self.link(control)
        line = self.lines.to(link, self.zone_of(control.end_device))
        ports = Ports(self.record, self.recheck, line, self.sent, self.clock)
        try:
            async with gate.through(link.address):
                return await carry_out(control, ports, self.policy)
        except (Conflict, ControlRefused):
            # Another worker was faster, somebody rejected it, or it expired this very moment: the record tells.
            return self.store.controls.control(self.access, control.id)

    def link(self, control: EndDeviceControl) -> DeviceLink:
        """Return the link; one that is gone cannot be called, and the guard or the driver says so."""
        try:
            return self.store.devices.link(self.access, control.end_device)
        except NotFound:
            return DeviceLink(control.end_device, "", "")

    def recheck(self, control: EndDeviceControl) -> None:
        now = self.clock()
        seen = situation_of(self.store, self.access, control, now=now, policy=self.policy)
        require_still_free(control, seen, self.policy)

    def sent(self, control: EndDeviceControl) -> datetime:
        """Return when the control last went out."""
        steps = self.store.controls.steps(self.access, control.id)
        return max((step.at for step in steps if step.state is ControlState.SENT), default=self.clock())

    def record(self, before: EndDeviceControl, after: EndDeviceControl, detail: str) -> None:
        """Make a step durable together with the event that tells it."""
        now = self.clock()
        with self.store.transaction():
            self.store.controls.advance(self.access, before, after, detail=detail, now=now)
            event = event_of(after, detail, now)
            if event is not None:
                self.store.devices.save_events(self.access, [event])


def event_of(control: EndDeviceControl, detail: str, now: datetime) -> EndDeviceEvent | None:
    """Return the event of a step that touches the device: sent, confirmed, failed or expired."""
    match control.state:
        case ControlState.SENT:
            kind, text = SENT_TYPE[control.command], f"{control.command} sent"
        case ControlState.CONFIRMED:
            kind, text = MOVED[TARGET[control.command]], f"{control.command} confirmed"
        case ControlState.FAILED | ControlState.EXPIRED:
            kind, text = FAILED_TYPE, f"{control.command} {control.state}"
        case _:
            return None
    details = {"control": control.id, "attempts": str(control.attempts)}
    said = f"{text}: {detail}" if detail else text
    return EndDeviceEvent(control.end_device, kind, now, now, control.usage_point, said, details)


async def _all(office: _Office, controls: Sequence[EndDeviceControl]) -> list[EndDeviceControl]:
    gate = Gate(TOGETHER, PER_GATEWAY)
    return list(await asyncio.gather(*(office.carry_out(control, gate) for control in controls)))


def _expire_requests(store: Store, access: Access, now: datetime) -> list[EndDeviceControl]:
    requested = store.controls.find(access, states=[ControlState.REQUESTED], limit=MOST)
    late = [control for control in requested if now >= control.expires]
    expired = []
    for control in late:
        with suppress(Conflict):  # another worker was faster
            expired.append(expire(store, access, control, now))
    return expired


def _due(control: EndDeviceControl, pace: Pace | None, now: datetime) -> bool:
    if pace is None or control.id not in pace or now >= control.expires:
        return True
    last, looks = pace[control.id]
    return now >= last + min(FIRST_PAUSE * 2.0 ** min(looks, 30), LONGEST_PAUSE)


def _remember(pace: Pace, done: Sequence[EndDeviceControl], now: datetime) -> None:
    for control in done:
        if control.state in UNDER_WAY:
            pace[control.id] = (now, pace.get(control.id, (now, -1))[1] + 1)
        else:
            pace.pop(control.id, None)


def _summary(done: Sequence[EndDeviceControl]) -> ControlSummary:
    ends = Counter(control.state for control in done)
    notes = [f"{control.id}: {control.state}, {control.evidence}" for control in done if control.evidence]
    return ControlSummary(
        looked_at=len(done),
        confirmed=ends[ControlState.CONFIRMED],
        failed=ends[ControlState.FAILED],
        expired=ends[ControlState.EXPIRED],
        waiting=sum(ends[state] for state in UNDER_WAY),
        notes=tuple(notes),
    )
