"""Raw ASGI in front of FastAPI: the two entrances for readings, health, and one log line a request."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import structlog

from gridwright.api.answer import Answer, Asgi, Message, Receive, Scope, Send, answer_to, problem
from gridwright.api.body import ClientGone
from gridwright.api.edge.batches import EdgeBatches, is_path
from gridwright.api.entrance import Entrance
from gridwright.api.entrance_lines import V1, V2, LineEntrance
from gridwright.api.health import Health
from gridwright.api.influx_questions import InfluxQuestions, is_other_question, unanswered
from gridwright.api.linger import Incoming, send_answer

if TYPE_CHECKING:
    from gridwright.api.write.writer import Writer
    from gridwright.app import Platform

Handler = Callable[[Scope, Receive], Awaitable[Answer]]
METER_READING, READINGS = "/meter_reading", "/v1/readings"


class HotPaths:
    """Answers the entrances for readings, InfluxDB's addresses among them, and health itself; all else goes to `app`.

    The writer starts and stops with the server's lifespan: what was acknowledged is durable when it ends.
    """

    def __init__(self, app: Asgi, platform: Platform, writer: Writer) -> None:
        self._app, self._writer = app, writer
        entrance, health = Entrance(platform, writer), Health(platform, writer)
        lines = LineEntrance(platform, entrance)
        self._edges = EdgeBatches(platform, entrance)
        self._handlers: dict[tuple[str, str], Handler] = {
            ("POST", METER_READING): entrance.meter_reading,
            ("POST", READINGS): entrance.readings,
            ("POST", V1): lines.write,
            ("POST", V2): lines.write,
            **InfluxQuestions(lines, platform.clock).handlers,
            **{(method, path): getattr(health, path[1:]) for method in ("GET", "HEAD") for path in HEALTH},
        }
        self._log = structlog.get_logger()
        self._tells = self._log.is_enabled_for(logging.INFO)
        # Where every request has its line in the log, all go the way on which it is written.
        self.quick = None if self._tells else entrance.quick

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass it on."""
        if scope["type"] == "http":
            await self._told(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._app(scope, receive, self._around(send))
        else:
            await self._app(scope, receive, send)

    async def _told(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and write the request's one line where somebody wants to read it."""
        if not self._tells:
            await self._answered(scope, receive, send)
            return
        facts: dict[str, Any] = {"method": scope["method"], "path": scope["path"], "status": None}

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                facts["status"] = int(message["status"])
            await send(message)

        began = time.perf_counter()
        try:
            await self._answered(scope, receive, noting)
        finally:
            client = scope.get("client") or ("",)
            self._log.info("request", client=client[0], seconds=round(time.perf_counter() - began, 4), **facts)

    async def _answered(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = self._handlers.get((scope["method"], scope["path"]))
        if handler is None and scope["method"] == "POST" and is_path(scope):
            handler = self._edges.take
        if handler is None and is_other_question(scope["path"]):
            handler = unanswered
        if handler is None:
            if scope["path"] in {METER_READING, V1, V2}:
                await method_not_allowed("POST").send(send)
            else:
                await self._app(scope, receive, send)
            return
        # Nobody is there any more to be answered when the client is gone.
        with suppress(ClientGone):
            incoming = Incoming(scope, receive)
            answer = await answer_of(handler, scope, incoming)
            await send_answer(answer, incoming, send, secure=scope.get("scheme") == "https")

    def _around(self, send: Send) -> Send:
        """Start the writer before the application says that it is up, and stop it after its end."""

        async def sending(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                self._writer.start()
            elif message["type"].startswith("lifespan.shutdown"):
                await asyncio.to_thread(self._writer.stop)
            await send(message)

        return sending


HEALTH = ("/healthz", "/readyz")


async def answer_of(handler: Handler, scope: Scope, receive: Receive) -> Answer:
    """Return the handler's answer; every failure becomes a problem, one we did not expect a 500 without details."""
    try:
        return await handler(scope, receive)
    except (ClientGone, asyncio.CancelledError):
        raise
    except Exception as error:  # noqa: BLE001 - a request never ends without an answer
        return answer_to(error, scope["path"])


def method_not_allowed(allowed: str) -> Answer:
    """Return the answer to another method than the one there is."""
    return problem(HTTPStatus.METHOD_NOT_ALLOWED, f"only {allowed} is answered here", headers={"Allow": allowed})
