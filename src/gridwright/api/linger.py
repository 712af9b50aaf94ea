"""Answers given before a body has wholly come: the rest is read and let go, else the client never sees them."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from gridwright.api.answer import Answer, Message, Receive, Scope, Send

EARLY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_ENTITY_TOO_LARGE})
# So long in all, as nginx does, and so long for the next piece.
LINGER_S, IDLE_S = 30.0, 2.0


class Incoming:
    """What comes of a request's body; it is known whether its end has come, or the client has gone."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        self.ended = self._begun = False
        self._asks_first = any(name == b"expect" for name, _ in scope["headers"])

    async def __call__(self) -> Message:
        """Return the next message, as the server's own does."""
        message = await self._receive()
        self._begun = True
        self.ended = not message.get("more_body") or message["type"] != "http.request"
        return message

    @property
    def goes_on(self) -> bool:
        """Tell whether more of the body is on its way; who asks before it sends one (100-continue) sends none."""
        return not self.ended and (self._begun or not self._asks_first)


async def send_answer(
    answer: Answer, incoming: Incoming, send: Send, *, secure: bool, waits_s: tuple[float, float] = (LINGER_S, IDLE_S)
) -> None:
    """Send an answer; behind one that refuses a body on its way, let go what still comes before the line is closed.

    A connection that is closed with data unread is reset, which takes the answer from a client that sends first and
    reads then: it would see a broken line in place of 429 and `Retry-After`. Nothing of what comes is kept.
    """
    if answer.status not in EARLY or not incoming.goes_on:
        await answer.send(send, secure=secure)
        return
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.head(secure=secure)})
    await send({"type": "http.response.body", "body": answer.body, "more_body": True})
    await _let_go(incoming, *waits_s)
    await send({"type": "http.response.body", "body": b""})


async def _let_go(incoming: Incoming, linger_s: float, idle_s: float) -> None:
    try:
        async with asyncio.timeout(linger_s):
            while not incoming.ended:
                async with asyncio.timeout(idle_s):
                    await incoming()
    except TimeoutError:
        return
