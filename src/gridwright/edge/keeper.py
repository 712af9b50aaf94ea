"""Group commit on the edge: requests wait together for one sync of the disk, and are answered when it is done."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import suppress
from http import HTTPStatus

import structlog

from gridwright.api.answer import refuse
from gridwright.domain.errors import GridwrightError, StoreError
from gridwright.edge.buffer import Buffer
from gridwright.edge.drops import Drops

WAITING, WAITING_BYTES = 4_096, 64 << 20
GROUP_BYTES = 8 << 20
GROUPS = 4  # that have room in the buffer at least: many small requests at once must not be too much for it
ENVELOPE = 128 << 10  # bytes that a request's address, query and content type add to its body at most
Waiter = tuple[bytes, "asyncio.Future[None]", asyncio.AbstractEventLoop]


class Keeper:
    """The one thread that appends to the buffer; a request's future is set when it is on the disk, never before."""

    def __init__(self, buffer: Buffer) -> None:
        self._buffer = buffer
        self._drops = Drops(buffer)
        self._queue: deque[Waiter] = deque()
        self._held = 0
        self._most = min(GROUP_BYTES, buffer.bounds.limit // GROUPS)
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)
        self.problem = ""

    def start(self) -> None:
        """Begin to take requests."""
        self._thread.start()

    def stop(self) -> None:
        """Take nothing new, and return when what waits is on the disk or was refused."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()

    @property
    def alive(self) -> bool:
        """Tell whether requests are taken."""
        return self._thread.is_alive() and not self._stopping

    @property
    def largest_body(self) -> int:
        """Bytes of the largest body that the buffer can ever hold."""
        return max(self._buffer.largest - ENVELOPE, 0)

    def put(self, payload: bytes) -> asyncio.Future[None]:
        """Queue a request; Refused with 429 when too many wait, 503 when the edge stops."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        with self._changed:
            full = len(self._queue) >= WAITING or (self._queue and self._held + len(payload) > WAITING_BYTES)
            if full or self._stopping:
                raise refuse(
                    HTTPStatus.TOO_MANY_REQUESTS if full else HTTPStatus.SERVICE_UNAVAILABLE,
                    "more readings wait for the disk than may" if full else "the edge is stopping",
                    remedy="send them again in a moment; nothing of this request was taken",
                    headers={"Retry-After": "1"},
                )
            self._queue.append((payload, done, loop))
            self._held += len(payload)
            self._changed.notify()
        return done

    def _run(self) -> None:
        while group := self._group():
            error = self._kept([payload for payload, _, _ in group])
            # A loop that is closed has nobody left who waits.
            with suppress(RuntimeError):
                group[0][2].call_soon_threadsafe(_settle, group, error)
            self._drops.note()
        self._drops.end()

    def _group(self) -> list[Waiter]:
        group: list[Waiter] = []
        size = 0
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._stopping)
            while self._queue and (not group or size + len(self._queue[0][0]) <= self._most):
                group.append(self._queue.popleft())
                size += len(group[-1][0])
            self._held -= size
        return group

    def _kept(self, payloads: list[bytes]) -> GridwrightError | None:
        """Append a group; returns what the disk or the bound says, which is told in the log when it begins."""
        error: GridwrightError | None = None
        try:
            self._buffer.append(payloads)
        except GridwrightError as found:
            error = found
        except Exception as found:  # noqa: BLE001 - a bug must not end the one thread that takes readings
            structlog.get_logger().exception("keeping failed", error=repr(found))
            error = StoreError("the edge failed at this request", remedy="its log tells what happened")
        problem = "" if error is None else error.message
        if error is not None and not self.problem:
            structlog.get_logger().error("readings are refused", problem=problem, remedy=error.remedy)
        self.problem = problem
        return error


def _settle(group: list[Waiter], error: GridwrightError | None) -> None:
    for _, done, _ in group:
        if done.done():  # its client is gone
            continue
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)
