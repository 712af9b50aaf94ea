"""The guard: every rule refuses what it is for, says why and what helps, and lets the rest go."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gridwright.control import ControlPolicy, Situation, refusals, require_free, require_still_free
from gridwright.control.guard import TO_ARM
from gridwright.domain.control import Command, ControlState, EndDeviceControl
from gridwright.domain.device import DeviceLink, LinkState, RelayState
from gridwright.domain.errors import ControlRefused
from gridwright.domain.usage_point import UsagePoint

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
POLICY = ControlPolicy()
WANTED = EndDeviceControl(
    "C-5", "M-1", Command.DISCONNECT, "unpaid", "ann", NOW + timedelta(hours=2), usage_point="UP-1", requested=NOW
)
LINK = DeviceLink(
    "M-1", "generic", "tcp://h:1/M-1", LinkState.IN_SERVICE, {"relay": "yes"}, last_contact=NOW - timedelta(minutes=9)
)
FREE = Situation(UsagePoint("UP-1", "Europe/Berlin"), LINK, NOW)


def other(state: ControlState, code: str = "C-4") -> EndDeviceControl:
    return replace(WANTED, id=code, state=state, approved_by="bob")


def with_attribute(name: str, value: str) -> Situation:
    return replace(FREE, point=UsagePoint("UP-1", attributes={name: value}))


CASES = {
    "no-relay-command": (replace(WANTED, command=Command.READ), FREE),
    "expired": (replace(WANTED, expires=NOW), FREE),
    "too-long": (replace(WANTED, expires=NOW + timedelta(days=8)), FREE),
    "not-installed": (WANTED, replace(FREE, point=None)),
    "critical": (WANTED, with_attribute("critical", "yes")),
    "no-link": (WANTED, replace(FREE, link=None)),
    "not-in-service": (WANTED, replace(FREE, link=replace(LINK, state=LinkState.CLOCK_CHECKED))),
    "no-relay": (WANTED, replace(FREE, link=replace(LINK, capabilities={"relay": "no"}))),
    "stale": (WANTED, replace(FREE, link=replace(LINK, last_contact=NOW - timedelta(hours=25)))),
    "another-open": (WANTED, replace(FREE, others=[other(ControlState.REQUESTED)])),
    "already-so": (WANTED, replace(FREE, relay=RelayState.DISCONNECTED)),
    "too-many": (WANTED, replace(FREE, disconnects=10)),
}


@pytest.mark.parametrize("rule", CASES)
def test_each_rule_refuses_what_it_is_for(rule: str) -> None:
    control, seen = CASES[rule]
    found = refusals(control, seen, POLICY)
    assert [refusal.rule for refusal in found] == [rule]
    assert found[0].reason
    assert found[0].remedy


def test_what_was_sent_is_waited_for_and_not_to_be_rejected() -> None:
    def remedy(state: ControlState) -> str:
        return refusals(WANTED, replace(FREE, others=[other(state)]), POLICY)[0].remedy

    assert "reject" in remedy(ControlState.ARMED)
    assert "reject" not in remedy(ControlState.SENT)


def test_nothing_against_it() -> None:
    assert refusals(WANTED, FREE, POLICY) == []
    require_free(WANTED, FREE, POLICY)


@pytest.mark.parametrize("name", ["critical", "life-support", "life_support"])
@pytest.mark.parametrize(("value", "refused"), [("yes", True), ("Dialysis", True), (" No ", False), ("", False)])
def test_critical_customers_are_never_disconnected(name: str, value: str, refused: bool) -> None:
    assert bool(refusals(WANTED, with_attribute(name, value), POLICY)) is refused
    reconnect = replace(WANTED, command=Command.RECONNECT)
    assert refusals(reconnect, with_attribute(name, value), POLICY) == []


@pytest.mark.parametrize(("hour", "allowed"), [(6, False), (7, True), (16, True), (17, False)])
def test_hours_are_those_of_the_usage_point(hour: int, allowed: bool) -> None:
    policy = ControlPolicy(hours=(8, 18))  # Berlin is an hour ahead of UTC in November
    now = NOW.replace(hour=hour)
    seen = replace(FREE, now=now, link=replace(LINK, last_contact=now))
    control = replace(WANTED, expires=now + timedelta(hours=1))
    assert (refusals(control, seen, policy) == []) is allowed
    assert refusals(replace(control, command=Command.RECONNECT), seen, policy) == []


def test_a_device_that_never_answered_is_stale() -> None:
    found = refusals(WANTED, replace(FREE, link=replace(LINK, last_contact=None)), POLICY)
    assert "never answered" in found[0].reason


def test_every_reason_is_told_at_once() -> None:
    seen = replace(with_attribute("critical", "yes"), disconnects=99)
    with pytest.raises(ControlRefused) as caught:
        require_free(WANTED, seen, POLICY)
    assert "critical=yes" in caught.value.message
    assert "99 disconnects" in caught.value.message
    assert caught.value.where == "disconnect of UP-1"
    assert "send a person" in caught.value.remedy


@pytest.mark.parametrize(
    ("control", "goes"),
    [
        (other(ControlState.SENT), False),
        (other(ControlState.ARMED), False),
        (other(ControlState.APPROVED), False),
        (other(ControlState.APPROVED, "C-6"), True),
        (other(ControlState.REQUESTED), True),
    ],
)
def test_of_two_approved_controls_the_earlier_goes(control: EndDeviceControl, goes: bool) -> None:
    assert (refusals(WANTED, replace(FREE, others=[control]), POLICY, TO_ARM) == []) is goes


def test_what_came_up_since_the_approval_stops_it() -> None:
    require_still_free(WANTED, FREE, POLICY)
    with pytest.raises(ControlRefused, match="critical"):
        require_still_free(WANTED, with_attribute("life-support", "yes"), POLICY)
