"""The entrances for readings: from a request to a batch, and from what became of it to the answer."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from gridwright.api.answer import JSON, TEXT, Answer, Receive, Scope, problem, refuse
from gridwright.api.authenticate import Credential, credential_of, doorkeeper
from gridwright.api.body import HELD, Bodies, header
from gridwright.api.ingest.arrow import LARGEST, decode_arrow, decode_csv
from gridwright.api.ingest.form import decode_form
from gridwright.api.ingest.json import decode_json, decode_ndjson
from gridwright.api.ingest.meaning import Said
from gridwright.api.ingest.names import Directories, resolve
from gridwright.api.ingest.table import Decoded
from gridwright.api.ingest.verdicts import Verdicts, shown
from gridwright.api.query import query_in
from gridwright.api.quick import Quick
from gridwright.api.write.batch import Batch, Once, Tell
from gridwright.domain.access import Access, Act
from gridwright.domain.errors import Conflict

if TYPE_CHECKING:
    from datetime import datetime

    from gridwright.api.write.writer import Writer
    from gridwright.app import Platform

SMALL = 64 * 1024  # bodies up to this are decoded at once, larger ones beside the event loop
FORM_LIMIT = 64 * 1024
LONGEST_KEY = 200
MIB = 1 << 20
TYPES = {
    "application/json": "json",
    "application/x-ndjson": "ndjson",
    "application/ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "text/csv": "csv",
    "application/vnd.apache.arrow.stream": "stream",
    "application/vnd.apache.arrow.file": "file",
}
Decoder = Callable[[bytes], Awaitable[Decoded]]
QUERY = ("unit", "flow", "reading_type", "quality", "interval_s")


class Entrance:
    """Takes readings of meters and head-ends."""

    def __init__(self, platform: Platform, writer: Writer) -> None:
        self._platform, self._writer = platform, writer
        self._directories = Directories(platform)
        self._interval_s = platform.settings.server.interval_s
        self._limit = platform.settings.server.max_body_mb * MIB
        self._bodies = Bodies(max(HELD, self._limit))
        self._under_way: set[tuple[str, str]] = set()
        self.quick = Quick(platform, writer, self._directories, (tell_meter, tell_readings))
        self.quick.bodies = self._bodies

    async def meter_reading(self, scope: Scope, receive: Receive) -> Answer:
        """Take one register reading of one meter: `OK` when it is durable, 202 when it waits in quarantine."""
        access = await self.admitted(credential_of(scope["headers"], cookies=False))
        with self._bodies.room_for(scope, FORM_LIMIT) as room:
            body = await self._bodies.read(scope, receive, FORM_LIMIT, room)
            decoded = decode_form(body, header(scope, b"content-type"), self._platform.clock())
            return await self._store(scope, access, body, decoded, tell_meter)

    async def readings(self, scope: Scope, receive: Receive) -> Answer:
        """Take many readings in any of the formats, with a verdict on each that was not accepted."""
        access = await self.admitted(credential_of(scope["headers"], cookies=False))
        kind = media_kind(header(scope, b"content-type"))
        defaults = defaults_of(scope, self._interval_s)

        async def records(body: bytes) -> Decoded:
            now = self._platform.clock()
            if len(body) <= SMALL:
                return decode(kind, body, defaults, now, limit=self._limit)
            return await asyncio.to_thread(decode, kind, body, defaults, now, limit=self._limit)

        return await self.taken(scope, receive, access, records, tell_readings)

    async def taken(self, scope: Scope, receive: Receive, access: Access, decode: Decoder, tell: Tell) -> Answer:
        """Read the body, decode it, and return what `tell` makes of it once it is durable."""
        with self._bodies.room_for(scope, self._limit) as room:
            body = await self._bodies.read(scope, receive, self._limit, room)
            return await self._store(scope, access, body, await decode(body), tell)

    async def body(self, scope: Scope, receive: Receive, limit: int) -> bytes:
        """Read a body of another address within the same bounds."""
        with self._bodies.room_for(scope, limit) as room:
            return await self._bodies.read(scope, receive, limit, room)

    async def written(self, access: Access, decoded: Decoded) -> Verdicts:
        """Write what came by another way than HTTP, and return its verdicts once it is durable."""
        await (await self.queued(access, decoded))
        return decoded.verdicts

    async def queued(self, access: Access, decoded: Decoded) -> Awaitable[Answer]:
        """Queue what came by another way than HTTP, and return what is awaited until it is durable.

        Of two that are queued one after the other, the values of the second one count.
        """
        return await self._queued(access, decoded, tell_readings, None)

    @property
    def ready(self) -> bool:
        """Tell whether readings are taken."""
        return self._writer.alive

    async def admitted(self, credential: Credential) -> Access:
        """Return who sends; a page's cookie is not taken here, for another site's form could send it along."""
        keeper = doorkeeper(self._platform)
        access = keeper.remembered(credential)
        if access is None:
            access = await asyncio.to_thread(keeper.ask, credential, self._platform)
        access.require(Act.WRITE_READINGS)
        return access

    async def _store(self, scope: Scope, access: Access, body: bytes, decoded: Decoded, tell: Tell) -> Answer:
        once = once_of(scope, body)
        if once is None:
            return await self._written(access, decoded, tell, None)
        with self._alone(access, once):
            before = await asyncio.to_thread(self._recalled, access, once)
            return before or await self._written(access, decoded, tell, once)

    async def _written(self, access: Access, decoded: Decoded, tell: Tell, once: Once | None) -> Answer:
        return await (await self._queued(access, decoded, tell, once))

    async def _queued(self, access: Access, decoded: Decoded, tell: Tell, once: Once | None) -> asyncio.Future[Answer]:
        asked = time.monotonic()
        if self._directories.must_read_before(decoded, asked):
            await asyncio.to_thread(self._directories.read, asked)
        elif self._directories.should_read(asked):
            asyncio.get_running_loop().run_in_executor(None, self._directories.look, asked)
        directory = self._directories.now
        if decoded.records <= FEW or decoded.numbered is not None:
            resolved = resolve(decoded, directory, access)
        else:
            resolved = await asyncio.to_thread(resolve, decoded, directory, access)
        batch = Batch(access, self._platform.clock(), decoded, resolved, directory, tell, once)
        batch.journal = decoded.numbered is not None
        if not batch.readings and once is None:
            done: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            done.set_result(tell(batch))
            return done
        return self._writer.put(batch)

    def _recalled(self, access: Access, once: Once) -> Answer | None:
        """Return the answer that was given under this key; the same key with another body is refused."""
        try:
            found = self._platform.store.answers.recall(access, once.key, once.digest)
        except Conflict as error:
            raise refuse(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "this Idempotency-Key came with another request before",
                remedy="use a new key for a new request",
            ) from error
        if found is None:
            return None
        return Answer(found.status, found.body, found.media_type, ((b"idempotent-replayed", b"true"),))

    @contextmanager
    def _alone(self, access: Access, once: Once) -> Iterator[None]:
        """Let one request at a time work under a key."""
        key = (access.actor, once.key)
        if key in self._under_way:
            raise refuse(
                HTTPStatus.CONFLICT,
                "a request with this Idempotency-Key is being worked on",
                remedy="wait for its answer, then send it again",
                headers={"Retry-After": "1"},
            )
        self._under_way.add(key)
        try:
            yield
        finally:
            self._under_way.discard(key)


FEW = 1_000
LONGEST_INTERVAL = 9  # digits


def decode(kind: str, body: bytes, defaults: Said, now: datetime, *, limit: int = LARGEST) -> Decoded:
    """Decode a body of one of the kinds in TYPES, which unpacks to no more than the limit."""
    if kind == "json":
        return decode_json(body, defaults, now)
    if kind == "ndjson":
        return decode_ndjson(body, defaults, now)
    if kind == "csv":
        return decode_csv(body, defaults, now)
    return decode_arrow(body, defaults, now, file=kind == "file", limit=limit)


def media_kind(text: str) -> str:
    """Return which decoder a content type asks for; Refused with 415 for another."""
    media = text.partition(";")[0].strip().lower()
    if media not in TYPES:
        raise refuse(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"the content type {media or 'is missing'!r} is not taken here" if media else "there is no content type",
            remedy=f"send {', '.join(sorted(TYPES))}",
            headers={"Accept": ", ".join(sorted(TYPES))},
        )
    return TYPES[media]


def defaults_of(scope: Scope, interval_s: int) -> Said:
    """Return what the query, or the settings, say of all records that do not say it themselves."""
    given = query_in(scope.get("query_string", b""))
    unknown = sorted(set(given) - set(QUERY))
    if unknown:
        raise refuse(400, f"the query parameter {unknown[0]!r} is not known", remedy=f"use {', '.join(QUERY)}")
    interval = given.pop("interval_s", str(interval_s))
    if not (interval.isascii() and interval.isdigit() and len(interval) <= LONGEST_INTERVAL):
        said = shown(interval)
        raise refuse(400, f"interval_s={said!r} is no number of seconds", remedy="give seconds, such as 900")
    unit, flow, kind, quality = (given.get(word, "") for word in QUERY[:-1])
    return Said(unit, flow, kind, quality, int(interval))


def once_of(scope: Scope, body: bytes) -> Once | None:
    """Return the Idempotency-Key with the digest of everything that makes the request what it is."""
    key = header(scope, b"idempotency-key")
    if not key:
        return None
    if len(key) > LONGEST_KEY or not key.isprintable():
        raise refuse(400, f"the Idempotency-Key must be 1 to {LONGEST_KEY} printable characters", remedy="use a UUID")
    digest = hashlib.sha256(body)
    for part in (scope["path"].encode(), scope.get("query_string", b""), header(scope, b"content-type").encode()):
        digest.update(b"\0" + part)
    return Once(key, digest.hexdigest())


# What most posts are told; made once.
TAKEN = Answer(HTTPStatus.OK, b"OK", TEXT)
ONE_ACCEPTED = Verdicts(accepted=1)
ONE_TAKEN = Answer(HTTPStatus.OK, msgspec.json.encode(ONE_ACCEPTED.to_dict()), JSON)


def tell_readings(batch: Batch) -> Answer:
    """Return the verdict as JSON: 200 whatever the records were, for each has its own."""
    verdicts = batch.decoded.verdicts
    if verdicts == ONE_ACCEPTED:
        return ONE_TAKEN
    return Answer(HTTPStatus.OK, msgspec.json.encode(verdicts.to_dict()), JSON)


def tell_meter(batch: Batch) -> Answer:
    """Return `OK`, 202 with a sentence for an unknown meter, or the problem of the one reading."""
    verdicts = batch.decoded.verdicts
    if verdicts.accepted:
        return TAKEN
    (verdict,) = verdicts.listed
    if verdicts.quarantined:
        text = f"{verdict.value}: {verdict.fault.reason}. {verdict.fault.remedy.capitalize()}."
        return Answer(HTTPStatus.ACCEPTED, text.encode(), TEXT)
    forbidden = verdict.fault.field == "usage_point" and verdict.fault.reason.startswith("your key")
    status = HTTPStatus.FORBIDDEN if forbidden else HTTPStatus.UNPROCESSABLE_ENTITY
    field = {"register_kwh": "reading", "usage_point": "meter_id", "meter": "meter_id"}.get(
        verdict.fault.field, verdict.fault.field
    )
    fault = verdict.fault
    return problem(status, f"{field}: {fault.reason}", remedy=fault.remedy, field=field, value=verdict.value)
