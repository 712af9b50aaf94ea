"""Approval: a second person and nobody else; what was sent cannot be called back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gridwright.control import approve, reject
from gridwright.domain.access import Access, Role
from gridwright.domain.control import Command, ControlState, EndDeviceControl
from gridwright.domain.errors import AccessDenied, ControlRefused, InputError

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
WANTED = EndDeviceControl(
    "C-1", "M-1", Command.DISCONNECT, "unpaid", "ann", NOW + timedelta(hours=2), usage_point="UP-1"
)
BOB = Access("bob", Role.OPERATOR)


@pytest.mark.parametrize("command", [Command.DISCONNECT, Command.RECONNECT, Command.ARM])
def test_a_second_person_approves(command: Command) -> None:
    approved = approve(replace(WANTED, command=command), BOB, NOW)
    assert (approved.state, approved.approved_by) == (ControlState.APPROVED, "bob")


@pytest.mark.parametrize("command", [Command.DISCONNECT, Command.RECONNECT, Command.ARM])
@pytest.mark.parametrize("role", [Role.OPERATOR, Role.ADMIN])
def test_whoever_asked_cannot_approve(command: Command, role: Role) -> None:
    with pytest.raises(ControlRefused, match="ann asked for control C-1") as caught:
        approve(replace(WANTED, command=command), Access("ann", role), NOW)
    assert "second person" in caught.value.remedy


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ANALYST, Role.BILLER, Role.DEVICE])
def test_only_who_may_control_may_approve_or_reject(role: Role) -> None:
    with pytest.raises(AccessDenied):
        approve(WANTED, Access("bob", role), NOW)
    with pytest.raises(AccessDenied):
        reject(WANTED, Access("bob", role), "no", NOW)


def test_an_operator_of_other_usage_points_may_not() -> None:
    with pytest.raises(AccessDenied):
        approve(WANTED, Access("bob", Role.OPERATOR, frozenset({"UP-2"})), NOW)


def test_after_its_expiry_nothing_is_approved() -> None:
    with pytest.raises(ControlRefused, match="expired"):
        approve(WANTED, BOB, WANTED.expires)


@pytest.mark.parametrize("state", [s for s in ControlState if s is not ControlState.REQUESTED])
def test_only_a_request_is_approved(state: ControlState) -> None:
    with pytest.raises(ControlRefused):
        approve(replace(WANTED, state=state, approved_by="eve"), BOB, NOW)


@pytest.mark.parametrize("state", [ControlState.REQUESTED, ControlState.APPROVED, ControlState.ARMED])
@pytest.mark.parametrize(("who", "words"), [("bob", "rejected by bob: paid"), ("ann", "withdrawn by ann: paid")])
def test_anybody_in_charge_stops_what_was_not_sent(state: ControlState, who: str, words: str) -> None:
    stopped = reject(replace(WANTED, state=state, approved_by="eve"), Access(who, Role.OPERATOR), " paid ", NOW)
    assert (stopped.state, stopped.evidence) == (ControlState.FAILED, words)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (ControlState.SENT, "has been sent"),
        (ControlState.CONFIRMED, "is confirmed"),
        (ControlState.FAILED, "is failed"),
    ],
)
def test_what_was_sent_cannot_be_rejected(state: ControlState, words: str) -> None:
    with pytest.raises(ControlRefused, match=words):
        reject(replace(WANTED, state=state, approved_by="eve"), BOB, "paid", NOW)


def test_a_rejection_says_why() -> None:
    with pytest.raises(InputError, match="reason"):
        reject(WANTED, BOB, " ", NOW)
