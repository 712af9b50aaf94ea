"""The control drill: whatever goes wrong between a request and a relay, the record says what the meter says.

`pytest tests/integration/test_control_drill.py -s` prints the drill as a table.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from gridwright.control import Consequence, ControlPolicy
from gridwright.control.policy import FINAL, TARGET
from gridwright.domain.access import Access, Role
from gridwright.domain.control import Command, ControlState, EndDeviceControl
from gridwright.domain.device import LinkState, RelayState
from gridwright.domain.errors import AccessDenied, ControlRefused
from gridwright.domain.identity import User
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.field.approve_control import approve_control, reject_control
from gridwright.jobs.field.execute_controls import ControlSummary, Pace, execute_controls
from gridwright.jobs.field.request_control import preview_control, request_control
from gridwright.simulate.virtual_meter import LogKind, RelayLie, VirtualMeter
from tests.integration.field.executor import PLACES
from tests.integration.field.street import ANN, BOB, SYSTEM, TIMEOUT_S, Street, open_street
from tests.quick_processes import run

SHORT = not os.environ.get("GRIDWRIGHT_TEST_LONG")
ROOT = Path(__file__).resolve().parents[2]
HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
POLICY = ControlPolicy(look_pause_s=0.01)
MOVES = (LogKind.REMOTE_DISCONNECTION, LogKind.REMOTE_CONNECTION, LogKind.ARMED)
TABLE: list[tuple[str, ...]] = []


@dataclass
class Drill:
    """A street with one meter in service at UP-1, and one control at a time."""

    street: Street
    meter: VirtualMeter
    path: Path

    def request(self, command: Command = Command.DISCONNECT, *, by: Access = ANN, hours: float = 2) -> EndDeviceControl:
        now = self.street.now
        return request_control(
            self.street.store,
            by,
            usage_point="UP-1",
            command=command,
            reason="drill",
            expires=now + timedelta(hours=hours),
            now=now,
        )

    def preview(self, command: Command = Command.DISCONNECT) -> Consequence:
        now = self.street.now
        return preview_control(self.street.store, ANN, usage_point="UP-1", command=command, now=now)

    def approve(self, control: EndDeviceControl, by: Access = BOB) -> EndDeviceControl:
        return approve_control(self.street.store, by, control.id, now=self.street.now)

    def execute(self, policy: ControlPolicy = POLICY, pace: Pace | None = None) -> ControlSummary:
        street = self.street
        return execute_controls(street.store, SYSTEM, street.lines, street.clock, policy=policy, pace=pace)

    def execute_and_die(self, place: str) -> int:
        """Run the executor as a process of its own that is killed at a place; returns its exit code."""
        command = [sys.executable, "-m", "tests.integration.field.executor"]
        arguments = [str(self.path), self.street.now.isoformat(), place]
        done = run([*command, *arguments], cwd=ROOT)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        return done.returncode

    def fall_silent(self, silent: bool = True) -> None:  # noqa: FBT002 - as it is said
        """Let the meter fall silent, or speak again; nobody waits long for a meter that is known to say nothing."""
        self.meter.faults.silent = silent
        self.street.timeout_s = 0.1 if silent else TIMEOUT_S

    def until_final(self, control: EndDeviceControl, step: timedelta = 31 * SECOND) -> EndDeviceControl:
        for _ in range(600):
            found = self.of(control)
            if found.state in FINAL:
                return found
            self.execute()
            self.street.later(step)
        raise AssertionError(f"{self.of(control)} never ends")

    def of(self, control: EndDeviceControl) -> EndDeviceControl:
        return self.street.store.controls.control(SYSTEM, control.id)

    @property
    def moves(self) -> int:
        return sum(entry.kind in MOVES for entry in self.meter.log())

    def settle(self, name: str, control: EndDeviceControl) -> EndDeviceControl:
        """Check what must hold at the end of every drill, and write its row."""
        store = self.street.store
        end = self.of(control)
        steps = [step.state for step in store.controls.steps(SYSTEM, control.id)]
        if ControlState.SENT in steps or ControlState.CONFIRMED in steps:
            assert end.approved_by not in ("", end.requested_by)
            assert steps.index(ControlState.APPROVED) < steps.index(ControlState.SENT)
        if end.state is ControlState.CONFIRMED:
            assert self.meter.reported_relay() is TARGET[end.command]
            assert "read back" in end.evidence
        store.audit.verify(SYSTEM)
        TABLE.append((name, end.state, self.meter.relay, str(self.moves), str(end.attempts), end.evidence))
        return end


@pytest.fixture
def drill(tmp_path: Path) -> Iterator[Drill]:
    path = tmp_path / "gridwright.db"
    street = open_street(path)
    try:
        yield Drill(street, street.serve("M-1", "UP-1"), path)
    finally:
        street.server.stop()
        street.store.close()


@pytest.fixture(scope="module", autouse=True)
def _print_table() -> Iterator[None]:
    yield
    header = ("drill", "record", "relay", "moves", "sent", "evidence")
    widths = [max(len(row[column]) for row in (header, *TABLE)) for column in range(5)]
    for row in (header, *TABLE):
        cells = [cell.ljust(width) for cell, width in zip(row, (*widths, 0), strict=True)]
        sys.stdout.write("\n" + "  ".join(cells).rstrip())
    sys.stdout.write("\n")


# --- as it should be --------------------------------------------------------------------------------------------------


def test_disconnect_and_reconnect(drill: Drill) -> None:
    control = drill.approve(drill.request())
    assert drill.execute().confirmed == 1
    end = drill.settle("disconnect", control)
    assert (end.state, drill.meter.relay, drill.moves) == (ControlState.CONFIRMED, RelayState.DISCONNECTED, 1)
    steps = drill.street.store.controls.steps(SYSTEM, control.id)
    assert [step.state for step in steps] == ["requested", "approved", "armed", "sent", "confirmed"]
    assert [step.actor for step in steps] == ["ann", "bob", "gridwright", "gridwright", "gridwright"]
    drill.street.later(SECOND)
    back = drill.approve(drill.request(Command.RECONNECT))
    drill.execute()
    assert drill.settle("reconnect", back).state is ControlState.CONFIRMED
    assert drill.meter.relay is RelayState.CONNECTED
    types = [event.type for event in drill.street.store.devices.events(SYSTEM, point="UP-1")]
    assert sorted(types) == ["3.31.0.18", "3.31.0.23", "3.31.0.42", "3.31.0.68"]


# --- kill -9 ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", PLACES)
def test_the_executor_is_killed(drill: Drill, place: str) -> None:
    control = drill.approve(drill.request())
    assert drill.execute_and_die(place) == -signal.SIGKILL
    states = {
        PLACES[0]: ControlState.APPROVED,
        PLACES[1]: ControlState.ARMED,
        PLACES[2]: ControlState.SENT,
        PLACES[3]: ControlState.SENT,
        PLACES[4]: ControlState.SENT,
    }
    assert drill.of(control).state is states[place]
    assert drill.moves == (1 if place in PLACES[3:] else 0)
    end = drill.until_final(control)
    assert drill.settle(f"killed {place}", control).state is ControlState.CONFIRMED
    assert drill.moves == 1, "not sent again where it had been carried out"
    assert end.attempts == (2 if place == PLACES[2] else 1)


def test_killed_again_and_again(drill: Drill) -> None:
    control = drill.approve(drill.request())
    for place in PLACES[::-1] if SHORT else (*PLACES, *PLACES[::-1]):
        drill.execute_and_die(place)
        drill.street.later(31 * SECOND)
    drill.until_final(control)
    assert drill.settle("killed again and again", control).state is ControlState.CONFIRMED
    assert drill.moves == 1


def test_killed_between_send_and_confirm_and_then_silent_for_good(drill: Drill) -> None:
    control = drill.approve(drill.request())
    drill.execute_and_die("between send and confirm")
    drill.fall_silent()
    drill.until_final(control, 10 * MINUTE)
    end = drill.settle("killed after sending, then silent", control)
    assert end.state is ControlState.EXPIRED
    assert "state unknown" in end.evidence


# --- who may ----------------------------------------------------------------------------------------------------------


def test_nobody_approves(drill: Drill) -> None:
    control = drill.request()
    for _ in range(5):
        assert drill.execute().looked_at == 0
        drill.street.later(MINUTE)
    assert drill.of(control).state is ControlState.REQUESTED
    drill.street.later(2 * HOUR)
    assert drill.execute().expired == 1
    assert drill.settle("approval missing", control).state is ControlState.EXPIRED
    assert drill.moves == 0


def test_the_requester_approves_through_another_key(drill: Drill) -> None:
    store, now = drill.street.store, drill.street.now
    store.identities.save_user(SYSTEM, User("ann", Role.OPERATOR))
    tokens = [store.identities.create_key(SYSTEM, "ann", label=label)[1] for label in ("desk", "phone")]
    desk, phone = (store.identities.access_of(token, now) for token in tokens)
    control = drill.request(by=desk)
    with pytest.raises(ControlRefused, match="ann asked for"):
        drill.approve(control, phone)
    drill.execute()
    assert drill.settle("requester approves", control).state is ControlState.REQUESTED
    assert drill.moves == 0


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ANALYST, Role.BILLER, Role.DEVICE])
def test_a_role_that_may_not_control(drill: Drill, role: Role) -> None:
    control = drill.request()
    with pytest.raises(AccessDenied):
        drill.approve(control, Access("eve", role))
    with pytest.raises(AccessDenied):
        drill.request(by=Access("eve", role))
    with pytest.raises(AccessDenied):
        execute_controls(drill.street.store, Access("eve", role), drill.street.lines, drill.street.clock)
    drill.settle(f"a {role} approves", control)


def test_rejected_after_the_approval(drill: Drill) -> None:
    control = drill.approve(drill.request())
    reject_control(drill.street.store, ANN, control.id, reason="has paid", now=drill.street.now)
    drill.execute()
    end = drill.settle("withdrawn", control)
    assert (end.state, end.evidence) == (ControlState.FAILED, "withdrawn by ann: has paid")
    assert drill.moves == 0


# --- what the guard sees ----------------------------------------------------------------------------------------------


def test_a_control_repeated(drill: Drill) -> None:
    control = drill.approve(drill.request())
    with pytest.raises(ControlRefused, match="still open"):
        drill.request()
    drill.execute()
    with pytest.raises(ControlRefused, match="already is disconnected"):
        drill.request()
    drill.settle("repeated", control)
    assert drill.moves == 1


def test_the_meters_own_log_tells_what_became_of_its_relay(drill: Drill) -> None:
    control = drill.approve(drill.request())
    drill.execute_and_die("between send and confirm")
    drill.fall_silent()
    drill.until_final(control, 10 * MINUTE)
    drill.settle("unknown, until the log is read", control)
    assert drill.preview().relay is None, "nobody can tell"
    drill.fall_silent(silent=False)
    drill.street.collect("M-1")
    assert drill.preview().relay is RelayState.DISCONNECTED, "the meter's log tells what became of the command"
    with pytest.raises(ControlRefused, match="already is disconnected"):
        drill.request()
    drill.street.later(HOUR)
    drill.meter.adopt_relay(RelayState.CONNECTED)
    drill.street.later(MINUTE)
    drill.street.collect("M-1")
    assert drill.preview().relay is RelayState.CONNECTED, "somebody on site was there"
    assert drill.approve(drill.request()).state is ControlState.APPROVED


def test_a_customer_becomes_critical_after_the_approval(drill: Drill) -> None:
    control = drill.approve(drill.request())
    critical = UsagePoint("UP-1", attributes={"life-support": "yes"})
    drill.street.store.registry.save_points(SYSTEM, [critical])
    drill.execute()
    end = drill.settle("critical since the approval", control)
    assert end.state is ControlState.FAILED
    assert "life-support" in end.evidence
    with pytest.raises(ControlRefused, match="critical"):
        drill.request()
    assert drill.moves == 0


def test_a_customer_becomes_critical_while_the_meter_is_silent(drill: Drill) -> None:
    control = drill.approve(drill.request())
    drill.fall_silent()
    drill.execute()
    assert drill.of(control).state is ControlState.ARMED
    drill.street.store.registry.save_points(SYSTEM, [UsagePoint("UP-1", attributes={"critical": "yes"})])
    drill.fall_silent(silent=False)
    drill.execute()
    assert drill.settle("critical while the meter was silent", control).state is ControlState.FAILED
    assert drill.moves == 0


def test_a_device_retired_after_the_approval(drill: Drill) -> None:
    control = drill.approve(drill.request())
    drill.street.store.devices.save_link(SYSTEM, drill.street.link("M-1").to(LinkState.RETIRED))
    drill.execute()
    assert drill.settle("retired since the approval", control).state is ControlState.FAILED
    assert drill.moves == 0


def test_a_town_is_not_disconnected_by_one_key(drill: Drill) -> None:
    store, now = drill.street.store, drill.street.now
    policy = ControlPolicy(mass_limit=3)
    for n in range(2, 6):
        drill.street.serve(f"M-{n}", f"UP-{n}")

    def ask(point: str) -> EndDeviceControl:
        return request_control(
            store,
            ANN,
            usage_point=point,
            command=Command.DISCONNECT,
            reason="r",
            expires=now + HOUR,
            now=now,
            policy=policy,
        )

    kept = [ask(f"UP-{n}") for n in range(2, 5)]
    with pytest.raises(ControlRefused, match="3 disconnects were asked for in 60 minutes"):
        ask("UP-5")
    seen = preview_control(store, ANN, usage_point="UP-5", command=Command.DISCONNECT, now=now, policy=policy)
    assert [refusal.rule for refusal in seen.refusals] == ["too-many"]
    assert seen.disconnects_in_window == 3
    reject_control(store, BOB, kept[0].id, reason="mistake", now=now)
    ask("UP-5")


def test_the_preview_tells_the_present_load(drill: Drill) -> None:
    drill.street.collect()
    now = drill.street.now
    seen = preview_control(drill.street.store, ANN, device="M-1", command=Command.DISCONNECT, now=now)
    newest = drill.street.store.readings.series(SYSTEM, "UP-1")[0].last
    assert seen.usage_point == "UP-1"
    assert seen.reading_at == newest
    assert seen.load_kw is not None
    assert 0.4 <= seen.load_kw <= 0.8
    assert seen.day_kwh is not None
    assert seen.day_kwh > 2
    assert seen.refusals == ()
    assert "would lose supply" in seen.sentence
    assert drill.street.store.controls.find(SYSTEM) == []


# --- what the meter does ----------------------------------------------------------------------------------------------


def test_the_meter_refuses(drill: Drill) -> None:
    drill.meter.faults.refuses_relay = "ER17"
    control = drill.approve(drill.request())
    drill.execute()
    end = drill.settle("meter refuses", control)
    assert end.state is ControlState.FAILED
    assert "ER17" in end.evidence
    assert (drill.meter.relay, drill.moves) == (RelayState.CONNECTED, 0)


LIES: dict[str, tuple[RelayLie, ControlState, Callable[[RelayState], bool]]] = {
    "meter says yes and does nothing": (
        RelayLie.IGNORES,
        ControlState.FAILED,
        lambda relay: relay is RelayState.CONNECTED,
    ),
    "relay moves five minutes late": (
        RelayLie.LATE,
        ControlState.CONFIRMED,
        lambda relay: relay is RelayState.DISCONNECTED,
    ),
    "relay reports five minutes late": (
        RelayLie.REPORTS_LATE,
        ControlState.CONFIRMED,
        lambda relay: relay is RelayState.DISCONNECTED,
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_the_meter_lies(drill: Drill, name: str) -> None:
    lie, state, is_true = LIES[name]
    drill.meter.faults.relay = lie
    control = drill.approve(drill.request())
    drill.execute()
    assert drill.of(control).state is ControlState.SENT, "nothing is believed yet"
    drill.until_final(control)
    assert drill.settle(name, control).state is state
    drill.street.later(HOUR)
    assert is_true(drill.meter.relay), "and nothing moves afterwards"


def test_a_meter_that_only_claims_to_have_moved_is_found_out_by_its_counter(drill: Drill) -> None:
    drill.meter.faults.relay = RelayLie.SAYS_DONE
    control = drill.approve(drill.request())
    drill.execute()
    assert drill.of(control).state is ControlState.CONFIRMED, "by the meter's own word"
    drill.street.later(HOUR)
    drill.street.collect("M-1")
    (event, *_) = drill.street.store.devices.events(SYSTEM, point="UP-1")
    assert event.type == "3.31.0.85"
    assert "were delivered after the relay was read back as disconnected" in event.text
    assert "were delivered" in drill.street.link("M-1").problem
    drill.settle("claims to have moved, counts on", control)


def test_a_meter_with_a_button(drill: Drill) -> None:
    meter = drill.street.serve("M-8", "UP-8", needs_button=True)
    meter.adopt_relay(RelayState.DISCONNECTED)
    now = drill.street.now
    control = request_control(
        drill.street.store,
        ANN,
        device="M-8",
        command=Command.RECONNECT,
        reason="paid",
        expires=now + 2 * HOUR,
        now=now,
    )
    drill.approve(control)
    for _ in range(4):
        drill.execute()
        drill.street.later(10 * MINUTE)
    assert drill.of(control).state is ControlState.SENT
    assert meter.press_button()
    drill.execute()
    drill.meter = meter
    end = drill.settle("customer presses the button", control)
    assert (end.state, end.attempts, meter.relay) == (ControlState.CONFIRMED, 1, RelayState.CONNECTED)


def test_silent_before_anything_was_sent(drill: Drill) -> None:
    control = drill.approve(drill.request())
    drill.fall_silent()
    drill.execute()
    assert drill.of(control).state is ControlState.ARMED
    drill.until_final(control, 10 * MINUTE)
    end = drill.settle("silent from the start", control)
    assert end.state is ControlState.EXPIRED
    assert end.evidence.startswith("expired before it was sent")
    assert (drill.moves, end.attempts) == (0, 0)


def test_silent_before_and_back_in_time(drill: Drill) -> None:
    control = drill.approve(drill.request())
    drill.fall_silent()
    pace: Pace = {}
    rounds = 0
    for _ in range(12 * 20):
        rounds += drill.execute(pace=pace).looked_at
        drill.street.later(5 * SECOND)
    assert 20 <= rounds <= 30, "a silent meter is called ever more rarely, at least once a minute"
    drill.fall_silent(silent=False)
    drill.until_final(control)
    assert drill.settle("silent for 20 minutes, then back", control).state is ControlState.CONFIRMED


@pytest.mark.parametrize(("back", "state"), [(True, ControlState.CONFIRMED), (False, ControlState.EXPIRED)])
def test_silent_after_the_command(drill: Drill, back: bool, state: ControlState) -> None:
    control = drill.approve(drill.request())
    obey = drill.meter.obey

    def obey_and_fall_silent(order: object) -> None:
        obey(order)  # type: ignore[arg-type]
        drill.fall_silent()

    drill.meter.obey = obey_and_fall_silent  # type: ignore[method-assign]
    drill.execute()
    drill.street.later(HOUR)
    drill.execute()
    assert drill.of(control).state is ControlState.SENT, "moved, but nobody has proof"
    drill.fall_silent(silent=not back)
    drill.until_final(control, 10 * MINUTE)
    end = drill.settle(f"silent after the command, {'back' if back else 'for good'}", control)
    assert (end.state, drill.moves) == (state, 1)
    if not back:
        assert "state unknown" in end.evidence
        (event, *_) = drill.street.store.devices.events(SYSTEM, point="UP-1")
        assert event.type == "3.31.0.85"
        assert "state unknown" in event.text


def test_another_meter_at_the_address(drill: Drill) -> None:
    control = drill.approve(drill.request())
    drill.meter.faults.wrong_serial = "M-9"
    drill.until_final(control, 10 * MINUTE)
    end = drill.settle("another meter answers", control)
    assert end.state in (ControlState.FAILED, ControlState.EXPIRED)
    assert (drill.moves, end.attempts) == (0, 0)


def test_somebody_on_site_was_faster(drill: Drill) -> None:
    control = drill.approve(drill.request())
    drill.meter.adopt_relay(RelayState.DISCONNECTED)
    drill.execute()
    end = drill.settle("already so", control)
    assert (end.state, end.evidence) == (
        ControlState.FAILED,
        "the relay already was disconnected; nothing was sent",
    )


def test_approved_too_late(drill: Drill) -> None:
    control = drill.request(hours=1)
    drill.street.later(HOUR)
    with pytest.raises(ControlRefused, match="expired"):
        drill.approve(control)
    assert drill.settle("approved too late", control).state is ControlState.EXPIRED


def test_expired_between_approval_and_execution(drill: Drill) -> None:
    control = drill.approve(drill.request(hours=1))
    drill.street.later(HOUR)
    drill.execute()
    assert drill.settle("executed too late", control).state is ControlState.EXPIRED
    assert drill.moves == 0


def test_many_executors_at_once_send_once(drill: Drill) -> None:
    control = drill.approve(drill.request())
    threads = [threading.Thread(target=drill.execute) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    drill.until_final(control)
    end = drill.settle("six executors at once", control)
    assert (end.state, end.attempts, drill.moves) == (ControlState.CONFIRMED, 1, 1)
