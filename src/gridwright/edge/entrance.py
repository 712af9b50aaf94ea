"""The edge's entrances: the same addresses and answers as the centre's, durable on the edge's own disk."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from gridwright.api.answer import Answer, Receive, Refused, Scope, Send, problem_of, refuse
from gridwright.api.asgi import Handler, answer_of, method_not_allowed
from gridwright.api.body import HELD, Bodies, ClientGone, header
from gridwright.api.edge.decode import FAR, PATHS, Decoders, Kept, has_receipt_time
from gridwright.api.entrance import FORM_LIMIT, SMALL, once_of, tell_meter, tell_readings
from gridwright.api.entrance_lines import V1, V2, credential_in, failed_lines, query_of, tell_lines
from gridwright.api.health import OK
from gridwright.api.influx_questions import InfluxQuestions, is_other_question, unanswered
from gridwright.api.ingest.names import Directory, Resolved
from gridwright.api.linger import Incoming, send_answer
from gridwright.api.write.batch import Batch, Once
from gridwright.domain.access import Access, Role
from gridwright.domain.errors import GridwrightError, NotAuthenticated
from gridwright.domain.interval import MICRO, from_epoch_s
from gridwright.edge.entry import to_bytes

if TYPE_CHECKING:
    from gridwright.edge.clock import EdgeClock
    from gridwright.edge.keeper import Keeper
    from gridwright.settings import Settings

MIB = 1 << 20
REMEMBERED = 10_000  # answers by Idempotency-Key, since the edge started
METER_READING = PATHS[0]
FULL_RETRY_S = "30"
NOBODY = Access("device", Role.DEVICE)
HEALTH, READY = "/healthz", "/readyz"
Sender = tuple[bytes, str, str]  # digest of the key that was shown, what else tells devices apart, Idempotency-Key


class EdgeEntrance:
    """The edge as an ASGI application: takes readings, checks their form, keeps them whole, and says that it did.

    `keys`: SHA-256 digests of the keys that devices show; empty = no key is asked for.
    """

    def __init__(self, settings: Settings, keeper: Keeper, clock: EdgeClock, *, keys: Sequence[bytes] = ()) -> None:
        self._keeper, self._clock, self._keys = keeper, clock, keys
        self._decoders = Decoders(settings)
        self._limit = settings.server.max_body_mb * MIB
        self._bodies = Bodies(max(HELD, self._limit))
        self._answers: OrderedDict[Sender, tuple[str, Answer]] = OrderedDict()
        self._under_way: set[Sender] = set()
        self._handlers: dict[tuple[str, str], Handler] = {
            **{("POST", path): self._take for path in PATHS},
            **InfluxQuestions(self, lambda: from_epoch_s(clock.now().wall_us / MICRO)).handlers,
            **{(method, HEALTH): self._healthz for method in ("GET", "HEAD")},
            **{(method, READY): self._readyz for method in ("GET", "HEAD")},
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await _alive(receive, send)
            return
        handler = self._handlers.get((scope["method"], scope["path"]))
        if handler is None:
            handler = unanswered if is_other_question(scope["path"]) else _nothing
        with suppress(ClientGone):
            incoming = Incoming(scope, receive)
            answer = await answer_of(handler, scope, incoming)
            await send_answer(answer, incoming, send, secure=scope.get("scheme") == "https")

    async def _take(self, scope: Scope, receive: Receive) -> Answer:
        """Take readings; lines are answered as InfluxDB does."""
        if scope["path"] not in (V1, V2):
            return await self._taken(scope, receive)
        try:
            return await self._taken(scope, receive)
        except (Refused, GridwrightError) as error:
            return failed_lines(error, scope["path"])

    async def _taken(self, scope: Scope, receive: Receive) -> Answer:
        query = query_of(scope)
        await self.admitted(scope, query)
        limit = min(FORM_LIMIT if scope["path"] == METER_READING else self._limit, self._keeper.largest_body)
        with self._bodies.room_for(scope, limit) as room:
            body = await self._bodies.read(scope, receive, limit, room)
            once = once_of(scope, body)
            if once is None:
                return await self._kept(scope, body)
            return await self._once((*sender_of(scope, query, once), once.key), once, scope, body)

    async def _once(self, whose: Sender, once: Once, scope: Scope, body: bytes) -> Answer:
        """Take a request with an Idempotency-Key: answered again alike, and kept once, as long as the edge runs.

        Each sender has its own: many devices count from 1, and what is refused here may be lost.
        """
        found = self._answers.get(whose)
        if found is not None:
            if found[0] != once.digest:
                raise refuse(
                    HTTPStatus.UNPROCESSABLE_ENTITY,
                    "this Idempotency-Key came with another request before",
                    remedy="use a new key",
                )
            return replace(found[1], headers=((b"idempotent-replayed", b"true"),))
        if whose in self._under_way:
            told, again = "a request with this Idempotency-Key is being worked on", {"Retry-After": "1"}
            raise refuse(HTTPStatus.CONFLICT, told, remedy="wait for its answer, then send it again", headers=again)
        self._under_way.add(whose)
        try:
            answer = await self._kept(scope, body)
        finally:
            self._under_way.discard(whose)
        self._answers[whose] = (once.digest, answer)
        if len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)
        return answer

    async def _kept(self, scope: Scope, body: bytes) -> Answer:
        """Keep a request with anything sound in it, and return what became of its records."""
        query = scope.get("query_string", b"").decode("latin-1")
        kept = Kept(scope["path"], header(scope, b"content-type"), query, body)
        came = self._clock.now()
        if len(body) <= SMALL:
            decoded = self._decoders.decode(kept, FAR)
        else:
            decoded = await asyncio.to_thread(self._decoders.decode, kept, FAR)
        if decoded.verdicts.accepted:
            try:
                await self._keeper.put(to_bytes(kept, came, stamped=has_receipt_time(decoded)))
            except GridwrightError as error:
                answer = problem_of(error)
                again = () if answer.headers else ((b"retry-after", FULL_RETRY_S.encode()),)
                raise Refused(replace(answer, headers=(*answer.headers, *again))) from error
        tell = {METER_READING: tell_meter, V1: tell_lines, V2: tell_lines}.get(scope["path"], tell_readings)
        return tell(Batch(NOBODY, FAR, decoded, Resolved(), Directory(), tell))

    @property
    def ready(self) -> bool:
        """Tell whether readings are taken; the centre may be away meanwhile."""
        return self._keeper.alive and not self._keeper.problem

    async def admitted(self, scope: Scope, query: dict[str, str]) -> None:
        """Return when a device shows one of the keys, or none is asked for; else NotAuthenticated."""
        if not self._keys:
            return
        shown = shown_in(scope, query)
        # All are compared, so that the time tells nothing.
        if not sum(hmac.compare_digest(shown, key) for key in self._keys):
            raise NotAuthenticated("this key opens nothing here", remedy="show one of the keys of the edge's devices")

    async def body(self, scope: Scope, receive: Receive, limit: int) -> bytes:
        """Return the body of a question, within the bounds of all bodies."""
        with self._bodies.room_for(scope, limit) as room:
            return await self._bodies.read(scope, receive, limit, room)

    async def _healthz(self, scope: Scope, receive: Receive) -> Answer:
        """Tell that the process is alive."""
        del receive
        return Answer(HTTPStatus.OK, b"" if scope["method"] == "HEAD" else OK)

    async def _readyz(self, scope: Scope, receive: Receive) -> Answer:
        """Tell whether readings are taken, and what is in the way."""
        del receive
        ready = self.ready
        told = {"status": "ready" if ready else "not ready", "problem": self._keeper.problem}
        body = b"" if scope["method"] == "HEAD" else json.dumps(told).encode()
        return Answer(HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, body)


def shown_in(scope: Scope, query: dict[str, str]) -> bytes:
    """Return the digest of the key that a device shows; NotAuthenticated where it shows none."""
    return hashlib.sha256(credential_in(scope, query).token.encode("utf-8", "surrogatepass")).digest()


def sender_of(scope: Scope, query: dict[str, str], once: Once) -> tuple[bytes, str]:
    """Return what tells a device from others: the key that it shows, and its address; without a key, what it sends."""
    try:
        return shown_in(scope, query), str((scope.get("client") or ("",))[0])
    except NotAuthenticated:
        return b"", once.digest


async def _nothing(scope: Scope, receive: Receive) -> Answer:
    """Refuse an address that an edge does not have."""
    del receive
    if scope["path"] in PATHS:
        return method_not_allowed("POST")
    raise refuse(
        HTTPStatus.NOT_FOUND,
        "there is nothing at this address of an edge",
        remedy=f"send readings to {', '.join(PATHS)}",
    )


async def _alive(receive: Receive, send: Send) -> None:
    """Follow the server's start and end."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
