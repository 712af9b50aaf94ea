"""HTTP on a connection: uvicorn's protocol, with a shorter way from a small post to its answer.

uvicorn parses, keeps connections alive, and holds pipelined requests back. Only a post whose head is as usual and whose
body came with it, while no other is under way, is taken by `Quick`; everything else becomes an ASGI task as always. A
head that was parsed once, and came alone with its body, is known by its bytes and not parsed again. Lines come in
bodies of many pieces: these are collected here when the head is known, and given to the parser after all, from the
start, when they cannot be taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, cast

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from gridwright.api.answer import Answer
from gridwright.api.heads import HeadBound

if TYPE_CHECKING:
    import asyncio

    from uvicorn._types import ASGI3Application
    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from gridwright.api.answer import Scope
    from gridwright.api.quick import Post, Quick


SEPARATOR, POST = b"\r\n\r\n", b"POST "
LARGE = (b"POST /write", b"POST /api/v2/write")
LONGEST_HEAD = 2048  # bytes; a longer one is parsed each time
PATIENCE_S = 5.0  # after which a body that is still coming is left to the way that knows how long it may take


class Reply:
    """What a batch waits with for its outcome: writes the answer, if the client is still there."""

    __slots__ = ("_cycle", "_post", "_protocol", "_told")

    def __init__(self, protocol: QuickProtocol, cycle: RequestResponseCycle | Brief, post: Post) -> None:
        self._protocol, self._cycle, self._post, self._told = protocol, cycle, post, False

    def done(self) -> bool:
        """Tell whether nobody waits any more."""
        return self._told or self._cycle.disconnected

    def set_result(self, answer: Answer) -> None:
        """Send the answer."""
        if not self.done():
            self._told = True
            self._protocol.answer(self._cycle, answer)

    def set_exception(self, error: Exception) -> None:
        """Send the problem that an error is."""
        self.set_result(self._post.told(error, self._post.path))


class Nobody:
    """Stands where an ASGI task would wait for more of its request."""

    def set(self) -> None:
        """Wake nobody."""


class Brief:
    """A request whose head was known: what uvicorn asks of the one that is under way, and no more."""

    __slots__ = ("disconnected", "keep_alive", "message_event", "response_complete", "response_started")

    def __init__(self) -> None:
        self.disconnected = self.response_started = self.response_complete = False
        self.keep_alive, self.message_event = True, NOBODY


NOBODY = Nobody()


@dataclass(slots=True)
class Coming:
    """A post whose head is known, the pieces of it that have come, and how many bytes are missing (below 0: too many).

    `before`: the request that was answered last; `until`: when the parser gets what has come; `held`: room for it.
    """

    post: Post
    cycle: Brief
    before: RequestResponseCycle | None
    head: int
    pieces: list[bytes]
    missing: int
    held: int = 0
    until: asyncio.TimerHandle | None = None


class QuickProtocol(HeadBound):
    """One connection."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._quick: Quick | None = getattr(config.loaded_app, "quick", None)
        self._in_head = False
        # Between two messages; and the data that is being read, where it began there and may be one request alone.
        self._between, self._whole = True, b""
        # A request whose head was read and whose body has not ended: it waits until this piece of data is read.
        self._held: tuple[RequestResponseCycle, ASGI3Application, Post] | None = None
        self._coming: Coming | None = None
        self._rests_since = 0.0
        # The answer that was written last, its headers at the time, and the bytes they made.
        self._last: tuple[Answer, object, bytes] | None = None

    def data_received(self, data: bytes) -> None:
        """Read what came; a request that is not complete by then goes the long way."""
        if self._coming is not None:
            self._collect(self._coming, data)
            return
        alone = self._between and data.startswith(POST)
        if alone and (self._begun(data) if data.startswith(LARGE) else self._taken(data)):
            self._understood()
            return
        self._whole = data if alone else b""
        super().data_received(data)
        self._whole = b""
        self._release()

    def _taken(self, data: bytes) -> bool:
        """Take a post whose head is known, while nothing else is under way; False, with nothing begun: parse it."""
        under_way: RequestResponseCycle | None = self.cycle
        at = data.find(SEPARATOR, 0, LONGEST_HEAD)
        if at < 0 or self._quick is None or self._is_busy():
            return False
        post, body = self._quick.known(data[:at]), data[at + len(SEPARATOR) :]
        if post is None or post.length != len(body):
            return False
        brief = Brief()
        self.cycle = cast("RequestResponseCycle", brief)
        if self._quick.take(post, body, Reply(self, brief, post)):
            return True
        self.cycle = cast("RequestResponseCycle", under_way)
        return False

    def _is_busy(self) -> bool:
        """Tell whether a request is under way, or the client does not listen."""
        under_way: RequestResponseCycle | None = self.cycle
        busy = under_way is not None and not under_way.response_complete
        return busy or self.flow.write_paused or self.transport.is_closing()

    def _begun(self, data: bytes) -> bool:
        """Begin to collect a post of lines whose head is known, while nothing else is under way; False: parse it."""
        at = data.find(SEPARATOR, 0, LONGEST_HEAD)
        found = None if at < 0 or self._quick is None or self._is_busy() else self._quick.known_large(data[:at])
        if found is None or self._quick is None or not self._quick.bodies.has_room(found[1]):
            return False
        self._unset_keepalive_if_required()
        (post, length), head = found, at + len(SEPARATOR)
        coming = Coming(post, Brief(), self.cycle, head, [], head + length)
        self._coming, self.cycle = coming, cast("RequestResponseCycle", coming.cycle)
        self._collect(coming, data)
        return True

    def _collect(self, coming: Coming, data: bytes) -> None:
        """Take the post when the last piece of it has come, or give all to the parser when it cannot be taken."""
        coming.pieces.append(data)
        coming.missing -= len(data)
        if self._quick is None or not self._quick.bodies.take_room(len(data)):
            self._parse(coming)  # which tells that there is no room
            return
        coming.held += len(data)
        if coming.missing > 0:
            if coming.until is None:
                coming.until = self.loop.call_later(PATIENCE_S, self._parse, coming)
            return
        whole = data if len(coming.pieces) == 1 else b"".join(coming.pieces)
        reply = Reply(self, coming.cycle, coming.post)
        if coming.missing or not self._quick.take(coming.post, whole[coming.head :], reply):
            self._parse(coming)
        else:
            self._forget_coming()

    def _parse(self, coming: Coming) -> None:
        """Give what has come of a post to the parser: it goes the long way."""
        self._forget_coming()
        self.cycle = cast("RequestResponseCycle", coming.before)
        super().data_received(b"".join(coming.pieces))
        self._release()
        if not coming.cycle.keep_alive and self.cycle is not None:  # the server stops meanwhile
            self.cycle.keep_alive = False

    def _forget_coming(self) -> None:
        if self._coming is not None and self._quick is not None:
            self._quick.bodies.give_back(self._coming.held)
            if self._coming.until is not None:
                self._coming.until.cancel()
        self._coming = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of what has come of a post whose client is gone."""
        self._forget_coming()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Note that a message has begun."""
        self._between = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Begin with a request whose head was read."""
        self._in_head = self._quick is not None
        try:
            super().on_headers_complete()
        finally:
            self._in_head = False

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        """Hold a request that may go the short way; start the task of any other."""
        if self._in_head and self._quick is not None and cycle.keep_alive and not self.flow.write_paused:
            post = self._quick.read_head(cast("Scope", cycle.scope))
            if post is not None:
                at = self._whole.find(SEPARATOR, 0, LONGEST_HEAD) if self._quick.is_large(post) else -1
                if at > 0:
                    self._quick.remember_large(self._whole[:at], post)
                self._held = (cycle, app, post)
                return
        super()._start_asgi_task(cycle, app)

    def on_message_complete(self) -> None:
        """Take the held request, for now its body is there."""
        self._between = True
        super().on_message_complete()
        self._whole, whole = b"", self._whole  # what follows in the same data is another message
        if self._held is None or self._quick is None:
            return
        cycle, _, post = self._held
        if self._quick.is_large(post):  # from the next one on its head is known
            self._release()
        elif self._quick.take(post, bytes(cycle.body), Reply(self, cycle, post)):
            cycle.body = bytearray()
            self._held = None
            # What began between two messages and ends with the body of one is that one message.
            at = whole.find(SEPARATOR, 0, LONGEST_HEAD)
            if at > 0 and len(whole) == at + len(SEPARATOR) + post.length:
                self._quick.remember(whole[:at], post)
        else:
            self._release()

    def _release(self) -> None:
        """Let the held request go the long way."""
        if self._held is not None:
            cycle, app, _ = self._held
            self._held = None
            super()._start_asgi_task(cycle, app)

    def answer(self, cycle: RequestResponseCycle | Brief, answer: Answer) -> None:
        """Write a whole answer; a connection on which that fails is dropped, the others are answered."""
        try:
            self._write(cycle, answer)
        except Exception as error:  # noqa: BLE001 - see above
            structlog.get_logger().exception("answering failed", error=repr(error))
            self.transport.abort()

    def _write(self, cycle: RequestResponseCycle | Brief, answer: Answer) -> None:
        says_so = bool(answer.headers) and any(name == b"connection" for name, _ in answer.headers)
        closes = says_so or not cycle.keep_alive
        cycle.response_started = cycle.response_complete = True
        if closes:
            self.transport.write(self._rendered(answer, b"\r\n" if says_so else b"connection: close\r\n\r\n"))
            self.transport.close()
        else:
            self.transport.write(self._rendered_as_last(answer))
        self.on_response_complete()

    def _rendered_as_last(self, answer: Answer) -> bytes:
        """Return the bytes of an answer that leaves the connection open: a meter is told the same each time."""
        headers = self.server_state.default_headers  # another list once a second, for the date
        if self._last is None or self._last[0] is not answer or self._last[1] is not headers:
            self._last = answer, headers, self._rendered(answer, b"\r\n")
        return self._last[2]

    def _rendered(self, answer: Answer, end_of_head: bytes) -> bytes:
        pieces = [STATUS_LINE[answer.status]]
        for name, value in self.server_state.default_headers:
            pieces += (name, b": ", value, b"\r\n")
        pieces.append(
            _rest_of_head(answer.status, answer.media_type, len(answer.body), answer.headers, scheme=self.scheme)
        )
        return b"".join((*pieces, end_of_head, answer.body))

    def on_response_complete(self) -> None:
        """Go on with what waits behind it; else the connection rests, and a timer that runs already is left alone."""
        self._rests_since = self.loop.time()
        if self.timeout_keep_alive_task is None or self.pipeline:
            super().on_response_complete()
        else:
            self.server_state.total_requests += 1
            self.flow.resume_reading()

    def timeout_keep_alive_handler(self) -> None:
        """Hang up where nothing came for so long since the last answer; one timer sees to many requests."""
        self.timeout_keep_alive_task = None
        under_way: RequestResponseCycle | None = self.cycle
        if under_way is not None and not under_way.response_complete:
            return  # its answer begins anew
        left = self._rests_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()


@lru_cache(maxsize=256)
def _rest_of_head(
    status: int, media_type: str, length: int, headers: tuple[tuple[bytes, bytes], ...], *, scheme: str | None
) -> bytes:
    """Return the lines of the head that do not change from second to second."""
    answer = Answer(status, b"\0" * length, media_type, headers)
    return b"".join(b"%s: %s\r\n" % pair for pair in answer.head(secure=scheme == "https"))
