"""What an edge and the centre say to each other: batches of records as MessagePack, the answer as JSON."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from http import HTTPStatus
from typing import Any

import msgspec

from gridwright.api.answer import JSON, refuse

MEDIA = "application/vnd.gridwright.edge+msgpack"
MOST_RECORDS = 10_000  # of one batch
HIGHEST = 1 << 62


class ClockTrust(StrEnum):
    """Where the instant of a record comes from.

    `right`: the edge's clock, which agreed with the centre's; `corrected`: the edge's clock less what it was measured
    to be off; `unchecked`: a clock that was never compared; `guessed`: it was wrong, and only the order is known.
    """

    RIGHT = "right"
    CORRECTED = "corrected"
    UNCHECKED = "unchecked"
    GUESSED = "guessed"


class Record(msgspec.Struct, frozen=True, array_like=True):
    """One request of a device as it came in: `stamped` where its readings have no time but that of their receipt."""

    sequence: int
    path: str
    media: str
    query: str
    received_us: int
    clock: ClockTrust
    stamped: bool
    body: bytes


class Report(msgspec.Struct, frozen=True):
    """How the edge is: its clock, what waits, what was dropped, the instant of the oldest record that waits.

    `run`: what names this start of its process, in no other one; `place`: machine, folder and process, to find it by.
    """

    wall_us: int
    waiting: int = 0
    dropped: int = 0
    oldest_us: int | None = None
    run: str = ""
    place: str = ""


class EdgeBatch(msgspec.Struct, frozen=True):
    """Numbers `first` to `last` of an epoch: each is a record, or in a range that is lost; none: a question only.

    `until_us`: when the last of the lost ones came in that we had acknowledged, and lack since we were restored.
    """

    epoch: str
    first: int
    last: int
    records: list[Record]
    report: Report
    lost: list[tuple[int, int]] = []
    until_us: int | None = None


class RecordVerdict(msgspec.Struct, frozen=True):
    """A record that was refused, wholly or in part: how many readings, and the first of their verdicts.

    `places`: index and line of each that was refused; none where that is all of it, or they are too many.
    """

    sequence: int
    rejected: int
    verdicts: list[dict[str, Any]]
    places: list[tuple[int, int]] = []


class Ack(msgspec.Struct, frozen=True):
    """What the centre answers: all up to `acknowledged` is durable, and what became of the records of the batch.

    `doubted`: of the accepted, register reads that fall or jump and come back; they are kept, and count nothing.
    `shared_by`: where other processes run that send under this edge's name at the same time.
    """

    edge: str
    epoch: str
    acknowledged: int
    now_us: int
    accepted: int = 0
    rejected: int = 0
    quarantined: int = 0
    refused: list[RecordVerdict] = []
    set_aside: int = 0
    shared_by: list[str] = []
    doubted: int = 0


def read_batch(body: bytes, media: str = MEDIA) -> EdgeBatch:
    """Decode a batch; Refused with what is wrong, also where its numbers do not add up. In JSON, bodies are base64."""
    decoders: dict[str, Callable[..., Any]] = {MEDIA: msgspec.msgpack.decode, JSON: msgspec.json.decode}
    if media not in decoders:
        told = f"the content type {media[:80]!r} is not taken here"
        raise refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, told, remedy=f"send {MEDIA}")
    try:
        batch: EdgeBatch = decoders[media](body, type=EdgeBatch)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise refuse(400, f"the body is no batch of an edge: {error}", remedy=f"send {MEDIA}") from error
    fault = _fault(batch)
    if fault:
        raise refuse(HTTPStatus.UNPROCESSABLE_ENTITY, fault, remedy="number the records one after another")
    return batch


def _fault(batch: EdgeBatch) -> str:
    """Return what is wrong with the numbers of a batch, empty where they add up."""
    if not (batch.epoch.isalnum() and batch.epoch.isascii() and len(batch.epoch) <= 64):  # noqa: PLR2004 - a column
        return f"the epoch {batch.epoch[:80]!r} is not 1 to 64 letters and digits"
    if len(batch.records) > MOST_RECORDS:
        return f"there are {len(batch.records):,} records, more than {MOST_RECORDS:,}"
    if not 1 <= batch.first <= batch.last + 1 <= HIGHEST:
        return f"first = {batch.first} and last = {batch.last} are no range of numbers"
    parts = sorted([*batch.lost, *((record.sequence, record.sequence) for record in batch.records)])
    expected = batch.first
    for begin, end in parts:
        if begin != expected or end < begin:
            return f"number {expected} is neither a record nor lost, or is there twice"
        expected = end + 1
    return "" if expected == batch.last + 1 else f"number {expected} is neither a record nor lost"
