"""Group commit: requests put their batches in a queue, one thread writes what has gathered in one transaction."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus
from itertools import islice
from typing import TYPE_CHECKING

import structlog

from gridwright.api.answer import Answer, Refused, refuse
from gridwright.api.write.ahead import write_some
from gridwright.api.write.batch import Batch, Waiter
from gridwright.api.write.batches import Outcome, keep_strays, write
from gridwright.api.write.folds import Folding
from gridwright.api.write.patience import PATIENCE_S, Patience, is_refusal, passes, pause_of
from gridwright.api.write.waiting import MANY
from gridwright.domain.errors import StoreError, StoreLocked

if TYPE_CHECKING:
    from gridwright.store import Store

WAITING = 4_096  # batches
WAITING_READINGS = 4_000_000
GROUP = 512  # batches of one transaction
GROUP_READINGS = 500_000
STRAYS = 2_000  # readings for the quarantine of one transaction; nobody waits for a flood of unknown names
READS = 2_000  # register reads of one transaction, about: some tenths of a second
GATHER_S = 0.001  # while more arrives within this, the transaction that is about to begin waits for it,
GATHERS = 8  # but not more often than this
ALL = 4  # so few clients are all waited for
AGAIN_S = 0.2  # before the writer begins again, after a bug that ended it, or what could not be written ahead


@dataclass(slots=True)
class WriterFigures:
    """How the writer does: what waits, for how long, what was refused, and what came of the rest since the start."""

    batches: int = 0
    readings: int = 0
    lag_s: float = 0.0
    refused: int = 0
    groups: int = 0
    written: int = 0
    rejected: int = 0
    quarantined: int = 0
    repeated: int = 0
    set_aside: int = 0
    doubted: int = 0
    failed: int = 0
    commit_s: float = 0.0
    slowest_commit_s: float = 0.0


class Writer:
    """The one writer of what arrives by HTTP; a batch's future is set when its readings are durable, never before."""

    def __init__(
        self, store: Store, clock: Callable[[], datetime], *, patience_s: float = PATIENCE_S, journal: bool = True
    ) -> None:
        self._store, self._clock, self._patience = store, clock, Patience(patience_s)
        self._journals, self._folding = journal, Folding(store)
        self._queue: deque[Batch] = deque()
        self._later: list[Batch] = []  # taken from the queue, and waiting behind a flood for the quarantine
        self._held = 0
        self._crowd = 0  # batches that were on their way when the last group was written: about as many clients
        self._awaited = 0.0  # batches for which the transaction that is about to begin waits
        self._figures = WriterFigures()
        self._writing_since: float | None = None
        self._changed = threading.Condition()
        self._stopping = False
        self._ends_at = float("inf")  # when a writer that is being stopped gives up what it still tries
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def alive(self) -> bool:
        """Tell whether readings can be taken."""
        return self._thread is not None and self._thread.is_alive() and not self._stopping

    def figures(self) -> WriterFigures:
        """Return the figures as they are now; `lag_s`: for how long nothing came on the disk of the oldest batch."""
        with self._changed:
            waiting = [batch.waits_since for batch in (*self._later[:1], *islice(self._queue, 1))]
            since = [self._writing_since] if self._writing_since is not None else []
            lag = max((time.monotonic() - at for at in (*waiting, *since)), default=0.0)
            batches = len(self._queue) + len(self._later)
            return replace(self._figures, batches=batches, readings=self._held, lag_s=round(lag, 3))

    def start(self) -> None:
        """Begin to write; does nothing when it has begun."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._write_on, name="writer", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Take nothing new, write what waits, and return when it is written or has failed."""
        with self._changed:
            self._stopping, self._ends_at = True, time.monotonic() + PATIENCE_S
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def put(self, batch: Batch) -> asyncio.Future[Answer]:
        """Queue a batch and return the future of its answer; Refused as `queue` does."""
        done: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.queue(batch, done)
        return done

    def queue(self, batch: Batch, done: Waiter) -> None:
        """Queue a batch; Refused with 429 when too much waits already, with 503 when the server stops."""
        size = batch.readings
        loop = asyncio.get_running_loop()
        batch.done = done
        with self._changed:
            if self._stopping or self._thread is None:
                raise not_taken(HTTPStatus.SERVICE_UNAVAILABLE, "the server is stopping")
            waiting = len(self._queue) + len(self._later)
            if waiting >= WAITING or (waiting and self._held + size > WAITING_READINGS):
                self._figures.refused += 1
                raise not_taken(HTTPStatus.TOO_MANY_REQUESTS, "more readings wait to be written than may")
            batch.journal = batch.journal and self._journals
            if batch.journal and self._folding.full:
                self._figures.refused += 1
                raise not_taken(HTTPStatus.TOO_MANY_REQUESTS, "more readings wait in the journal than may")
            batch.waits_since = time.monotonic()
            self._loop = loop
            self._queue.append(batch)
            self._held += size
            if len(self._queue) >= self._awaited:
                self._changed.notify()

    def _write_on(self) -> None:
        """Write until stopped; a bug between two groups must not end the one writer: all would wait for it for ever."""
        while True:
            stopping = self._stopping
            try:
                self._run()
            except Exception as error:  # noqa: BLE001 - see above
                with suppress(Exception):
                    structlog.get_logger().exception("the writer begins again", error=repr(error))
                if stopping:
                    return
                with self._changed:
                    self._changed.wait(AGAIN_S)
            else:
                return

    def _run(self) -> None:
        left = self._folding.fold()  # of the run before, which may have ended at any moment
        while left and not self._stopping and not self._queue:
            left = self._folding.fold()
        while group := self._group():
            self._writing_since = group[0].waits_since
            group = self._bounded(group)
            if not group:
                continue
            self._let_wait(group)
            began = time.monotonic()
            outcomes = self._outcomes(group)
            self._note(group, outcomes, time.monotonic() - began)
            self._crowd = len(group) + len(self._queue)
            self._tell(group, outcomes)
            self._give_up_overdue(outcomes)
            self._folding.note(sum(batch.readings for batch in group if batch.journal))
            if self._folding.is_pressing:
                self._folding.fold()
        while self._folding.fold():
            pass

    def _bounded(self, group: Sequence[Batch]) -> list[Batch]:
        """Return those that are written now; one that would take long writes some of it ahead, and waits.

        All others pass it, but those that have readings of the same: of two values for one instant the last one counts.
        What was written ahead stays if the rest fails: the same again changes nothing.
        """
        room, reads = STRAYS, READS
        now: list[Batch] = []
        later: list[Batch] = []
        for batch in group:
            fits = batch.strays <= room and batch.reads <= reads
            if fits and all(batch.touched.isdisjoint(other.touched) for other in later):
                room, reads = room - batch.strays, reads - batch.reads
                now.append(batch)
            else:
                later.append(batch)
        if later and not self._write_ahead(later[0]):
            now.append(later.pop(0))
        with self._changed:
            self._later = later
            self._held += sum(batch.readings for batch in later)
        return now

    def _write_ahead(self, batch: Batch) -> bool:
        """Write some of what would take long; False where the batch itself has to tell why it cannot."""
        began = time.monotonic()
        try:
            if batch.strays:
                room = self._store.quarantine.room(batch.access)
                batch.ahead += keep_strays(self._store, batch, STRAYS, room)
            elif batch.reads > READS and not write_some(self._store, batch, READS, self._clock()):
                return False
        except StoreError as error:
            self._patience.note(error, time.monotonic() - began)
            return passes(error) and self._tries_again(batch)
        except Exception:  # noqa: BLE001 - it fails once more where it is answered
            return False
        batch.waits_since = time.monotonic()
        return True

    def _tries_again(self, batch: Batch) -> bool:
        """Tell, after a pause, whether a batch has patience: written as a whole it would hold up all others."""
        if time.monotonic() + AGAIN_S > min(batch.waits_since + self._patience.seconds, self._ends_at):
            return False
        time.sleep(AGAIN_S)
        return True

    def _let_wait(self, group: Sequence[Batch]) -> None:
        """Let single readings wait in the journal where many come at once, or others wait there already."""
        if self._journals and (len(group) >= MANY or self._folding.waits):
            for batch in group:
                batch.journal = batch.journal or bool(batch.resolved.few)

    def _note(self, group: Sequence[Batch], outcomes: Sequence[Outcome | Exception], took: float) -> None:
        """Count what came of a group."""
        with self._changed:
            self._writing_since = None
            figures = self._figures
            figures.groups += 1
            figures.commit_s = round(took, 4)
            figures.slowest_commit_s = max(figures.slowest_commit_s, figures.commit_s)
            for batch, outcome in zip(group, outcomes, strict=True):
                verdicts = batch.decoded.verdicts
                failed = isinstance(outcome, Exception)
                figures.failed += failed
                figures.written += 0 if failed else verdicts.accepted
                figures.quarantined += 0 if failed else verdicts.quarantined
                figures.rejected += 0 if failed else verdicts.rejected
                figures.repeated += 0 if failed else verdicts.repeated
                figures.set_aside += 0 if failed else verdicts.set_aside
                figures.doubted += 0 if failed else verdicts.doubted

    def _outcomes(self, group: Sequence[Batch]) -> Sequence[Outcome | Exception]:
        """Write a group; a bug must not end the one writer: its group is answered with it, and the next is served."""
        try:
            return self._written(group)
        except Exception as error:  # noqa: BLE001 - see above
            # Nor must a log that cannot be written.
            with suppress(Exception):
                structlog.get_logger().exception("writing failed", batches=len(group), error=repr(error))
            return [error] * len(group)

    def _tell(self, group: Sequence[Batch], outcomes: Sequence[Outcome | Exception]) -> None:
        """Hand the outcomes to the event loop, all at once: waking it for each would cost more than the writing."""
        loop = self._loop
        # A loop that closes meanwhile has nobody left to be told.
        with suppress(RuntimeError):
            if loop is not None:
                loop.call_soon_threadsafe(_settle, group, outcomes)

    def _give_up_overdue(self, outcomes: Sequence[Outcome | Exception]) -> None:
        """Answer who has waited as long behind a group for which the database stayed away, and is tried no more."""
        away = next((one for one in outcomes if isinstance(one, StoreError) and passes(one)), None)
        if away is None:
            return
        with self._changed:
            patient = time.monotonic() - self._patience.seconds if time.monotonic() < self._ends_at else float("inf")
            waiting = (*self._later, *self._queue)
            overdue = [batch for batch in waiting if batch.waits_since < patient]
            self._later = [batch for batch in self._later if batch.waits_since >= patient]
            self._queue = deque(batch for batch in self._queue if batch.waits_since >= patient)
            self._held -= sum(batch.readings for batch in overdue)
            self._figures.failed += len(overdue)
        self._tell(overdue, [away] * len(overdue))

    def _group(self) -> list[Batch]:
        """Wait for batches and return those of the next transaction; empty at the end."""
        with self._changed:
            while not (self._queue or self._later or self._stopping):
                due_in = self._folding.due_in()
                if due_in is None or due_in > 0:
                    self._changed.wait(due_in)
                else:
                    self._fold_aside()
        self._gather()
        size = 0
        with self._changed:
            group, self._later = self._later, []
            self._held -= sum(batch.readings for batch in group)
            while self._queue and len(group) < GROUP and (not size or size + self._queue[0].readings <= GROUP_READINGS):
                group.append(self._queue.popleft())
                size += group[-1].readings
            self._held -= size
        return group

    def _fold_aside(self) -> None:
        """Fold while nothing waits to be written; whoever comes meanwhile can put it in the queue."""
        self._changed.release()
        try:
            self._folding.fold()
        finally:
            self._changed.acquire()

    def _gather(self) -> None:
        """Let those join who are just arriving: a commit costs the same for one as for sixty.

        Half of those who were here last are enough: the others arrive while these are written, and the other way round.
        Of few all are waited for: to write for each half takes longer than to read what the other one sends.
        """
        seen, enough = 0, min(max(self._crowd / 2, min(self._crowd, ALL)), GROUP)
        with self._changed:
            self._awaited = enough
            for _ in range(GATHERS):
                waiting = len(self._queue)
                if self._stopping or waiting == seen or waiting >= enough:
                    break
                seen = waiting
                self._changed.wait(GATHER_S)
            self._awaited = 0.0

    def _written(self, group: Sequence[Batch]) -> Sequence[Outcome]:
        """Write a group; while the database is locked or away it is tried again, as a whole, within bounds."""
        for attempt in range(1_000):
            began = time.monotonic()
            try:
                written = write(self._store, group, self._clock())
            except StoreError as error:
                pause = pause_of(attempt)
                self._patience.note(error, time.monotonic() - began)
                # The oldest has waited long enough for a server that says nothing, which holds the newest up as well.
                since = (min if self._patience.silent else max)(batch.waits_since for batch in group)
                until = since + self._patience.seconds
                if is_refusal(error) and len(group) > 1:
                    # The database does not take one of them: each by itself, so that it fails alone.
                    return [self._written([batch])[0] for batch in group]
                if not passes(error) or time.monotonic() + pause > min(until, self._ends_at):
                    return [error] * len(group)
                time.sleep(pause)
            else:
                self._patience.silent = False
                return written
        return [StoreLocked("the database stayed locked", remedy="send it again")] * len(group)


def not_taken(status: HTTPStatus, reason: str) -> Refused:
    """Return the refusal of a batch of which nothing was taken."""
    remedy = "send them again in a moment; nothing of this request was taken"
    return refuse(status, reason, remedy=remedy, headers={"Retry-After": "2"})


def _settle(group: Sequence[Batch], outcomes: Sequence[Outcome | Exception]) -> None:
    for batch, outcome in zip(group, outcomes, strict=True):
        if batch.done is None or batch.done.done():  # its client is gone
            continue
        if isinstance(outcome, Exception):
            batch.done.set_exception(outcome)
        else:
            batch.done.set_result(outcome)
