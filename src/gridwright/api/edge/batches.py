"""Batches of edges to the store: each number once, in order, in a transaction with how far the edge has come by it."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import msgspec

from gridwright.api.answer import JSON, Answer, Receive, Refused, Scope, problem, refuse
from gridwright.api.authenticate import credential_of
from gridwright.api.body import HELD, Bodies, header
from gridwright.api.edge.company import Company, run_of
from gridwright.api.edge.decode import Decoders, Kept, as_estimated, faults_of
from gridwright.api.edge.loads import told_later, write_loads
from gridwright.api.edge.portions import Decodeds, Pace, portions
from gridwright.api.edge.wire import HIGHEST, Ack, ClockTrust, EdgeBatch, Record, RecordVerdict, read_batch
from gridwright.api.ingest.names import Directories, resolve
from gridwright.api.ingest.table import Decoded, name_fault
from gridwright.api.ingest.verdicts import Status
from gridwright.api.segments import escaped
from gridwright.api.write.batch import Batch
from gridwright.api.write.batches import Outcome
from gridwright.api.write.patience import Patience, passes, pause_of
from gridwright.api.write.writer import STRAYS
from gridwright.domain.edge import EdgeReport, EdgeRun, EdgeStream
from gridwright.domain.errors import Conflict, GridwrightError, StoreError
from gridwright.domain.interval import MICRO, from_epoch_s

if TYPE_CHECKING:
    from gridwright.api.entrance import Entrance
    from gridwright.app import Platform
    from gridwright.domain.access import Access

PATH = re.compile(r"/v1/edges/([^/]{1,1500})/batches")
MIB = 1 << 20
AT_ONCE = 4  # batches that are worked on; the store has one writer
TURN_S = 20.0  # that a batch which is here waits for its turn; its edge hangs up after a minute
PLACES = 200  # of what was refused of one record, so that this alone is sent again
TOLD = 3  # verdicts of one record; the edge keeps the record itself
LATEST_S = 4_000_000_000.0  # the year 2096: a clock beyond it is as wrong as can be told


@dataclass(frozen=True, slots=True)
class Delivery:
    """A batch of an edge, by whom it was sent and from where, and when it came."""

    access: Access
    edge: str
    batch: EdgeBatch
    now: datetime
    client: str = ""
    run: EdgeRun | None = None

    def until(self, last: int) -> Delivery:
        """Return it as if it ended with a number; what is lost between two records lies before the later one."""
        lost = [each for each in self.batch.lost if each[1] <= last]
        return replace(self, batch=msgspec.structs.replace(self.batch, last=last, lost=lost))


class Gap(Exception):
    """Numbers are missing before a batch; carries the one that is expected."""

    def __init__(self, expected: int) -> None:
        super().__init__(expected)
        self.expected = expected


class EdgeBatches:
    """Takes the batches of edges."""

    def __init__(self, platform: Platform, entrance: Entrance) -> None:
        self._platform, self._entrance = platform, entrance
        self._limit = platform.settings.server.max_body_mb * MIB
        self._decoders = Decoders(platform.settings)
        self._directories = Directories(platform)
        self._bodies = Bodies(max(HELD, self._limit))
        self._under_way: set[str] = set()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._company = Company()

    async def take(self, scope: Scope, receive: Receive) -> Answer:
        """Apply a batch and answer how far the edge is durable; 409 with `expected` where numbers are missing."""
        access = await self._entrance.admitted(credential_of(scope["headers"], cookies=False))
        edge = edge_of(scope)
        media = header(scope, b"content-type").partition(";")[0].strip().lower()
        self._require_free(edge)
        with self._bodies.room_for(scope, self._limit) as room:
            body = await self._bodies.read(scope, receive, self._limit, room)
            async with self._turn(edge):  # a body that does not come keeps nobody waiting
                now = self._platform.clock()
                batch = await asyncio.to_thread(read_batch, body, media)
                try:
                    ack = await asyncio.to_thread(self._applied, Delivery(access, edge, batch, now, client_of(scope)))
                except Gap as gap:
                    return gap_told(edge, batch, gap.expected)
        return Answer(HTTPStatus.OK, msgspec.json.encode(ack), JSON)

    def _require_free(self, edge: str) -> None:
        """Refuse a batch while another one of its edge is worked on."""
        if edge in self._under_way:
            raise wait_for(
                f"a batch of the edge {edge} is being worked on, of this process or of another one of its name"
            )

    @asynccontextmanager
    async def _turn(self, edge: str) -> AsyncIterator[None]:
        """Let one batch of an edge at a time be worked on, and few of all edges; the others wait for a while."""
        self._require_free(edge)
        self._under_way.add(edge)
        try:
            try:
                await asyncio.wait_for(self._turns.acquire(), TURN_S)
            except TimeoutError:
                raise wait_for("other edges are being served") from None
            try:
                yield
            finally:
                self._turns.release()
        finally:
            self._under_way.discard(edge)

    def _applied(self, delivery: Delivery) -> Ack:
        """Apply a batch; while the database is locked or away it goes on after a pause, within bounds."""
        since, patience = time.monotonic(), Patience()
        applied: list[Batch] = []
        for attempt in range(1_000):
            began = time.monotonic()
            try:
                return self._apply(delivery, applied)
            except (StoreError, Conflict) as error:
                pause = pause_of(attempt)
                if isinstance(error, StoreError):
                    patience.note(error, time.monotonic() - began)
                wait = isinstance(error, Conflict) or passes(error)
                if not wait or time.monotonic() + pause > since + patience.seconds:
                    raise
                time.sleep(pause)
        raise StoreError("the database stayed locked", remedy="send it again")

    def _apply(self, delivery: Delivery, applied: list[Batch]) -> Ack:
        """Apply what of a batch is not durable yet; `applied` gets what becomes so, also where the rest fails."""
        batch, stream = delivery.batch, self._stream(delivery)
        known = self._platform.store.edges.runs(delivery.access, delivery.edge) if batch.report.run else []
        run = run_of(batch.report, delivery.client, known, delivery.now)
        delivery = replace(delivery, run=run)
        if batch.first > stream.sequence + 1:
            raise Gap(stream.sequence + 1)
        decoded = self._decoded(delivery, [one for one in batch.records if one.sequence > stream.sequence])
        pace = Pace(STRAYS)
        for last, portion in portions(decoded, batch.last, pace):
            stream = self._advance(delivery.until(last), stream, portion, pace)
            applied += [one for _, one in portion if isinstance(one, Batch)]
        return ack_of(stream, delivery, applied, self._company.of(delivery.edge, run, known, delivery.now))

    def _advance(self, delivery: Delivery, before: EdgeStream, portion: Decodeds, pace: Pace) -> EdgeStream:
        """Write a portion, and how far the edge is durable with it, in one transaction."""
        store, batches = self._platform.store, [one for _, one in portion if isinstance(one, Batch)]
        store.journal.fold()  # some at a time; within the transaction it would be all at once
        with store.transaction():
            began = time.monotonic()
            outcomes = write_loads(store, batches, delivery.now) if batches else []
            after = advanced(before, delivery, portion, verdicts_on(portion, outcomes))
            gone, until = gone_in(delivery, before), until_of(delivery)
            store.edges.advance(delivery.access, after, after=before.sequence, gone=gone, until=until)
        pace.took(sum(one.readings for one in batches), time.monotonic() - began)
        return after

    def _stream(self, delivery: Delivery) -> EdgeStream:
        access, edge, epoch = delivery.access, delivery.edge, delivery.batch.epoch
        found = self._platform.store.edges.stream(access, edge, epoch)
        return found or EdgeStream(edge, epoch, access.actor, delivery.now, delivery.now)

    def _decoded(self, delivery: Delivery, records: Sequence[Record]) -> Decodeds:
        """Decode records and find whose they are; one that no entrance would take has its verdict already."""
        taken: list[tuple[Record, Decoded | dict[str, Any]]] = []
        names: set[str] = set()
        for record in records:
            found = faults_of(partial(self._decode, record, delivery.now))
            if not isinstance(found, dict):
                names.update(name for readings in found.series for name in readings.points)
                names.update(one.name for one in found.few)
            taken.append((record, found))
        asked = time.monotonic()
        if self._directories.must_read_for(names, asked):
            self._directories.read(asked)
        directory, access = self._directories.now, delivery.access
        decoded: Decodeds = []
        for record, found in taken:
            if isinstance(found, dict):
                fault = {"reason": str(found.get("detail", "")), "remedy": str(found.get("remedy", ""))}
                decoded.append((record, RecordVerdict(record.sequence, 1, [fault])))
            else:
                resolved = resolve(found, directory, access)
                decoded.append((record, Batch(access, delivery.now, found, resolved, directory, told_later)))
        return decoded

    def _decode(self, record: Record, now: datetime) -> Decoded:
        kept = Kept(record.path, record.media, record.query, record.body)
        if not record.stamped:
            return self._decoders.decode(kept, now)
        found = self._decoders.decode(kept, min(now, instant(record.received_us)))
        return as_estimated(found) if record.clock is ClockTrust.GUESSED else found


def is_path(scope: Scope) -> bool:
    """Tell whether it is the address of an edge's batches; the edge's name may hold any sign."""
    return PATH.fullmatch(escaped(scope)) is not None


def edge_of(scope: Scope) -> str:
    """Return the edge that an address names; Refused where that is no name."""
    match = PATH.fullmatch(escaped(scope))
    name = unquote(match[1]) if match else ""
    fault = name_fault(name)
    if fault is not None:
        raise refuse(
            HTTPStatus.UNPROCESSABLE_ENTITY, f"the edge's name: {fault.reason}", remedy="use letters and digits"
        )
    return name


def gap_told(edge: str, batch: EdgeBatch, expected: int) -> Answer:
    """Return the refusal of a batch before which numbers are missing."""
    return problem(
        HTTPStatus.CONFLICT,
        f"the edge {edge} is durable up to {expected - 1} of epoch {batch.epoch}, not to {batch.first - 1}",
        remedy=f"go on with {expected}, or tell which numbers are lost",
        expected=expected,
    )


def verdicts_on(decoded: Decodeds, outcomes: Sequence[Outcome]) -> list[RecordVerdict]:
    """Return what was refused of each record, where anything was."""
    refused: list[RecordVerdict] = []
    written = iter(outcomes)
    for record, one in decoded:
        if isinstance(one, RecordVerdict):
            refused.append(one)
            continue
        outcome, verdicts = next(written), one.decoded.verdicts
        if isinstance(outcome, GridwrightError):
            count = verdicts.accepted + verdicts.rejected
            verdicts.accepted, verdicts.rejected = 0, count
            told: list[dict[str, Any]] = [{"reason": outcome.message, "remedy": outcome.remedy}]
            refused.append(RecordVerdict(record.sequence, count, told))
        elif verdicts.rejected:
            wrong = [each for each in verdicts.listed if each.status is Status.REJECTED]
            whole = verdicts.rejected > min(len(wrong), PLACES)
            places = [] if whole else [(each.index, each.line) for each in wrong]
            told = [each.to_dict() for each in wrong[:TOLD]]
            refused.append(RecordVerdict(record.sequence, verdicts.rejected, told, places))
    return refused


def advanced(before: EdgeStream, delivery: Delivery, decoded: Decodeds, refused: Sequence[RecordVerdict]) -> EdgeStream:
    """Return the stream as it is once a batch is applied."""
    batch = delivery.batch
    lost = sum(end - begin + 1 for begin, end in gone_in(delivery, before))
    accepted = sum(one.decoded.verdicts.accepted for _, one in decoded if isinstance(one, Batch))
    # What the edge asks for from here on it has the answers of; those after it may be asked for again.
    kept = [one for one in earlier(before) if one.sequence >= batch.first]
    return replace(
        before,
        last=delivery.now,
        sequence=max(before.sequence, batch.last),
        readings=before.readings + accepted,
        rejected=before.rejected + sum(one.rejected for one in refused),
        lost=before.lost + lost,
        report=report_of(delivery),
        run=delivery.run,
        verdicts=msgspec.json.encode([*kept, *refused]).decode(),
    )


def gone_in(delivery: Delivery, before: EdgeStream) -> list[tuple[int, int]]:
    """Return the ranges of numbers that a batch tells as lost, as far as the stream did not know of them."""
    return [(max(begin, before.sequence + 1), end) for begin, end in delivery.batch.lost if end > before.sequence]


def until_of(delivery: Delivery) -> datetime | None:
    """Return when the last of the numbers came in that we had and lack, as the edge tells."""
    until_us = delivery.batch.until_us
    return None if until_us is None else min(instant(until_us), delivery.now)


def earlier(stream: EdgeStream) -> list[RecordVerdict]:
    """Return the verdicts that are kept with a stream."""
    return msgspec.json.decode(stream.verdicts, type=list[RecordVerdict])


def report_of(delivery: Delivery) -> EdgeReport:
    """Return how the edge is, measured against the centre's clock."""
    told = delivery.batch.report
    oldest = None if told.oldest_us is None else min(instant(told.oldest_us), delivery.now)
    ahead = timedelta(microseconds=told.wall_us) - (delivery.now - from_epoch_s(0))
    return EdgeReport(ahead, _count(told.waiting), _count(told.dropped), oldest)


def _count(told: int) -> int:
    return min(max(0, told), HIGHEST)


def instant(us: int) -> datetime:
    """Return an instant that an edge tells, within what can be told."""
    return from_epoch_s(0) + timedelta(seconds=min(max(us / MICRO, 0.0), LATEST_S))


def wait_for(reason: str) -> Refused:
    """Return the refusal of a batch that is taken a moment later."""
    return refuse(
        HTTPStatus.TOO_MANY_REQUESTS,
        reason,
        remedy="send it again in a moment",
        headers={"Retry-After": "1", "Connection": "close"},
    )


def client_of(scope: Scope) -> str:
    """Return the address that a request comes from, empty where it is not known."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def ack_of(stream: EdgeStream, delivery: Delivery, batches: Sequence[Batch], shared_by: list[str]) -> Ack:
    """Return the answer: how far the edge is durable, and what became of the numbers that it asked for."""
    batch = delivery.batch
    verdicts = [one.decoded.verdicts for one in batches]
    told = [one for one in earlier(stream) if batch.first <= one.sequence <= batch.last]
    return Ack(
        stream.edge,
        stream.epoch,
        stream.sequence,
        int(delivery.now.timestamp() * MICRO),
        accepted=sum(one.accepted for one in verdicts),
        rejected=sum(one.rejected for one in told),
        quarantined=sum(one.quarantined for one in verdicts),
        refused=told,
        set_aside=sum(one.set_aside for one in verdicts),
        shared_by=shared_by,
        doubted=sum(one.doubted for one in verdicts),
    )
