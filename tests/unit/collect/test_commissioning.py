"""Commissioning goes step by step, stops where something is wrong, and goes on from there."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from gridwright.collect import CommissionPolicy, commission
from gridwright.collect.commissioning import Bench
from gridwright.domain.device import DeviceLink, LinkState
from tests.unit.collect.fake_device import NOW, FakeDevice, line_to

NEW = DeviceLink("M-1", "generic", "tcp://h:1/M-1")
REGISTERED, DISCOVERED, CLOCKED, ABLE, SERVING = tuple(LinkState)[:5]


class Died(BaseException):
    """The process ends here."""


def run(
    device: FakeDevice, link: DeviceLink = NEW, policy: CommissionPolicy | None = None, *, dies_after: int = 99
) -> list[DeviceLink]:
    """Commission, and return every link that became durable."""
    kept: list[DeviceLink] = []

    def keep(step: DeviceLink) -> None:
        kept.append(step)
        if len(kept) == dies_after:
            raise Died

    bench = Bench(line_to(device), lambda: NOW, keep)
    try:
        result = asyncio.run(commission(link, bench, policy or CommissionPolicy()))
    except Died:
        return kept
    assert result == (kept[-1] if kept else link)
    return kept


def test_each_step_is_durable_before_the_next() -> None:
    steps = run(FakeDevice())
    assert [link.state for link in steps] == [DISCOVERED, CLOCKED, ABLE, SERVING]
    assert steps[-1].capabilities["profile_interval_s"] == "900"
    assert steps[-1].last_contact == NOW
    assert steps[-1].problem == ""


@pytest.mark.parametrize("dies_after", [1, 2, 3])
def test_after_a_crash_it_goes_on_where_it_was(dies_after: int) -> None:
    before = run(FakeDevice(), dies_after=dies_after)
    after = run(device := FakeDevice(), before[-1])
    assert [link.state for link in (*before, *after)] == [DISCOVERED, CLOCKED, ABLE, SERVING]
    assert device.asked[:2] == ["call", "identify"], "who answers is asked again"


@pytest.mark.parametrize(
    ("silent_at", "state"),
    [
        ("call", REGISTERED),
        ("identify", REGISTERED),
        ("clock", DISCOVERED),
        ("capabilities", CLOCKED),
        ("registers", ABLE),
    ],
)
def test_a_step_that_fails_keeps_those_before_it(silent_at: str, state: LinkState) -> None:
    stopped = run(FakeDevice(silent_at=silent_at))[-1]
    assert stopped.state is state
    assert stopped.failures == 1
    assert stopped.problem
    done = run(FakeDevice(), stopped)[-1]
    assert (done.state, done.problem, done.failures) == (SERVING, "", 0)


def test_another_serial_number_is_refused() -> None:
    stopped = run(FakeDevice(serial="M-2"))[-1]
    assert stopped.state is REGISTERED
    assert "device 'M-2' answers" in stopped.problem
    assert "what helps: correct the address" in stopped.problem


def test_a_device_half_way_that_was_swapped_is_refused() -> None:
    half = run(FakeDevice(), dies_after=2)[-1]
    stopped = run(FakeDevice(serial="M-2"), half)[-1]
    assert stopped.state is CLOCKED
    assert "M-2" in stopped.problem


@pytest.mark.parametrize(
    ("drift_s", "policy", "words", "sets"),
    [
        (29, CommissionPolicy(), "", False),
        (-29, CommissionPolicy(), "", False),
        (31, CommissionPolicy(), "", True),
        (-86_400, CommissionPolicy(), "", True),
        (31, CommissionPolicy(set_clock=False), "31 s ahead; at most 30 s are allowed (what helps: commission", False),
        (200_000, CommissionPolicy(), "200000 s ahead: its battery may be empty", False),
        (-200_000, CommissionPolicy(), "200000 s behind: its battery may be empty", False),
        (200_000, CommissionPolicy(set_any_clock=True), "", True),
    ],
)
def test_the_clock(drift_s: int, policy: CommissionPolicy, words: str, sets: bool) -> None:
    device = FakeDevice(drift=timedelta(seconds=drift_s))
    link = run(device, policy=policy)[-1]
    assert ("set_clock" in device.asked) is sets
    assert words in link.problem
    assert link.state is (DISCOVERED if words else SERVING)
    assert link.clock_drift_s == (0 if sets else drift_s)


def test_a_clock_that_does_not_take_its_time() -> None:
    link = run(FakeDevice(drift=timedelta(minutes=5), keeps_clock=True))[-1]
    assert (link.state, link.clock_drift_s) == (DISCOVERED, 300)
    assert "still is 300 s ahead" in link.problem


def test_a_clock_that_cannot_be_set() -> None:
    link = run(FakeDevice(drift=timedelta(minutes=5), refuses_clock=True))[-1]
    assert (link.state, link.problem) == (DISCOVERED, "ERROR 3")


@pytest.mark.parametrize(
    ("able", "words"),
    [
        ({"profile_interval_s": "700"}, "does not divide a day"),
        ({"profile_interval_s": "often"}, "does not divide a day"),
        ({"profile_interval_s": "0"}, "neither a profile nor a register"),
        ({}, "neither a profile nor a register"),
    ],
)
def test_capabilities_that_make_no_sense(able: dict[str, str], words: str) -> None:
    link = run(FakeDevice(able=able))[-1]
    assert link.state is CLOCKED
    assert words in link.problem


@pytest.mark.parametrize("state", [SERVING, LinkState.RETIRED])
def test_what_is_done_is_left_alone(state: LinkState) -> None:
    device = FakeDevice()
    assert run(device, DeviceLink("M-1", "generic", "tcp://h:1/M-1", state)) == []
    assert device.asked == []
