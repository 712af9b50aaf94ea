"""Heads of requests end, or the connection does."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from gridwright.api.heads import HeadBound

HEAD = b"POST /write HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n"


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.closed = b"", False

    def write(self, data: Any) -> None:  # noqa: ANN401 - as the base has it
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


async def answering(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - an ASGI application
    del scope
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def met(*pieces: bytes, looks: int) -> Wire:
    """Return what became of a connection on which some pieces come, at which is looked then."""
    config = Config(cast("Any", answering), log_config=None)
    config.load()
    wire, connection = Wire(), HeadBound(config, ServerState(), {}, asyncio.get_running_loop())
    connection.connection_made(wire)
    for piece in pieces:
        if not wire.closed:
            connection.data_received(piece)
            await asyncio.sleep(0)
    for _ in range(looks):
        if not wire.closed:
            connection._look()
    closed = wire.closed
    connection.connection_lost(None)
    wire.closed = closed
    return wire


@pytest.mark.parametrize(
    ("pieces", "closed"),
    [
        ((), True),
        ((b"POST /wri",), True),
        ((b"POST /wri", b"te HTTP/1.1\r\n"), True),
        ((HEAD,), False),  # how long a body may take is known to whoever reads it
        ((HEAD, b"a", b"bc"), False),
        ((HEAD + b"abc", HEAD, b"abc"), False),
        ((HEAD + b"abc", b"GET"), True),
    ],
    ids=["nothing", "begun", "slow", "body", "whole", "two", "second"],
)
def test_a_head_that_does_not_end_ends_the_connection(pieces: tuple[bytes, ...], *, closed: bool) -> None:
    assert asyncio.run(met(*pieces, looks=2)).closed is closed


@pytest.mark.parametrize("begin", [b"GET /", b"GET / HTTP/1.1\r\nX: ", HEAD + b"abcGET / HTTP/1.1\r\nX: "])
def test_a_head_that_is_too_long_is_refused(begin: bytes) -> None:
    wire = asyncio.run(met(begin, *[b"a" * 10_000] * 7, looks=0))
    assert wire.closed
    if begin.startswith(b"GET"):
        assert wire.written.startswith(b"HTTP/1.1 431 ")
        assert b"shorter headers" in wire.written
