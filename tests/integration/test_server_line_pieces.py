"""Posts of lines come in pieces: collected once their head is known, parsed from the start where that does not do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from gridwright.api import protocol
from gridwright.api.answer import Answer, Receive, Scope, Send
from gridwright.api.body import Bodies
from gridwright.api.protocol import QuickProtocol
from gridwright.api.quick import Post, Quick
from gridwright.api.write.batch import Waiter

ROOM, LONGEST = 1 << 20, 1 << 19
BODY = b"energy,usage_point=UP-1 energy_kwh=0.25 1700000000\n" * 40


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written, self.closing = bytearray(), False

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def get_extra_info(self, name: str) -> None:
        del name

    def resume_reading(self) -> None: ...

    def pause_reading(self) -> None: ...


class Taking(Quick):
    """Takes lines without a server behind, keeps them, and takes nothing while it is told so."""

    def __init__(self) -> None:
        self._posts, self._heads, self._large_heads = {}, {}, {}
        self.large = {"/write": self._lines}
        self.bodies, self.takes = Bodies(ROOM), True
        self.taken, self.parsed = list[bytes](), list[bytes]()
        self.waiting: list[Waiter] = []

    def _lines(self, scope: Scope) -> Post:
        return Post(scope["path"], b"", LONGEST, "", cast("Any", None), cast("Any", None))

    def take(self, post: Post, body: bytes, done: Waiter) -> bool:
        assert post.path == "/write"
        if self.takes:
            self.taken.append(body)
            self.waiting.append(done)
        return self.takes

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what was parsed."""
        del scope
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message["body"], message.get("more_body", False)
        self.parsed.append(body)
        await Answer(204).send(send)


def post(body: bytes = BODY, more: str = "") -> bytes:
    return f"POST /write HTTP/1.1\r\nHost: x\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode() + body


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Taking, QuickProtocol, Wire]]:
    """Connect, and have the head known."""
    quick = Taking()
    app = cast("Any", SimpleNamespace(quick=quick))
    config = Config(app, log_config=None, interface="asgi3")
    config.load()
    config.loaded_app = app
    line, wire = QuickProtocol(config, ServerState(), {}), Wire()
    line.app = cast("Any", quick.app)
    line.connection_made(cast("Any", wire))
    line.data_received(post(b"first"))
    await settled(lambda: quick.parsed == [b"first"] and bool(wire.written))
    quick.parsed.clear()
    wire.written.clear()
    yield quick, line, wire
    line.connection_lost(None)
    assert quick.bodies.take_room(ROOM), "room was not given back"


async def settled(done: Callable[[], bool]) -> None:
    for _ in range(200):
        if done():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come about")


def test_a_known_head_has_its_body_collected_whatever_its_length() -> None:
    async def talk() -> None:
        async with connected() as (quick, line, wire):
            whole = post()
            for cuts in ((), (300,), (200, 1000, len(whole) - 1)):
                for start, end in zip((0, *cuts), (*cuts, len(whole)), strict=True):
                    assert not wire.written
                    line.data_received(whole[start:end])
                assert quick.taken.pop() == BODY
                quick.waiting.pop().set_result(Answer(204))
                assert wire.written.startswith(b"HTTP/1.1 204 ")
                wire.written.clear()
            line.data_received(post(b"shorter"))
            assert quick.taken == [b"shorter"]
            quick.waiting.pop().set_result(Answer(204))
            assert not quick.parsed

    asyncio.run(talk())


@pytest.mark.parametrize("why", ["not taken", "another behind it", "too long", "another head", "no room"])
def test_what_cannot_be_taken_is_parsed_from_the_start(why: str) -> None:
    async def talk() -> None:
        async with connected() as (quick, line, wire):
            quick.takes = why != "not taken"
            body = BODY * (LONGEST // len(BODY) + 1) if why == "too long" else BODY
            whole = post(body, more="X-Other: 1\r\n" if why == "another head" else "")
            if why == "no room":
                assert quick.bodies.take_room(ROOM - len(BODY) + 1)
            behind = post(b"second") if why == "another behind it" else b""
            line.data_received(whole[:500])
            line.data_received(whole[500:] + behind)
            expected = [body, b"second"] if behind else [body]
            await settled(lambda: quick.parsed == expected and wire.written.count(b"HTTP/1.1 204") == len(expected))
            assert not quick.taken
            if why == "no room":
                quick.bodies.give_back(ROOM - len(BODY) + 1)

    asyncio.run(talk())


def test_a_body_that_does_not_end_is_left_to_the_way_with_a_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    async def talk() -> None:
        async with connected() as (quick, line, wire):
            whole = post()
            line.data_received(whole[:500])
            assert not quick.bodies.take_room(ROOM)
            line.shutdown()
            await settled(lambda: line._coming is None)
            line.data_received(whole[500:])
            await settled(lambda: quick.parsed == [BODY] and b"connection: close" in wire.written)
            assert not quick.taken

    monkeypatch.setattr(protocol, "PATIENCE_S", 0.02)
    asyncio.run(talk())


def test_a_client_that_hangs_up_in_the_middle_leaves_nothing_behind() -> None:
    async def talk() -> None:
        async with connected() as (quick, line, _):
            line.data_received(post()[:500])
            line.connection_lost(ConnectionResetError())
            assert quick.bodies.take_room(ROOM)
            quick.bodies.give_back(ROOM)
            assert not quick.taken

    asyncio.run(talk())
