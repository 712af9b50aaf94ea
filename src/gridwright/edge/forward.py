"""Forwarding: what the buffer holds goes to the centre in order, and is let go of once it is durable there."""

from __future__ import annotations

import os
import random
import secrets
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from dataclasses import replace as replace_piece

import msgspec
import structlog
from msgspec.structs import replace

from gridwright.api.edge.wire import Ack, EdgeBatch, Record, Report
from gridwright.edge.buffer import Buffer
from gridwright.edge.clock import EdgeClock
from gridwright.edge.compare import compare
from gridwright.edge.entry import to_record
from gridwright.edge.folder import UNKNOWN, Ended, Sent
from gridwright.edge.link import Link, LinkDown, LinkGap, LinkRefused
from gridwright.edge.poison import Aside, Behind, Stuck, Suspicion, within
from gridwright.edge.reader import Piece, Range
from gridwright.edge.rejected import Rejected

BYTES, RECORDS = 4 << 20, 5_000  # of one batch, at most
# After a failure batches are small, and double while they arrive: a line that lives for seconds still brings some.
FEWEST = 64
QUICK_S = 5.0  # a batch that takes the centre longer keeps others waiting, and the next one is half as long
FIRST_PAUSE_S = 0.25
LONGEST_WISH_S = 600.0  # a Retry-After beyond it is not believed


@dataclass(frozen=True, slots=True)
class Patience:
    """How often an edge without news says that it is there, and the longest pause between two tries.

    `keep_days`: how long it keeps the records that were refused, None = for ever.
    """

    heartbeat_s: float = 30.0
    retry_s: float = 60.0
    keep_days: float | None = None


@dataclass(slots=True)
class Progress:
    """How forwarding goes: batches and records delivered, numbers given up, the last answer, and what is in the way.

    `doubted`: register reads that the centre keeps and does not count. `shared_by`: where other processes run that send
    under the same name, as the centre told last.
    """

    delivered: int = 0
    gone: int = 0
    last_contact_us: int | None = None
    problem: str = ""
    shared_by: tuple[str, ...] = ()
    doubted: int = 0
    failures: int = 0
    changed: threading.Event = field(default_factory=threading.Event)


class Forwarder:
    """Brings the buffer to the centre; `step` once, or `run` until `stop`."""

    def __init__(
        self, buffer: Buffer, link: Link, clock: EdgeClock, patience: Patience = Patience(), *, sent: Sent = UNKNOWN
    ) -> None:
        self._buffer, self._link, self._clock, self._sent_as = buffer, link, clock, sent
        self._heartbeat_s, self._longest_s = patience.heartbeat_s, patience.retry_s
        self._rejected = Rejected(
            buffer.folder, buffer.seals, keep_days=patience.keep_days, now_us=lambda: clock.centre_us
        )
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._greeted = float("-inf")
        self._suspicion = Suspicion()
        self._oldest_us: int | None = None  # of what is under way, or could not be delivered
        self._moved, self._wish_s, self._most = False, 0.0, FEWEST
        self.progress = Progress()
        self._run = secrets.token_hex(8)
        self._place = f"process {os.getpid()} on {socket.gethostname()} in {buffer.folder.resolve()}"
        self._log = structlog.get_logger()

    @property
    def rejected(self) -> int:
        """How many records the centre refused, and are kept in a file."""
        return self._rejected.count

    def start(self) -> None:
        """Begin to forward beside whatever else is done."""
        self._thread = threading.Thread(target=self.run, name="forwarder", daemon=True)
        self._thread.start()

    def stop(self, within_s: float = 10.0) -> None:
        """Let the batch under way end, within bounds; what it carried comes again otherwise."""
        self._stopping.set()
        with self._buffer.changed:
            self._buffer.changed.notify_all()
        if self._thread is not None:
            self._thread.join(within_s)
        self._link.close()

    def run(self) -> None:
        """Forward until stopped; while the centre is away, less and less often, never all edges at the same moment."""
        while not self._stopping.is_set():
            seen = self._buffer.appended
            if not self.attempt():
                self._stopping.wait(self.pause_s())
            elif not self._moved:
                self._wait(seen)

    def _wait(self, seen: int) -> None:
        """Wait until something was appended since `seen`, or a little."""
        with self._buffer.changed:
            self._buffer.changed.wait_for(
                lambda: self._buffer.appended != seen or self._stopping.is_set(), min(1.0, self._heartbeat_s)
            )

    def attempt(self) -> bool:
        """Do one step; False where the centre, or the disk, is in the way, which is then told in `progress`."""
        progress = self.progress
        try:
            self.step()
        except LinkDown as down:
            self._trouble(down.reason, down.after_s)
        except OSError as error:
            self._trouble(f"the edge's disk: {error.strerror or error}", 0.0)
        except LinkGap as gap:
            self._trouble(f"the centre asks for number {gap.expected}: it lacks what it had", 0.0)
        except (LinkRefused, msgspec.DecodeError) as error:
            self._trouble(f"the centre cannot go on: {error}", 0.0)
        except Exception as error:  # noqa: BLE001 - a bug must not end forwarding without a word
            self._log.exception("forwarding failed", error=repr(error))
            self._trouble(f"a fault of Gridwright's own: {error!r}", 0.0)
        else:
            if progress.problem:
                self._log.warning("the centre is back", after=progress.problem)
            progress.problem, progress.failures = "", 0
            return True
        return False

    def _trouble(self, reason: str, after_s: float) -> None:
        if reason != self.progress.problem:
            self._log.warning("forwarding waits", problem=reason)
        self.progress.problem, self._wish_s = reason, min(after_s, LONGEST_WISH_S)
        self.progress.failures += 1
        self._greeted, self._most = float("-inf"), FEWEST
        self._buffer.rewind()
        self._link.close()

    def pause_s(self) -> float:
        """Return how long to wait after failures: longer each time, with chance, and as long as the centre wishes."""
        most: float = min(self._longest_s, FIRST_PAUSE_S * 2.0 ** min(self.progress.failures, 12))
        return max(self._wish_s, most * (0.5 + random.random() / 2))  # noqa: S311 - spreads load, hides nothing

    def step(self) -> None:
        """Send the next piece, or, where there is none, say now and then that the edge is there."""
        if self._greeted == float("-inf"):
            self._greet()  # before anything is told, the clock is measured
        piece = self._buffer.read(BYTES, self._most)
        self._moved = piece is not None
        if piece is not None:
            self._deliver(piece)
        elif time.monotonic() - self._greeted >= self._heartbeat_s:
            self._greet()

    def _greet(self) -> None:
        """Say that the edge is there, and find out whether the centre still has what it acknowledged."""
        try:
            if compare(self._buffer, self._sent_as, self._expected) != self._buffer.epoch:
                self._ask(self._buffer.epoch, 0)
        except LinkDown:
            self._suspicion.clear()  # it fails at more than records
            raise

    def _expected(self, known: Ended) -> int | None:
        """Return the number that the centre expects of an epoch, None where it has all that it acknowledged."""
        try:
            self._ask(known.epoch, known.through)
        except LinkGap as gap:
            if gap.expected > known.through:
                raise
            return gap.expected
        return None

    def _ask(self, epoch: str, through: int) -> Ack:
        """Send no record; LinkGap where the centre is not durable up to a number."""
        return self._send(EdgeBatch(epoch, through + 1, through, [], self._report(0, self._oldest_us)))

    def _deliver(self, piece: Piece) -> None:
        began = time.monotonic()
        if piece.lost:
            self._log.error("records are lost", epoch=piece.epoch, numbers=list(piece.lost))
        records = [to_record(number, payload, self._clock) for number, payload in piece.records]
        try:
            self._halved(piece, records, list(piece.lost))
        except LinkDown as down:
            raise self._suspected(piece, down) from down
        except Stuck as stuck:
            self._put_aside(piece, stuck)
            return
        self._suspicion.clear()
        self._acknowledge(piece.epoch, piece.last, records[-1].received_us if records else None)
        quick = time.monotonic() - began < QUICK_S
        self._most = min(RECORDS, 2 * self._most) if quick else max(FEWEST, self._most // 2)
        self.progress.delivered += len(records)
        self.progress.changed.set()

    def _acknowledge(self, epoch: str, through: int, last_us: int | None) -> None:
        self._buffer.acknowledge(epoch, through, replace(self._sent_as, last_us=last_us))
        self._clock.save()

    def _halved(self, piece: Piece, records: Sequence[Record], lost: list[Range]) -> None:
        """Send records; a batch that is refused is halved down to the one record that the centre does not take."""
        waiting = list(records)
        first, size = piece.first, max(1, len(waiting))
        while first <= piece.last:
            part = waiting[:size]
            # The last part also tells what is lost behind the last record.
            last = piece.last if len(part) == len(waiting) else part[-1].sequence
            try:
                self._sent(piece.epoch, (first, last), part, within(lost, first, last))
            except LinkDown as down:
                if not (down.failed and part and self._suspicion.is_ripe):
                    raise
                if len(part) == 1:
                    raise Stuck(first, waiting, lost, down) from down
                size = (len(part) + 1) // 2
            except LinkRefused as refused:
                if not part:
                    raise
                size = (len(part) + 1) // 2
                if len(part) == 1:
                    self._give_up(piece.epoch, part[0], refused)
                    lost = sorted([*lost, (part[0].sequence, part[0].sequence)])
                    del waiting[0]
            else:
                del waiting[: len(part)]
                first = last + 1

    def _suspected(self, piece: Piece, down: LinkDown) -> LinkDown:
        """Return what a failure at a piece is, and look for the record next time where it fails at nothing else."""
        if not down.failed:
            self._suspicion.clear()
            return down
        self._suspicion.note(piece.epoch, piece.first)
        told = f"{down.reason}; it answers, but takes no records from number {piece.first} of epoch {piece.epoch} on"
        return LinkDown(told, down.after_s)

    def _put_aside(self, piece: Piece, stuck: Stuck) -> None:
        """Go on to the record at which the centre fails; one that it failed at for long is put aside, where it can."""
        if stuck.first > piece.first:
            self._acknowledge(piece.epoch, stuck.first - 1, None)
            raise self._suspected(replace_piece(piece, first=stuck.first), stuck.down)
        # Whatever comes of it: the next one has to be as often and as long in the way.
        self._suspicion.clear()
        aside = Aside(self._rejected, self._sent, self._stands_at)
        through = aside.put(self._behind(piece, stuck), stuck.down)
        if not through:
            raise self._suspected(piece, stuck.down)
        self._acknowledge(piece.epoch, through, None)
        self._buffer.rewind()
        self.progress.gone += len(aside.run)
        self._log.error(
            "the centre fails at records and takes those behind them; they are kept",
            file=str(self._rejected.path),
            epoch=piece.epoch,
            numbers=aside.run,
            remedy="mend the centre, as its log tells; then gridwright edge resend",
        )

    def _behind(self, piece: Piece, stuck: Stuck) -> Behind:
        """Return what follows a record at which the centre fails, some of the next piece included."""
        records, lost, last, after = list(stuck.waiting), list(stuck.lost), piece.last, None
        following = self._buffer.read(BYTES, FEWEST)
        if following is not None and following.records:
            more = [to_record(number, payload, self._clock) for number, payload in following.records]
            if following.epoch == piece.epoch:
                records, lost, last = [*records, *more], [*lost, *following.lost], following.last
            else:
                numbers = (following.first, more[0].sequence)
                after = (following.epoch, numbers, more[:1], within(following.lost, *numbers))
        return Behind(piece.epoch, stuck.first, last, records, lost, after)

    def _stands_at(self, epoch: str, first: int) -> int:
        """Return the number up to which the centre is durable, which is not less than that before `first`."""
        return self._ask(epoch, first - 1).acknowledged

    def _give_up(self, epoch: str, record: Record, refused: LinkRefused) -> None:
        """Keep a record that the centre does not even look at; its number is told as lost."""
        said = {"reason": str(refused), "remedy": str(refused.problem.get("remedy", ""))}
        self._rejected.keep(epoch, [(record, [said], [])])
        self.progress.gone += 1
        self._log.error(
            "the centre does not take a record; it is kept", file=str(self._rejected.path), reason=str(refused)
        )

    def _sent(self, epoch: str, numbers: Range, records: Sequence[Record], lost: list[Range]) -> None:
        """Send one batch and keep what was refused of it."""
        first, last = numbers
        self._oldest_us = oldest = records[0].received_us if records else None
        report = self._report(len(records), oldest)
        until = None if records else self._until(epoch, last)
        ack = self._send(EdgeBatch(epoch, first, last, list(records), report, lost, until))
        if ack.acknowledged < last:
            raise LinkDown(f"the centre acknowledges {ack.acknowledged} of {last}")
        self._oldest_us = None
        by_number = {record.sequence: record for record in records}
        told = [(by_number[one.sequence], one.verdicts, one.places) for one in ack.refused if one.sequence in by_number]
        self._rejected.keep(epoch, told)
        self.progress.doubted += ack.doubted
        if ack.doubted:
            self._log.warning("the centre doubts register reads; it keeps them, and counts nothing", reads=ack.doubted)
        if told:
            self._log.warning(
                "the centre refused readings; they are kept", file=str(self._rejected.path), records=len(told)
            )

    def _until(self, epoch: str, last: int) -> int | None:
        """Return when the last of numbers came in that the centre had and lacks; None where that is not known."""
        ours = (one for one in self._buffer.mark.forgotten if (one.epoch, one.last) == (epoch, last))
        return next((one.until_us for one in ours), None)

    def _send(self, batch: EdgeBatch) -> Ack:
        asked = self._clock.now()
        ack = self._link.send(batch)
        self._clock.measured(ack.now_us, asked, self._clock.now())
        self._greeted, self.progress.last_contact_us = time.monotonic(), ack.now_us
        self._meet(tuple(ack.shared_by))
        return ack

    def _meet(self, shared_by: tuple[str, ...]) -> None:
        """Take note of other processes that send under the same name, and say so where it is news."""
        if shared_by and shared_by != self.progress.shared_by:
            self._log.error(
                "another process sends under this edge's name: each waits for the other, nothing is lost",
                edge=self._sent_as.edge,
                at=list(shared_by),
                remedy="give this one, or that one, a name of its own: edge.name, or --name",
            )
        elif self.progress.shared_by and not shared_by:
            self._log.warning("no other process sends under this edge's name any more", edge=self._sent_as.edge)
        self.progress.shared_by = shared_by

    def _report(self, sending: int, oldest_us: int | None) -> Report:
        level = self._buffer.level
        waiting = max(0, level.waiting - sending)
        oldest = oldest_us if waiting else None
        return Report(self._clock.now().wall_us, waiting, level.dropped, oldest, self._run, self._place)


def drained(forwarder: Forwarder, buffer: Buffer, until: float) -> bool:
    """Forward until the centre has, or knows as gone, all that is here, or the time (monotonic seconds) is up."""
    with suppress(KeyboardInterrupt):
        while not buffer.is_told and time.monotonic() < until:
            if not forwarder.attempt():
                time.sleep(max(0.0, min(forwarder.pause_s(), until - time.monotonic())))
    return buffer.is_told
