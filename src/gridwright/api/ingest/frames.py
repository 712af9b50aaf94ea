"""The frames of Arrow IPC, looked at before any is unpacked: what they would unpack to, and whether all are there."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gridwright.api.answer import Refused, refuse
from gridwright.api.body import too_large, too_many

CONTINUES = 0xFFFFFFFF
MAGIC = b"ARROW1"
DICTIONARY, BATCH = 2, 3  # kinds of messages
LENGTH = 8  # bytes before a packed buffer that tell its length unpacked
PACKED_AS_IT_IS = -1  # a buffer that packing would not make smaller
MAX_ROWS = 1_000_000
MAX_BATCHES = 10_000  # each takes some kilobytes, however few its rows
REMEDY = "write it with pyarrow.ipc"


def sound_stream(body: bytes, limit: int, *, file: bool = False) -> memoryview:
    """Return the stream in a body; Refused where it would unpack to more than `limit`, or is not all that was sent."""
    what = "file" if file else "stream"
    if not body:
        raise refuse(400, "the body is empty", remedy=f"send an Arrow IPC {what}")
    try:
        return _file(memoryview(body), limit) if file else _stream(memoryview(body), limit)
    except (struct.error, IndexError, ValueError, OverflowError) as error:
        raise unsound(what, f"a frame cannot be read ({error})") from error


def unsound(what: str, reason: str) -> Refused:
    """Return the refusal of a body that is no Arrow IPC."""
    return refuse(400, f"the body is no sound Arrow IPC {what}: {reason}", remedy=REMEDY)


def _stream(body: memoryview, limit: int) -> memoryview:
    walk = _Walk(body, limit)
    walk.run()
    if not walk.ended:
        raise refuse(
            400,
            f"the Arrow IPC stream has no end marker: it was cut off after {walk.batches} batches",
            remedy="close the writer before sending, and send all that it wrote",
        )
    if walk.at < len(body):
        raise refuse(
            400,
            f"{len(body) - walk.at:,} bytes stand behind the end of the Arrow IPC stream",
            remedy="send each stream in a request of its own, or all batches in one stream",
        )
    return body


def _file(body: memoryview, limit: int) -> memoryview:
    """Return the stream between the marks of a file; its footer must tell of all batches, and of no other."""
    if bytes(body[: len(MAGIC)]) != MAGIC or bytes(body[-len(MAGIC) :]) != MAGIC:
        raise unsound("file", "ARROW1 stands not at both ends")
    size = _number(body, len(body) - 10, "<i")
    foot = len(body) - 10 - size
    if size <= 0 or foot < LENGTH:
        raise unsound("file", "its footer is longer than the file")
    first = LENGTH
    while not any(body[first : min(first + 8, foot)]) and first < foot:  # some writers align the first message
        first += 8
    stream = body[first:foot]
    walk = _Walk(stream, limit)
    walk.run()
    footer = _Table.root(body[foot : foot + size])
    if walk.batches != footer.count(3) or any(stream[walk.at :]):
        raise unsound("file", f"it holds {walk.batches} batches, its footer tells of {footer.count(3)}")
    return stream


@dataclass(slots=True)
class _Walk:
    """A walk over messages, which adds up what they would be unpacked."""

    stream: memoryview
    limit: int
    at: int = 0
    batches: int = 0
    rows: int = 0
    size: int = 0
    ended: bool = False

    def run(self) -> None:
        """Go to the end, or to where too much has been met."""
        for message, body in self._messages():
            kind = message.number(1, "<B")
            if kind not in {DICTIONARY, BATCH}:
                continue
            batch = message.table(2) if kind == BATCH else message.table(2).table(1)
            self.batches += kind == BATCH
            rows = batch.number(0, "<q")
            self.rows += rows if kind == BATCH else 0
            self.size += _unpacked(batch, body)
            if rows < 0:
                raise ValueError(rows)
            if self.size > self.limit:
                raise too_large(self.limit, "unpacked, the body")
            if self.rows > MAX_ROWS:
                raise too_many(MAX_ROWS)
            if self.batches > MAX_BATCHES:
                raise too_many(MAX_BATCHES, "batches")

    def _messages(self) -> Iterator[tuple[_Table, memoryview]]:
        while self.at < len(self.stream):
            length = _number(self.stream, self.at, "<I")
            self.at += 4
            if length == CONTINUES:  # before Arrow 0.15 this word was not there
                length = _number(self.stream, self.at, "<I")
                self.at += 4
            if not length:
                self.ended = True
                return
            message = _Table.root(self._piece(length))
            yield message, self._piece(message.number(3, "<q"))

    def _piece(self, length: int) -> memoryview:
        if not 0 <= length <= len(self.stream) - self.at:
            told = f"{length:,} bytes should follow byte {self.at:,}, there are {len(self.stream) - self.at:,}"
            raise ValueError(told)
        self.at += length
        return self.stream[self.at - length : self.at]


def _unpacked(batch: _Table, body: memoryview) -> int:
    """Return how many bytes the buffers of a batch are once they are unpacked."""
    places = batch.vector(2, 2)
    if not batch.has(3):
        return sum(length for _, length in places)
    told = ((length, _number(body, start, "<q")) for start, length in places if length >= LENGTH)
    return sum(length - LENGTH if size == PACKED_AS_IT_IS else max(size, 0) for length, size in told)


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of FlatBuffers, in which the heads of messages are written: its fields by their slots."""

    head: memoryview
    at: int

    @classmethod
    def root(cls, head: memoryview) -> _Table:
        """Return the table that a buffer is."""
        return cls(head, _number(head, 0, "<I"))

    def _place(self, slot: int) -> int:
        """Return where a field stands, 0 where it does not."""
        fields = self.at - _number(self.head, self.at, "<i")
        entry = 4 + 2 * slot
        found = _number(self.head, fields + entry, "<H") if entry < _number(self.head, fields, "<H") else 0
        return self.at + found if found else 0

    def has(self, slot: int) -> bool:
        """Tell whether a field is there."""
        return self._place(slot) > 0

    def number(self, slot: int, form: str) -> int:
        """Return a whole number, 0 where there is none."""
        place = self._place(slot)
        return _number(self.head, place, form) if place else 0

    def table(self, slot: int) -> _Table:
        """Return a table within this one."""
        place = self._place(slot)
        if not place:
            raise ValueError(slot)
        return _Table(self.head, place + _number(self.head, place, "<I"))

    def count(self, slot: int) -> int:
        """Return the length of a vector."""
        place = self._place(slot)
        return _number(self.head, place + _number(self.head, place, "<I"), "<I") if place else 0

    def vector(self, slot: int, width: int) -> list[Any]:
        """Return a vector of structs of so many int64."""
        place = self._place(slot)
        if not place:
            return []
        start = place + _number(self.head, place, "<I") + 4
        found: list[Any] = np.frombuffer(self.head, "<i8", self.count(slot) * width, start).reshape(-1, width).tolist()
        return found


def _number(data: memoryview, at: int, form: str) -> int:
    if at < 0:
        raise ValueError(at)
    number: int = struct.unpack_from(form, data, at)[0]
    return number
