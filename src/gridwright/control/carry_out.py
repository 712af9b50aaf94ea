"""Carry out one control: arm, send, confirm by read-back, settle; the record is never ahead of what is proven."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import datetime

from gridwright.control.judge import Judgement, hopeless, judge
from gridwright.control.policy import FINAL, TARGET, ControlPolicy
from gridwright.domain.control import ControlState, EndDeviceControl
from gridwright.domain.device import RelayState
from gridwright.domain.errors import ControlRefused, DeviceError, DeviceRefused
from gridwright.drivers.driver import Session


@dataclass(frozen=True, slots=True)
class Ports:
    """What carrying out needs of the world.

    `record(before, after, detail)` makes a step durable, or raises Conflict when another worker was faster.
    `recheck(control)` raises ControlRefused when something has come up since the approval. `connect()` opens a
    conversation with the device. `sent(control)` tells when it last went out.
    """

    record: Callable[[EndDeviceControl, EndDeviceControl, str], None]
    recheck: Callable[[EndDeviceControl], None]
    connect: Callable[[], AbstractAsyncContextManager[Session]]
    sent: Callable[[EndDeviceControl], datetime]
    clock: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


async def carry_out(control: EndDeviceControl, ports: Ports, policy: ControlPolicy) -> EndDeviceControl:
    """Take an approved, armed or sent control as far as it goes now, and return it as it is on record.

    One that was sent, by this process or by one that died, is first read back, never sent again blindly.
    """
    errand = _Errand(control, ports, policy)
    if errand.control.state in (ControlState.APPROVED, ControlState.ARMED):
        errand.arm()
    if errand.control.state not in (ControlState.ARMED, ControlState.SENT):
        return errand.control
    try:
        async with ports.connect() as session:
            await errand.require_right_device(session)
            if errand.control.state is ControlState.ARMED:
                await errand.send_first(session)
            if errand.control.state is ControlState.SENT:
                await errand.settle(session)
    except DeviceError as error:
        errand.out_of_reach(error)
    return errand.control


@dataclass(slots=True)
class _Errand:
    control: EndDeviceControl
    ports: Ports
    policy: ControlPolicy
    words: str = ""  # what the meter said when it refused

    @property
    def is_late(self) -> bool:
        return self.ports.clock() >= self.control.expires

    def move(self, state: ControlState, detail: str = "", *, attempts: int | None = None) -> None:
        """Make one step durable; only then does it count. What is said of a final state is its evidence."""
        before = self.control
        after = before if state is before.state else before.to(state, now=self.ports.clock())
        evidence = detail if state in FINAL else before.evidence
        after = replace(after, evidence=evidence, attempts=attempts or before.attempts)
        self.ports.record(before, after, detail)
        self.control = after

    def arm(self) -> None:
        """Ask the guard again; also where it was armed before, by a process that died or to a meter that was silent."""
        if self.is_late:
            self.move(ControlState.EXPIRED, "expired before it was sent")
        elif reason := self.refusal():
            self.move(ControlState.FAILED, f"refused before it was sent: {reason}")
        elif self.control.state is ControlState.APPROVED:
            self.move(ControlState.ARMED)

    def refusal(self) -> str:
        """Say what has come up against the control since it was asked for; empty when nothing has."""
        try:
            self.ports.recheck(self.control)
        except ControlRefused as error:
            return error.message
        return ""

    async def require_right_device(self, session: Session) -> None:
        serial = (await session.identify()).serial
        if serial == self.control.end_device:
            return
        words = f"device {serial} answers at the address of {self.control.end_device}"
        if self.control.state is ControlState.ARMED:
            self.move(ControlState.FAILED, f"{words}; nothing was sent")
            return
        raise DeviceError(words)

    async def send_first(self, session: Session) -> None:
        relay = await session.relay()
        if relay is TARGET[self.control.command]:
            self.move(ControlState.FAILED, f"the relay already was {relay}; nothing was sent")
        elif self.is_late:
            self.move(ControlState.EXPIRED, f"expired before it was sent; the meter says {relay}")
        else:
            await self.send(session)
            await self.believe_refusal(session)

    async def send(self, session: Session) -> None:
        """Write down that it was sent, then send it: after a crash in between, the meter is asked what happened."""
        attempt, began = self.control.attempts + 1, self.ports.clock()
        self.move(ControlState.SENT, f"sent, attempt {attempt}", attempts=attempt)
        if self.ports.clock() - began > self.policy.send_within:
            return  # held up by a lock or a sleeping machine: others may have taken over, and they read back first
        try:
            await session.set_relay(self.control.command)
        except DeviceRefused as error:
            self.words = error.message

    async def believe_refusal(self, session: Session) -> None:
        """End a control that the meter refused at once, if its relay bears it out."""
        if not self.words or await session.relay() is TARGET[self.control.command]:
            return
        self.move(ControlState.FAILED, f"the meter refused: {self.words}")

    async def settle(self, session: Session) -> None:
        for look in range(self.policy.looks):
            if look:
                await self.ports.sleep(self.policy.look_pause_s)
            relay, now = await session.relay(), self.ports.clock()
            free = not self.refusal()
            verdict = judge(self.control, relay, self.ports.sent(self.control), now, self.policy, free=free)
            if verdict is Judgement.RESEND:
                await self.send(session)
            elif verdict is not Judgement.WAIT:
                self.conclude(verdict, relay, now)
                return

    def conclude(self, verdict: Judgement, relay: RelayState, now: datetime) -> None:
        seen = f"read back from {self.control.end_device}: {relay} at {now.isoformat()}"
        if verdict is Judgement.CONFIRM:
            self.move(ControlState.CONFIRMED, seen)
            return
        target = TARGET[self.control.command]
        did = f"the meter refused: {self.words}" if self.words else f"the meter did not become {target}"
        self.move(ControlState.FAILED, f"{did}; {seen}, sent {self.control.attempts} times")

    def out_of_reach(self, error: DeviceError) -> None:
        """Keep what cannot be known open while there is time; then say that it is not known."""
        control, now = self.control, self.ports.clock()
        if control.state in FINAL:
            return  # the record was made before the line broke
        if control.state is ControlState.SENT:
            if hopeless(control, self.ports.sent(control), now, self.policy):
                self.move(ControlState.EXPIRED, f"state unknown: no read-back since it was sent ({error.message})")
        elif isinstance(error, DeviceRefused):
            self.move(ControlState.FAILED, f"the meter refused the conversation: {error.message}; nothing was sent")
        elif self.is_late:
            self.move(ControlState.EXPIRED, f"expired before it was sent ({error.message})")
        else:
            self._wait(f"not reached yet: {error.message}")

    def _wait(self, why: str) -> None:
        """Say once why nothing has been sent yet; said again at every attempt it would only be noise."""
        if self.control.evidence != why:
            after = replace(self.control, evidence=why)
            self.ports.record(self.control, after, why)
            self.control = after
