"""The judgement of a read-back, and what a consequence says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gridwright.control import Consequence, ControlPolicy
from gridwright.control.consequence import duration
from gridwright.control.judge import Judgement, hopeless, judge
from gridwright.domain.control import Command, ControlState, EndDeviceControl
from gridwright.domain.device import RelayState

SENT = datetime(2026, 11, 25, 12, tzinfo=UTC)
POLICY = ControlPolicy()
HOUR = timedelta(hours=1)
CONTROL = EndDeviceControl(
    "C-1",
    "M-1",
    Command.DISCONNECT,
    "unpaid",
    "ann",
    SENT + HOUR,
    approved_by="bob",
    state=ControlState.SENT,
    attempts=1,
)
ON, OFF, READY = RelayState.CONNECTED, RelayState.DISCONNECTED, RelayState.READY
CUT, JOIN, ARM = Command.DISCONNECT, Command.RECONNECT, Command.ARM


@pytest.mark.parametrize(
    ("command", "relay", "waited_s", "attempts", "judgement"),
    [
        (CUT, OFF, 0, 1, Judgement.CONFIRM),
        (CUT, OFF, 99_999, 3, Judgement.CONFIRM),
        (CUT, ON, 29, 1, Judgement.WAIT),
        (CUT, ON, 30, 1, Judgement.RESEND),
        (CUT, ON, 30, 2, Judgement.RESEND),
        (CUT, ON, 30, 3, Judgement.WAIT),
        (CUT, ON, 599, 3, Judgement.WAIT),
        (CUT, ON, 600, 3, Judgement.FAIL),
        (CUT, ON, 3600, 1, Judgement.FAIL),  # expired: not sent again
        (CUT, READY, 600, 3, Judgement.FAIL),
        (JOIN, ON, 1, 1, Judgement.CONFIRM),
        (JOIN, READY, 3599, 1, Judgement.WAIT),  # the customer's button
        (JOIN, READY, 3600, 1, Judgement.FAIL),
        (JOIN, OFF, 30, 1, Judgement.RESEND),
        (ARM, READY, 1, 1, Judgement.CONFIRM),
        (ARM, OFF, 600, 3, Judgement.FAIL),
    ],
)
def test_judgement(command: Command, relay: RelayState, waited_s: int, attempts: int, judgement: Judgement) -> None:
    control = replace(CONTROL, command=command, attempts=attempts)
    assert judge(control, relay, SENT, SENT + timedelta(seconds=waited_s), POLICY) is judgement


@pytest.mark.parametrize(("waited_s", "judgement"), [(30, Judgement.WAIT), (600, Judgement.FAIL)])
def test_what_the_guard_would_refuse_by_now_is_not_sent_again(waited_s: int, judgement: Judgement) -> None:
    now = SENT + timedelta(seconds=waited_s)
    assert judge(CONTROL, ON, SENT, now, POLICY, free=False) is judgement
    assert judge(CONTROL, OFF, SENT, now, POLICY, free=False) is Judgement.CONFIRM


@pytest.mark.parametrize(("waited", "gone"), [(HOUR - timedelta(seconds=1), False), (HOUR, True)])
def test_a_silent_meter_is_waited_for_until_the_expiry(waited: timedelta, gone: bool) -> None:
    assert hopeless(CONTROL, SENT, SENT + waited, POLICY) is gone


def test_a_command_sent_at_the_last_moment_still_gets_its_time() -> None:
    late = CONTROL.expires - timedelta(seconds=1)
    assert not hopeless(CONTROL, late, CONTROL.expires + timedelta(minutes=9), POLICY)
    assert hopeless(CONTROL, late, CONTROL.expires + timedelta(minutes=10), POLICY)


def test_the_consequence_in_numbers() -> None:
    seen = Consequence(
        CUT,
        "UP-1",
        "M-1",
        "residential",
        critical=False,
        at=SENT,
        load_kw=1.234,
        reading_at=SENT - timedelta(minutes=7),
    )
    assert seen.sentence == (
        "1 residential customer at UP-1 would lose supply through meter M-1. "
        "It draws 1.23 kW by the newest reading, which is 7 min old."
    )
    assert "feeds in 2.00 kW" in replace(seen, load_kw=-2.0).sentence
    assert "CRITICAL" in replace(seen, critical=True).sentence
    assert "no reading" in replace(seen, reading_at=None).sentence


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59, "59 s"), (3600, "1 h"), (3725, "1 h 2 min"), (90_061, "1 d 1 h")]
)
def test_durations_in_words(seconds: int, text: str) -> None:
    assert duration(timedelta(seconds=seconds)) == text
