"""Laws of carrying out, whatever the crashes, silences and lies: nothing moves unapproved or is believed unproven."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gridwright.control import ControlPolicy, Ports, approve, carry_out, reject
from gridwright.control.policy import FINAL, TARGET
from gridwright.domain.access import Access, Role
from gridwright.domain.control import NEXT, Command, ControlState, EndDeviceControl
from gridwright.domain.device import RelayState
from gridwright.domain.errors import ControlRefused, DeviceRefused, DeviceSilent
from gridwright.drivers.driver import Identity, Session

START = datetime(2026, 11, 25, 12, tzinfo=UTC)
POLICY = ControlPolicy(look_pause_s=0)
ANN, BOB = Access("ann", Role.OPERATOR), Access("bob", Role.OPERATOR)


class Crash(BaseException):
    """The executor dies here."""


class FakeMeter:
    """A meter by its relay; `mood` is how it takes the next command."""

    def __init__(self) -> None:
        self.relay_state = RelayState.CONNECTED
        self.mood = "honest"
        self.silent = False
        self.moves: list[Command] = []
        self.late: list[Command] = []
        self.crash_at = ""

    def _speak(self, what: str) -> None:
        if self.silent:
            raise DeviceSilent(f"no answer to {what}")

    def _maybe_crash(self, place: str) -> None:
        if self.crash_at == place:
            self.crash_at = ""
            raise Crash

    async def identify(self) -> Identity:
        self._speak("identify")
        return Identity("M-1")

    async def relay(self) -> RelayState:
        self._speak("relay")
        return self.relay_state

    async def set_relay(self, command: Command) -> None:
        self._maybe_crash("before the bytes")
        self._speak("set")
        if self.mood == "refuses":
            raise DeviceRefused("ERROR 17")
        self.moves.append(command)
        if self.mood == "honest":
            self.relay_state = TARGET[command]
        if self.mood == "late":
            self.late.append(command)
        self._maybe_crash("after the bytes")
        if self.mood == "moves, then falls silent":
            self.relay_state = TARGET[command]
            raise DeviceSilent("no acknowledgement")


class ControlMachine(RuleBasedStateMachine):
    """One control, an executor that may die anywhere, a meter that may do anything, and a clock that goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.meter = FakeMeter()
        self.steps: list[tuple[ControlState, datetime]] = []
        self.critical = False
        self.moves_when_critical = 0
        self.seen: list[RelayState] = []

    @initialize(command=st.sampled_from([Command.DISCONNECT, Command.RECONNECT]), hours=st.integers(1, 3))
    def request(self, command: Command, hours: int) -> None:
        self.meter.relay_state = RelayState.CONNECTED if command is Command.DISCONNECT else RelayState.DISCONNECTED
        expires = START + timedelta(hours=hours)
        self.control = EndDeviceControl("C-1", "M-1", command, "test", "ann", expires, requested=START)

    def record(self, before: EndDeviceControl, after: EndDeviceControl, _: str) -> None:
        assert before == self.control, "only the record on file may be advanced"
        assert after.state is before.state or after.state in NEXT[before.state]
        self.meter._maybe_crash(f"before {after.state} is written")
        self.control = after
        self.steps.append((after.state, self.now))
        self.meter._maybe_crash(f"after {after.state} is written")

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Session]:
        yield cast("Session", self.meter)

    def recheck(self, _: EndDeviceControl) -> None:
        if self.critical:
            raise ControlRefused("the customer is critical")

    def sent(self, _: EndDeviceControl) -> datetime:
        return max(at for state, at in self.steps if state is ControlState.SENT)

    def run(self) -> None:
        ports = Ports(self.record, self.recheck, self.connect, self.sent, lambda: self.now)
        before = len(self.meter.moves)
        try:
            asyncio.run(carry_out(self.control, ports, POLICY))
        except Crash:
            pass
        except ControlRefused:
            assert self.now >= self.control.expires
        if len(self.meter.moves) > before:
            assert self.control.attempts >= len(self.meter.moves), "each sending is on record before the bytes"

    @rule(who=st.sampled_from([ANN, BOB]))
    def approval(self, who: Access) -> None:
        if self.control.state is ControlState.REQUESTED:
            try:
                self.control = approve(self.control, who, self.now)
            except ControlRefused:
                assert who is ANN or self.now >= self.control.expires

    @rule()
    @precondition(lambda self: self.control.state in (ControlState.REQUESTED, ControlState.APPROVED))
    def rejection(self) -> None:
        if self.now.minute % 7 == 3:
            self.control = reject(self.control, BOB, "changed our mind", self.now)

    @rule()
    def execute(self) -> None:
        self.run()

    @rule(
        place=st.sampled_from(
            [
                "before the bytes",
                "after the bytes",
                *(f"{side} {state} is written" for side in ("before", "after") for state in ControlState),
            ]
        )
    )
    def execute_and_die(self, place: str) -> None:
        self.meter.crash_at = place
        self.run()
        self.meter.crash_at = ""

    @rule(mood=st.sampled_from(["honest", "refuses", "ignores", "late", "moves, then falls silent"]))
    def change_mood(self, mood: str) -> None:
        self.meter.mood = mood

    @rule(silent=st.booleans())
    def line(self, silent: bool) -> None:
        self.meter.silent = silent

    @rule(seconds=st.sampled_from([1, 31, 301, 601, 3601]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        if seconds >= 300 and self.meter.late:
            self.meter.relay_state = TARGET[self.meter.late.pop()]

    @invariant()
    def nothing_is_sent_without_approval(self) -> None:
        if self.meter.moves:
            assert self.control.approved_by == "bob"

    @invariant()
    def confirmed_means_the_meter_says_so(self) -> None:
        if self.control.state is ControlState.CONFIRMED:
            assert "read back" in self.control.evidence
            assert self.meter.relay_state is TARGET[self.control.command]

    @invariant()
    def a_failure_is_true_and_the_unknown_is_called_so(self) -> None:
        moved = self.meter.relay_state is TARGET[self.control.command] and bool(self.meter.moves)
        if self.control.state is ControlState.FAILED:
            assert not moved
        if self.control.state is ControlState.EXPIRED and moved:
            assert "state unknown" in self.control.evidence

    @rule()
    @precondition(lambda self: self.now.minute % 5 == 1)
    def customer_becomes_critical(self) -> None:
        if not self.critical:
            self.critical, self.moves_when_critical = True, len(self.meter.moves)

    @invariant()
    def a_critical_customer_is_left_alone(self) -> None:
        if self.critical:
            assert len(self.meter.moves) == self.moves_when_critical

    @invariant()
    def never_sent_too_often(self) -> None:
        assert self.control.attempts <= POLICY.attempts

    def teardown(self) -> None:
        """However it went: with time and a meter that answers, every approved control comes to its end."""
        if self.control.state is ControlState.REQUESTED:
            return
        self.meter.silent = False
        for _ in range(12):
            self.run()
            self.time_passes(3601)
        assert self.control.state in FINAL
        self.confirmed_means_the_meter_says_so()
        self.a_failure_is_true_and_the_unknown_is_called_so()


ControlMachine.TestCase.settings = settings(
    max_examples=600 if os.environ.get("GRIDWRIGHT_TEST_LONG") else 60, stateful_step_count=30
)
TestControlLaws = ControlMachine.TestCase


def test_a_worker_that_was_held_up_before_the_wire_does_not_send() -> None:
    machine = ControlMachine()
    machine.request(Command.DISCONNECT, 1)
    machine.control = approve(machine.control, BOB, START)
    written = machine.record

    def slow(before: EndDeviceControl, after: EndDeviceControl, _: str) -> None:
        written(before, after, _)
        machine.now += timedelta(seconds=11)

    machine.record = slow  # type: ignore[method-assign]
    machine.run()
    assert (machine.control.state, machine.control.attempts, machine.meter.moves) == (ControlState.SENT, 1, [])
    machine.record = written  # type: ignore[method-assign]
    machine.time_passes(31)
    machine.run()
    assert machine.control.state is ControlState.CONFIRMED
    assert (machine.control.attempts, len(machine.meter.moves)) == (2, 1)


def test_a_request_is_never_carried_out() -> None:
    machine = ControlMachine()
    machine.request(Command.DISCONNECT, 1)
    machine.run()
    assert machine.control.state is ControlState.REQUESTED
    assert machine.meter.moves == []


def test_another_device_at_the_address_gets_nothing() -> None:
    machine = ControlMachine()
    machine.request(Command.DISCONNECT, 1)
    machine.control = replace(approve(machine.control, BOB, START), end_device="M-2")
    machine.run()
    assert machine.control.state is ControlState.FAILED
    assert machine.control.evidence == "device M-1 answers at the address of M-2; nothing was sent"
    assert machine.meter.moves == []


def test_what_already_is_so_is_not_sent() -> None:
    machine = ControlMachine()
    machine.request(Command.DISCONNECT, 1)
    machine.control = approve(machine.control, BOB, START)
    machine.meter.relay_state = RelayState.DISCONNECTED
    machine.run()
    assert machine.control.evidence == "the relay already was disconnected; nothing was sent"
    assert machine.meter.moves == []
