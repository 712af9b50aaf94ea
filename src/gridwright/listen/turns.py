"""One at a time, the one that arrived first before all others, however often it has to come again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from heapq import heappop, heappush


class Turns:
    """Turns of one event loop. asyncio.Lock would let one that failed, and comes again, wait behind all others."""

    def __init__(self) -> None:
        self._taken = False
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    @asynccontextmanager
    async def of(self, number: int) -> AsyncIterator[None]:
        """Wait until it is the turn of a number, and hold it."""
        if self._taken:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heappush(self._waiting, (number, turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._pass_on()
                raise
        self._taken = True
        try:
            yield
        finally:
            self._pass_on()

    def _pass_on(self) -> None:
        """Give the turn to the lowest number that waits for it."""
        while self._waiting:
            _, turn = heappop(self._waiting)
            if not turn.done():
                turn.set_result(None)
                return
        self._taken = False
