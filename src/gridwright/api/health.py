"""Health without a key: alive tells that the process answers, ready that it can take readings."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import TYPE_CHECKING

from gridwright.api.answer import Answer, Receive, Scope
from gridwright.domain.errors import GridwrightError

if TYPE_CHECKING:
    from collections.abc import Callable

    from gridwright.api.write.writer import Writer
    from gridwright.app import Platform

ANSWERS_WITHIN_S = 5.0
# What waits for longer is not late, it is stuck: readings are queued, and nobody is answered.
STUCK_S = 60.0
OK = b'{"status":"ok"}'


class Health:
    """Answers `/healthz` and `/readyz`; they tell nothing that a stranger may not know."""

    def __init__(self, platform: Platform, writer: Writer) -> None:
        self._platform, self._writer = platform, writer

    async def healthz(self, scope: Scope, receive: Receive) -> Answer:
        """Tell that the process is alive."""
        del receive
        return Answer(HTTPStatus.OK, b"" if scope["method"] == "HEAD" else OK)

    async def readyz(self, scope: Scope, receive: Receive) -> Answer:
        """Tell whether the store answers, its schema is this program's, and the writer brings readings to the disk.

        A key file that does not open customer data is told, and makes it no less ready: readings need no key, and a
        balancer that took the server away would cost them.
        """
        del receive
        checks = {"store": await self._answers(self._ask), "writer": self._writes()}
        ready = all(checks.values())
        if checks["store"]:
            checks["key"] = await self._answers(self._ask_key)
        told = {
            "status": "ready" if ready else "not ready",
            **{name: "ok" if ok else "failed" for name, ok in checks.items()},
        }
        body = b"" if scope["method"] == "HEAD" else json.dumps(told).encode()
        headers = () if ready else ((b"retry-after", b"2"),)
        return Answer(HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, body, headers=headers)

    def _writes(self) -> bool:
        return self._writer.alive and self._writer.figures().lag_s < STUCK_S

    async def _answers(self, ask: Callable[[], None]) -> bool:
        try:
            async with asyncio.timeout(ANSWERS_WITHIN_S):
                await asyncio.to_thread(ask)
        except (GridwrightError, TimeoutError):
            return False
        return True

    def _ask(self) -> None:
        """Read the newest audit record: the store was opened, so that its schema is current, and answers."""
        self._platform.store.audit.records(self._platform.access, limit=1)

    def _ask_key(self) -> None:
        """Open the data key that seals what names customers, where there is one."""
        self._platform.store.sealed.require_key(self._platform.access)
