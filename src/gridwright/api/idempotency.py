"""Idempotency-Key: a POST that is sent again answers what the first one answered, and does nothing twice."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Header, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from gridwright.api.door import asking
from gridwright.api.parameters import PLAIN
from gridwright.api.problems import RequestRefused
from gridwright.app import Platform
from gridwright.domain.access import Access, Role
from gridwright.domain.errors import Conflict
from gridwright.store.answers import StoredAnswer

JSON = "application/json"
Key = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        max_length=200,
        pattern=PLAIN,
        description="Your own id of this request: sent again within 24 hours, it is answered alike and done once.",
    ),
]


class Created(BaseModel):
    """What every answer to a POST tells: where the thing is."""

    href: str = Field(description="Address of what was made, as in the Location header.")


@dataclass(slots=True)
class InFlight:
    """The requests that this process is working on by actor and key."""

    _keys: set[tuple[str, str]] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def only(self, key: tuple[str, str]) -> Iterator[None]:
        """Hold a key; 409 where another request holds it."""
        with self._lock:
            if key in self._keys:
                raise RequestRefused(
                    HTTPStatus.CONFLICT, "a request with this Idempotency-Key is being worked on", remedy="wait for it"
                )
            self._keys.add(key)
        try:
            yield
        finally:
            with self._lock:
                self._keys.discard(key)


Act = Callable[[Access, str], object]


@dataclass(frozen=True, slots=True)
class Once:
    """Does the work of one POST; with a key, once."""

    platform: Platform
    key: str
    digest: str
    flying: InFlight

    def __call__(self, status: HTTPStatus, work: Callable[[], BaseModel]) -> Response:
        """Return the answer to `work`, or the one that was given before; both or neither are durable.

        What failed is not remembered: sent again, it is tried again.
        """
        access, store = self.platform.access, self.platform.store
        if not self.key:
            return to_response(answered(status, store.again(work)))
        with self.flying.only((access.actor, self.key)):
            return store.again(partial(self._kept, status, work))

    def stepwise(self, status: HTTPStatus, work: Callable[[], BaseModel]) -> Response:
        """Return the answer to `work` of which each step is durable by itself, or the one that was given before.

        One that was cut short is no answer yet: sent again, it goes on where it was.
        """
        if not self.key:
            return to_response(answered(status, work()))
        with self.flying.only((self.platform.access.actor, self.key)):
            return self._remembered(status, work)

    def _kept(self, status: HTTPStatus, work: Callable[[], BaseModel]) -> Response:
        """Return the answer that is kept under the key, or do the work and keep its answer, both or neither."""
        with self.platform.store.transaction():
            return self._remembered(status, work)

    def _remembered(self, status: HTTPStatus, work: Callable[[], BaseModel]) -> Response:
        """Return the answer that is kept under the key, or that to the work, which is kept from now on."""
        access, store = self.platform.access, self.platform.store
        before = self._recall()
        if before is not None:
            return to_response(before, replayed=True)
        answer = answered(status, work())
        store.answers.remember(access, self.key, self.digest, answer, now=self.platform.clock())
        return to_response(answer)

    def act(self, done: Act, name: str, told: Callable[[Platform, str], BaseModel]) -> Response:
        """Do something to a named thing of the store, and answer with what it is then."""

        def work() -> BaseModel:
            done(self.platform.access, name)
            return told(self.platform, name)

        return self(HTTPStatus.OK, work)

    def _recall(self) -> StoredAnswer | None:
        try:
            return self.platform.store.answers.recall(self.platform.access, self.key, self.digest)
        except Conflict as error:
            raise RequestRefused(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "this Idempotency-Key belongs to another request",
                remedy="use a new key for a new request",
            ) from error


def answered(status: HTTPStatus, body: BaseModel) -> StoredAnswer:
    """Return the answer as it is sent and kept."""
    return StoredAnswer(int(status), body.model_dump_json(by_alias=True).encode(), JSON)


def to_response(answer: StoredAnswer, *, replayed: bool = False) -> Response:
    """Return the answer with its Location, which its body tells as `href`."""
    headers = {"Idempotent-Replayed": "true"} if replayed else {}
    href = json.loads(answer.body).get("href")
    if href and answer.status in (HTTPStatus.CREATED, HTTPStatus.ACCEPTED):
        headers["Location"] = href
    return Response(answer.body, answer.status, headers, media_type=answer.media_type)


async def once(request: Request, key: Key = "") -> Once:
    """Return what does the work of this request once."""
    digest = hashlib.sha256(f"{request.method} {request.url.path}?{request.url.query}\n".encode())
    digest.update(await request.body())
    platform = asking(request)
    # The one act of a customer, to opt out, changes nothing the second time anyway, and they keep nothing in the store.
    kept = "" if platform.access.role is Role.CUSTOMER else key
    return Once(platform, kept, digest.hexdigest(), request.app.state.in_flight)


OnceDone = Annotated[Once, Depends(once)]
