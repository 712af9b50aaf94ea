"""The short way: a plain post of a known sender, one reading or lines, becomes a batch without a task of its own.

Whatever is not quite usual (an unknown key, a packed or large body, an Idempotency-Key, a record that is wrong) is
left to the entrance, which decides all of it and gives the same answers; nothing is begun here before that is clear.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from gridwright.api.answer import Answer, Refused, Scope, answer_to
from gridwright.api.authenticate import LONGEST, Credential, doorkeeper
from gridwright.api.body import Bodies
from gridwright.api.ingest.form import decode_form
from gridwright.api.ingest.json import decode_json
from gridwright.api.ingest.meaning import Said
from gridwright.api.ingest.names import Directories, Resolved, resolve
from gridwright.api.ingest.table import Decoded
from gridwright.api.write.batch import Batch, Tell, Waiter
from gridwright.domain.access import Access, Act

if TYPE_CHECKING:
    from datetime import datetime

    from gridwright.api.ingest.names import Directory
    from gridwright.api.ingest.plain import PlainReadings
    from gridwright.api.write.writer import Writer
    from gridwright.app import Platform

SHORT = 4096  # bytes; a body this small waits beside the others without being counted
HEADS = 4096  # remembered; those of a thousand meters that share a few keys are some hundred
BEARER = b"bearer "
# With one of these a request means more than its body says.
UNUSUAL = frozenset(
    {b"idempotency-key", b"content-encoding", b"transfer-encoding", b"expect", b"upgrade", b"x-api-key", b"trailer"}
)


class Decode(Protocol):
    """Decodes the body of one of the posts."""

    def __call__(self, body: bytes, media: str, now: datetime, /) -> Decoded | None:
        """Return its readings with their verdicts; None where that takes a closer look."""
        ...


@dataclass(frozen=True, slots=True)
class Post:
    """What the head of a request that may go the short way says; who sends it by the digest of the credential.

    `length`: of its body; where that may come in pieces, the longest that is taken.
    """

    path: str
    sender: bytes
    length: int
    media: str
    decode: Decode
    tell: Tell
    plain: Plain | None = None  # the quickest way of lines
    told: Callable[[Exception, str], Answer] = answer_to  # how a failure is told


class Plain(Protocol):
    """Reads bodies of plain lines, by what it has learned of those before."""

    def read(self, body: bytes, directory: Directory, now: datetime) -> PlainReadings | None:
        """Return the readings; None where there is more to it."""
        ...

    def unfold(self, body: bytes, directory: Directory, access: Access, now: datetime) -> tuple[Decoded, Resolved]:
        """Return what the body is the long way."""
        ...


ReadHead = Callable[[Scope], Post | None]
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})(?=\r\n|\Z)", re.IGNORECASE)


class Quick:
    """Takes posts of `/meter_reading` and `/v1/readings`, and of lines, that are as usual."""

    def __init__(self, platform: Platform, writer: Writer, directories: Directories, tells: tuple[Tell, Tell]) -> None:
        """`tells`: how an answer is made for a form, and for JSON."""
        self._platform, self._writer, self._directories = platform, writer, directories
        self._said = Said(interval_s=platform.settings.server.interval_s)
        form, records = tells
        self._heads: dict[bytes, Post] = {}
        # Posts whose bodies come in pieces: what their heads say, and the heads met so far, but for the length.
        self.large: dict[str, ReadHead] = {}
        self.bodies = Bodies()
        self._large_heads: dict[bytes, Post] = {}
        self._posts: dict[str, tuple[Decode, Tell]] = {
            "/meter_reading": (decode_form, form),
            "/v1/readings": (self._records, records),
        }

    def _records(self, body: bytes, media: str, now: datetime) -> Decoded:
        del media
        return decode_json(body, self._said, now)

    def read_head(self, scope: Scope) -> Post | None:
        """Return what matters of the head, None where the request must go the long way."""
        if scope["path"] in self.large:
            usual = scope["method"] == "POST" and not any(name in UNUSUAL for name, _ in scope["headers"])
            return self.large[scope["path"]](scope) if usual else None
        found = self._posts.get(scope["path"])
        if found is None or scope["method"] != "POST" or scope["query_string"]:
            return None
        token = media = length = b""
        for name, value in scope["headers"]:
            if name == b"authorization":
                token = token or value
            elif name == b"content-type":
                media = media or value
            elif name == b"content-length":
                length = value
            elif name in UNUSUAL:
                return None
        if token[: len(BEARER)].lower() != BEARER or len(token) > LONGEST or not length.isdigit():
            return None
        decode, tell = found
        plain = decode is decode_form or media.lower() == b"application/json"
        if int(length) > SHORT or not plain:
            return None
        sender = Credential(token[len(BEARER) :].strip().decode("latin-1")).digest
        return Post(scope["path"], sender, int(length), media.decode("latin-1"), decode, tell)

    def known(self, head: bytes) -> Post | None:
        """Return what was read of the very same head before: a meter's posts differ in their bodies alone."""
        return self._heads.get(_digest(head))

    def remember(self, head: bytes, post: Post) -> None:
        """Keep what a head says, under its digest: it holds a token."""
        if len(self._heads) >= HEADS:
            self._heads.clear()
        self._heads[_digest(head)] = post

    def is_large(self, post: Post) -> bool:
        """Tell whether the body of a post may come in pieces."""
        return post.path in self.large

    def known_large(self, head: bytes) -> tuple[Post, int] | None:
        """Return what was read of a head that was the same but for the length of its body, and that length."""
        found = LENGTH.search(head)
        if found is None:
            return None
        post, length = self._large_heads.get(_digest(_without(head, found))), int(found[1])
        return (post, length) if post is not None and 0 < length <= post.length else None

    def remember_large(self, head: bytes, post: Post) -> None:
        """Keep what a head says, whatever its length."""
        found = LENGTH.search(head)
        if found is not None:
            if len(self._large_heads) >= HEADS:
                self._large_heads.clear()
            self._large_heads[_digest(_without(head, found))] = post

    def take(self, post: Post, body: bytes, done: Waiter) -> bool:
        """Queue the reading, or tell `done` at once what became of it; False, with nothing begun: the long way."""
        try:
            batch = self._batch(post, body)
        except Exception:  # noqa: BLE001 - the entrance meets it again, and tells what it is
            return False
        if batch is None:
            return False
        if not batch.readings:
            done.set_result(post.tell(batch))
            return True
        try:
            self._writer.queue(batch, done)
        except Refused as refused:
            done.set_result(post.told(refused, post.path))
        return True

    def _batch(self, post: Post, body: bytes) -> Batch | None:
        access = doorkeeper(self._platform).remembered_by(post.sender)
        if access is None:
            return None
        access.require(Act.WRITE_READINGS)
        asked, now = time.monotonic(), self._platform.clock()
        batch = self._plain(post, body, access, now) or self._usual(post, body, access, now)
        if batch is not None and self._directories.should_read(asked):
            asyncio.get_running_loop().run_in_executor(None, self._directories.look, asked)
        return batch

    def _plain(self, post: Post, body: bytes, access: Access, now: datetime) -> Batch | None:
        """Return the batch of plain lines; None where they are none, or the registry must be read first."""
        directory = self._directories.now
        if post.plain is None or access.points is not None or self._directories.is_stale(time.monotonic()):
            return None
        found = post.plain.read(body, directory, now)
        if found is None:
            return None
        batch = Batch(access, now, Decoded(), Resolved(), directory, post.tell)
        go_plain(batch, found, body, post.plain)
        return batch

    def _usual(self, post: Post, body: bytes, access: Access, now: datetime) -> Batch | None:
        asked = time.monotonic()
        decoded = post.decode(body, post.media, now)
        if decoded is None or self._must_look_closer(decoded, asked, lines=self.is_large(post)):
            return None
        directory = self._directories.now  # after the closer look: the one before may be older than these names
        resolved = resolve(decoded, directory, access)
        return Batch(access, now, decoded, resolved, directory, post.tell, journal=decoded.numbered is not None)

    def _must_look_closer(self, decoded: Decoded, asked: float, *, lines: bool) -> bool:
        """Tell whether it is not the one reading that is expected, or the registry must be read first."""
        if lines:
            return self._directories.must_read_before(decoded, asked)
        if decoded.series or not decoded.few:
            return True
        return self._directories.must_read_for([one.name for one in decoded.few], asked)


def go_plain(batch: Batch, found: PlainReadings, body: bytes, way: Plain) -> None:
    """Let a batch of plain lines be written as it is."""
    batch.plain, batch.journal, batch.decoded.verdicts.accepted = found, True, found.size
    batch.unfold = partial(way.unfold, body, batch.directory, batch.access, batch.received)


def _without(head: bytes, length: re.Match[bytes]) -> bytes:
    return head[: length.start(1)] + head[length.end(1) :]


def _digest(head: bytes) -> bytes:
    return hashlib.sha256(head).digest()
