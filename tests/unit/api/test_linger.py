"""An answer that comes before the whole body: what still comes is let go before the line is closed, within bounds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest

from gridwright.api.answer import Answer, Message
from gridwright.api.linger import Incoming, send_answer

FULL = Answer(429, b"later", headers=((b"retry-after", b"2"), (b"connection", b"close")))
ENDS, MORE = {"type": "http.request", "body": b"x"}, {"type": "http.request", "body": b"x", "more_body": True}
GONE = {"type": "http.disconnect"}


class Line:
    """A client's line: what it sends, and what happened in which order."""

    def __init__(self, comes: Sequence[Message]) -> None:
        self.comes, self.log = list(comes), list[str]()

    async def receive(self) -> Message:
        if not self.comes:
            await asyncio.sleep(3600)
        self.log.append("read")
        return self.comes.pop(0)

    async def send(self, message: Message) -> None:
        ends = message["type"] == "http.response.body" and not message.get("more_body")
        self.log.append("end" if ends else message["type"].rpartition(".")[2])


def answered(
    line: Line,
    answer: Answer = FULL,
    *,
    headers: Sequence[tuple[bytes, bytes]] = (),
    read: int = 0,
    waits_s: tuple[float, float] = (30.0, 2.0),
) -> list[str]:
    async def work() -> None:
        incoming = Incoming({"headers": headers}, line.receive)
        for _ in range(read):
            await incoming()
        await send_answer(answer, incoming, line.send, secure=False, waits_s=waits_s)

    asyncio.run(work())
    return line.log


def test_the_answer_goes_out_first_and_the_rest_is_let_go_before_the_end() -> None:
    assert answered(Line([MORE, MORE, ENDS])) == ["start", "body", "read", "read", "read", "end"]
    assert answered(Line([MORE, MORE, ENDS]), read=1) == ["read", "start", "body", "read", "read", "end"]


@pytest.mark.parametrize("last", [ENDS, GONE])
def test_nothing_more_is_read_behind_the_end_of_a_body_or_of_its_client(last: Message) -> None:
    assert answered(Line([last]), read=1) == ["read", "start", "end"]
    assert answered(Line([MORE, last])) == ["start", "body", "read", "read", "end"]


def test_other_answers_wait_for_nothing() -> None:
    assert answered(Line([MORE]), Answer(503, b"", headers=((b"connection", b"close"),))) == ["start", "end"]
    assert answered(Line([MORE]), Answer(200, b"OK")) == ["start", "end"]


def test_who_asks_before_it_sends_a_body_is_not_waited_for() -> None:
    asks = [(b"expect", b"100-continue")]
    assert answered(Line([]), headers=asks) == ["start", "end"]
    assert answered(Line([MORE, ENDS]), headers=asks, read=1) == ["read", "start", "body", "read", "end"]


def test_a_client_that_stops_halfway_or_never_ends_is_let_go() -> None:
    assert answered(Line([MORE]), waits_s=(60.0, 0.02)) == ["start", "body", "read", "end"]

    class Endless(Line):
        async def receive(self) -> Message:
            await asyncio.sleep(0.001)
            return MORE

    began = time.monotonic()
    assert answered(Endless([]), waits_s=(0.05, 60.0)) == ["start", "body", "end"]
    assert time.monotonic() - began < 30
