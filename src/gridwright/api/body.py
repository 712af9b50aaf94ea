"""The body of a request, read with a bound on its size, its time and what it unpacks to."""

from __future__ import annotations

import asyncio
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from gridwright.api.answer import Receive, Refused, Scope, refuse

READ_S = 60.0  # a client that takes longer to send its body is let go
# Of a body larger than FREE a sixteenth more must come within STILL_S: one that comes evenly always does in READ_S.
STILL_S, FREE, PART = 10.0, 64 * 1024, 16
HELD = 256 * 1024 * 1024  # bytes of bodies that may be in memory at once
PIECE = 1 << 20
SMALL = 128 * 1024  # of a packed body that is unpacked sooner than a thread is woken
CLOSE = {"Connection": "close"}


class ClientGone(Exception):
    """The client hung up in mid-request: nothing of it is taken, and nobody is there to answer."""


class Bodies:
    """Reads bodies; together those that are being worked on stay below HELD bytes.

    A body holds what has come of it, and nothing for what was only announced.
    """

    def __init__(self, held: int = HELD, read_s: float = READ_S, still_s: float = STILL_S) -> None:
        self._room, self._read_s, self._still_s = held, read_s, still_s
        self._lock = threading.Lock()  # what is large is unpacked beside the event loop

    @contextmanager
    def room_for(self, scope: Scope, limit: int) -> Iterator[Room]:
        """Hold room for the body while it is worked on; Refused with 413 or 429 where it would not fit now."""
        told = _told_length(scope)
        if told is not None and told > limit:
            raise too_large(limit)
        if told is not None and not self.has_room(told):
            raise no_room()
        room = Room(self)
        try:
            yield room
        finally:
            room.close()

    def has_room(self, size: int) -> bool:
        """Tell whether a body of a size would fit now; nothing is held for it."""
        with self._lock:
            return size <= self._room

    def take_room(self, size: int) -> bool:
        """Hold room for a body until it is given back; False where there is none."""
        with self._lock:
            if size > self._room:
                return False
            self._room -= size
            return True

    def give_back(self, size: int) -> None:
        """Let go of room that was taken."""
        with self._lock:
            self._room += size

    async def read(self, scope: Scope, receive: Receive, limit: int, room: Room) -> bytes:
        """Return the body, unpacked; Refused with 408, 413, 415 or 429, ClientGone when the client hangs up."""
        encoding = header(scope, b"content-encoding").lower()
        if encoding not in {"", "identity", "gzip", "x-gzip"}:
            raise refuse(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"the content encoding {encoding!r} is not known",
                remedy="send the body plain or as gzip",
                headers={"Accept-Encoding": "gzip, identity"},
            )
        try:
            async with asyncio.timeout(self._read_s) as deadline:
                body = await _read_all(receive, limit, room, Pace(deadline, self._still_s))
        except TimeoutError:
            raise refuse(
                HTTPStatus.REQUEST_TIMEOUT,
                "the body did not arrive in time",
                remedy="send it again, in smaller batches where the line is slow",
                headers=CLOSE,
            ) from None
        if encoding in {"gzip", "x-gzip"}:
            unpacked = unpack_small(body, limit)
            if unpacked is None:
                return await asyncio.to_thread(unpack, body, limit, room)
            room.cover(len(unpacked))
            return unpacked
        return body


class Room:
    """What one body takes of the memory for bodies: what has come of it, or what it unpacks to."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies, self._held, self._closed = bodies, 0, False
        self._lock = threading.Lock()

    def cover(self, size: int) -> None:
        """Hold room for so many bytes in all; Refused with 429 where there is none, or nobody waits any more."""
        with self._lock:
            more = size - self._held
            if more <= 0:
                return
            if self._closed or not self._bodies.take_room(more):
                raise no_room()
            self._held = size

    def close(self) -> None:
        """Give back all of it; a thread that still unpacks gets no more."""
        with self._lock:
            self._closed = True
            self._bodies.give_back(self._held)
            self._held = 0


class Pace:
    """Moves the deadline of a body that grows: one that stops halfway holds its room no longer than it must."""

    def __init__(self, deadline: asyncio.Timeout, still_s: float) -> None:
        self._deadline, self._still_s = deadline, still_s
        self._until, self._more = deadline.when() or 0.0, FREE + 1

    def came(self, size: int) -> None:
        """Take note of how much has come."""
        if size >= self._more:
            self._more = size + size // PART
            now = asyncio.get_running_loop().time()
            self._deadline.reschedule(min(self._until, now + self._still_s))


def no_room() -> Refused:
    """Return the refusal of a body for which there is no memory now."""
    return refuse(
        HTTPStatus.TOO_MANY_REQUESTS,
        "too many large bodies are being worked on",
        remedy="send it again in a moment, or in smaller batches",
        headers={"Retry-After": "2", **CLOSE},
    )


def too_large(limit: int, what: str = "the body") -> Refused:
    """Return the refusal of a body over the limit."""
    size = f"{limit // (1 << 20)} MiB" if limit >= 1 << 20 else f"{limit // 1024} KiB"
    return refuse(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"{what} is larger than {size}",
        remedy="send it in several requests",
        headers=CLOSE,
        limit_bytes=limit,
    )


def too_many(limit: int, what: str = "records") -> Refused:
    """Return the refusal of a body with more records than may be in memory at once."""
    return refuse(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"there are more than {limit:,} {what}",
        remedy="send them in several requests",
        limit_records=limit,
    )


async def _read_all(receive: Receive, limit: int, room: Room, pace: Pace) -> bytes:
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
        if len(body) > limit:
            raise too_large(limit)
        room.cover(len(body))
        return body
    pieces, size = [], 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientGone
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > limit:
            raise too_large(limit)
        room.cover(size)
        if not message.get("more_body"):
            return b"".join(pieces)
        pace.came(size)
        message = await receive()


def unpack_small(body: bytes, limit: int) -> bytes | None:
    """Unpack gzip that is small, packed and unpacked, and sound; None for all else, which `unpack` looks at."""
    if len(body) > SMALL:
        return None
    packed = zlib.decompressobj(wbits=31)
    try:
        whole = packed.decompress(body, min(limit, PIECE))
    except zlib.error:
        return None
    return whole if packed.eof and not packed.unused_data else None


def unpack(body: bytes, limit: int, room: Room) -> bytes:
    """Unpack gzip (several members too) without ever holding more than the limit; Refused where that is passed."""
    out, size = [], 0
    try:
        while body:
            packed = zlib.decompressobj(wbits=31)
            while not packed.eof:
                piece = packed.decompress(body, PIECE)
                body = packed.unconsumed_tail
                if not piece and not body and not packed.eof:
                    raise damaged("it ends too early")
                out.append(piece)
                size += len(piece)
                if size > limit:
                    raise too_large(limit)
                room.cover(size)
            body = packed.unused_data
    except zlib.error as error:
        raise damaged(str(error)) from error
    return b"".join(out)


def damaged(reason: str) -> Refused:
    """Return the refusal of a body that cannot be unpacked."""
    return refuse(400, f"the body is not sound gzip ({reason})", remedy="pack it again, or send it plain")


def header(scope: Scope, name: bytes) -> str:
    """Return a header of the request, empty when it is not there."""
    for key, value in scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text.strip()
    return ""


def _told_length(scope: Scope) -> int | None:
    text = header(scope, b"content-length")
    return int(text) if text.isdigit() else None
