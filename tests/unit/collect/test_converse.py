"""A conversation keeps what came before the line broke, and says what the meter has not got."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from gridwright.collect import Gate, Harvest, ReadOrder, ReadPolicy, converse
from gridwright.collect.converse import absent_of
from gridwright.collect.gate import gateway_of
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import DELIVERED_ENERGY
from tests.unit.collect.fake_device import NOW, QUARTER, FakeDevice, line_to

HOUR = timedelta(hours=1)
DAY = Interval(NOW - 24 * HOUR, NOW)
ORDER = ReadOrder("M-1", ((DELIVERED_ENERGY, DAY),), DAY, registers=True, clock=True)


def talk(device: FakeDevice, order: ReadOrder = ORDER, policy: ReadPolicy | None = None) -> Harvest:
    return asyncio.run(converse(order, line_to(device), lambda: NOW, policy or ReadPolicy()))


def test_everything_that_was_asked_for() -> None:
    got = talk(device := FakeDevice())
    assert device.asked == ["call", "identify", "clock", "registers", "profile", "events"]
    assert (got.error, got.drift_s, got.readings, len(got.events), got.absent) == ("", 0, 97, 1, [])


@pytest.mark.parametrize(
    ("silent_at", "readings", "answered"),
    [("call", 0, False), ("identify", 0, False), ("registers", 0, True), ("profile", 1, True), ("events", 97, True)],
)
def test_what_came_before_the_silence_is_kept(silent_at: str, readings: int, answered: bool) -> None:
    got = talk(FakeDevice(silent_at=silent_at))
    assert got.error
    assert (got.readings, got.answered) == (readings, answered)


def test_nothing_is_taken_from_another_device() -> None:
    got = talk(FakeDevice(serial="M-9"))
    assert got.readings == 0
    assert not got.answered
    assert "device 'M-9' answers instead of 'M-1'" in got.error


def test_what_the_meter_lacks_is_told() -> None:
    hole = Interval(NOW - 5 * HOUR, NOW - 4 * HOUR)
    got = talk(FakeDevice(lacks=(hole,)))
    assert got.absent == [(DELIVERED_ENERGY, hole)]


def test_an_answer_shorter_than_the_question() -> None:
    panel = talk(FakeDevice()).panels[0]
    inner = panel.slice(4, 90)
    assert absent_of(inner, DAY) == [Interval(DAY.start, inner.start), Interval(inner.end, DAY.end)]
    assert absent_of(panel.slice(0, 0), DAY) == [DAY]
    assert panel.interval == QUARTER


@pytest.mark.parametrize(
    ("device", "allowed", "is_set", "words"),
    [
        (FakeDevice(drift=timedelta(seconds=30)), True, False, ""),
        (FakeDevice(drift=timedelta(seconds=95)), True, True, ""),
        (FakeDevice(drift=timedelta(seconds=-95)), False, False, "95 s behind, and setting it is not allowed"),
        (FakeDevice(drift=timedelta(seconds=95), refuses_clock=True), True, False, "cannot be set: ERROR 3"),
    ],
)
def test_the_clock_is_set_where_it_may(device: FakeDevice, allowed: bool, is_set: bool, words: str) -> None:
    got = talk(device, policy=ReadPolicy(set_clock=allowed))
    assert got.clock_set is is_set
    assert words in " ".join(got.notes)
    assert got.readings == 97


def test_an_impossible_clock_ends_it() -> None:
    got = talk(FakeDevice(drift=timedelta(days=3)))
    assert "cannot be dated" in got.error
    assert (got.readings, got.drift_s) == (0, 259_200)


def test_the_gate_keeps_to_its_limits() -> None:
    now: dict[str, int] = {}
    most: dict[str, int] = {}

    async def one(gate: Gate, address: str) -> None:
        async with gate.through(address):
            name = gateway_of(address)
            for key in (name, "all"):
                now[key] = now.get(key, 0) + 1
                most[key] = max(most.get(key, 0), now[key])
            for _ in range(3):
                await asyncio.sleep(0)
            for key in (name, "all"):
                now[key] -= 1

    async def everybody() -> None:
        gate = Gate(together=5, per_gateway=2)
        await asyncio.gather(*(one(gate, f"tcp://g{n % 4}:1/{n}") for n in range(40)))

    asyncio.run(everybody())
    assert most["all"] == 5
    assert {most[f"g{n}:1"] for n in range(4)} <= {1, 2}
    assert gateway_of("serial-port") == "serial-port"
