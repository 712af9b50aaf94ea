"""Data that waits for a birth: in order, bounded, and not for ever."""

from __future__ import annotations

from gridwright.listen.broker import Arrived
from gridwright.listen.held import HOLD_S, Held
from gridwright.protocols.sparkplug import read_topic


def message(number: int) -> Arrived:
    return Arrived("", b"", 1, number, 1, None)  # type: ignore[arg-type]


A, B = read_topic("spBv1.0/plant/DDATA/gateway/A"), read_topic("spBv1.0/plant/DDATA/gateway/B")
NODE = read_topic("spBv1.0/plant/NDEATH/gateway")


def numbers(messages: list[Arrived]) -> list[int]:
    return [one.number for one in messages]


def test_a_birth_releases_what_waits_for_it_in_order() -> None:
    held = Held(10)
    for number, topic in enumerate((A, B, A, B, A)):
        assert held.add(topic, message(number), 0.0) is None
    assert (held.holds(A), len(held)) == (True, 5)
    assert numbers(held.released(A)) == [0, 2, 4]
    assert (held.holds(A), len(held), numbers(held.released(A))) == (False, 2, [])
    assert [(one.group, one.node) for one in held.nodes()] == [("plant", "gateway")]


def test_where_there_are_too_many_the_oldest_goes() -> None:
    held = Held(2)
    held.add(B, message(1), 1.0)
    held.add(A, message(2), 2.0)
    pushed = held.add(A, message(3), 3.0)
    assert pushed is not None
    assert (pushed.number, held.holds(B), numbers(held.released(A))) == (1, False, [2, 3])


def test_nothing_waits_for_ever_nor_for_a_node_that_died() -> None:
    held = Held(10)
    held.add(A, message(1), 0.0)
    held.add(A, message(2), 10.0)
    assert held.overdue(HOLD_S) == []
    assert numbers(held.overdue(HOLD_S + 1)) == [1]
    held.add(B, message(3), 10.0)
    assert sorted(numbers(held.of_node(NODE))) == [2, 3]
    assert len(held) == 0
