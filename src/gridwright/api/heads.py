"""HTTP on a connection, with a bound on how long a head may get and how long it may take: uvicorn has neither."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gridwright.api.answer import problem

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

LARGEST_HEAD = 64 * 1024  # bytes of a request's line and headers, or of the trailers behind a body
HEAD_S = 60.0  # in which a head that has begun must end, and in which the first one must come


class HeadBound(HttpToolsProtocol):
    """A connection that is closed where a head does not end: it would fill the memory, copied anew at each piece."""

    # Bytes since something of a message was understood; how often that was, and how often at the last look.
    _unheard = _heard = _seen = 0
    _looks: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """Begin to look whether heads end."""
        super().connection_made(transport)
        self._looks = self.loop.call_later(HEAD_S, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Look no more."""
        if self._looks is not None:
            self._looks.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what came, and refuse a head that is too long."""
        self._unheard += len(data)
        super().data_received(data)
        if self._unheard > LARGEST_HEAD and not self.transport.is_closing():
            self._refuse()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._understood()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a message; what comes then is the next head."""
        self._understood()
        super().on_message_complete()

    def on_headers_complete(self) -> None:
        """Begin with a request whose head has ended."""
        self._understood()
        super().on_headers_complete()

    def _understood(self) -> None:
        """Take note that a message goes on."""
        self._unheard = 0
        self._heard += 1

    def _look(self) -> None:
        """Hang up where a head, or the first one, was waited for in vain; look again later where not."""
        waits = self._unheard > 0 or not self._heard
        if waits and self._heard == self._seen and not self.transport.is_closing():
            self.transport.close()
            return
        self._seen = self._heard
        self._looks = self.loop.call_later(HEAD_S, self._look)

    def _refuse(self) -> None:
        """Answer that the head is too long, unless another answer is under way, and hang up."""
        under_way: RequestResponseCycle | None = self.cycle
        if under_way is None or under_way.response_complete:
            answer = problem(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                f"the head of the request is longer than {LARGEST_HEAD >> 10} KiB",
                remedy="send fewer or shorter headers",
                headers={"Connection": "close"},
            )
            head = b"".join(b"%s: %s\r\n" % pair for pair in answer.head())
            self.transport.write(b"".join((STATUS_LINE[answer.status], head, b"\r\n", answer.body)))
        self.transport.close()
